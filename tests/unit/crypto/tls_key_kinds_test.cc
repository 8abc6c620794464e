// Keys that are no EC keys come into TLS's library context when somebody needs them, and nobody notices.
#include "control/crypto/tls_key_kinds.h"

#include <cstdlib>

#include "control/crypto/tls_library.h"
#include "control/crypto/x509.h"
#include "tests/unit/crypto/tls_fixture.h"
#include "tests/unit/support/vectors.h"

namespace culvert::crypto {
namespace {

using Message = std::vector<uint8_t>;
using OwnedKeyManager = Owned<EVP_KEYMGMT, EVP_KEYMGMT_free>;

Message certificate_der(const std::string& kind) {
  const auto certificates = must(load_certificates(culvert::testing::read_vector("tls/kinds/" + kind + ".crt")));
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificates.front().get(), &der);
  Message bytes(der, der + size);
  OPENSSL_free(der);
  return bytes;
}

Message with_length(size_t count_size, const Message& bytes) {
  Message out;
  for (size_t at = count_size; at > 0; --at) out.push_back(static_cast<uint8_t>(bytes.size() >> (8 * (at - 1))));
  out.insert(out.end(), bytes.begin(), bytes.end());
  return out;
}

/// RFC 8446, section 4.4.2, and RFC 5246, section 7.4.2.
Message certificate_message(bool tls13, const std::vector<Message>& certificates) {
  Message list;
  for (const Message& certificate : certificates) {
    const Message entry = with_length(3, certificate);
    list.insert(list.end(), entry.begin(), entry.end());
    if (tls13) list.insert(list.end(), {0, 3, 1, 2, 3});  // an extension
  }
  Message body = tls13 ? Message{0} : Message{};
  const Message counted_list = with_length(3, list);
  body.insert(body.end(), counted_list.begin(), counted_list.end());
  Message message = {SSL3_MT_CERTIFICATE};
  const Message counted_body = with_length(3, body);
  message.insert(message.end(), counted_body.begin(), counted_body.end());
  return message;
}

TEST(TlsKeyKinds, AreSeenInACertificateMessage) {
  for (const bool tls13 : {false, true}) {
    const auto only_ec = [&](const std::vector<std::string>& kinds) {
      std::vector<Message> certificates;
      for (const std::string& kind : kinds) certificates.push_back(certificate_der(kind));
      return has_only_ec_keys(certificate_message(tls13, certificates), tls13);
    };
    EXPECT_TRUE(only_ec({}));
    for (const char* kind : {"p256", "p384", "p521", "sub"}) EXPECT_TRUE(only_ec({kind})) << kind;
    for (const char* kind : {"rsa", "rsa-pss", "ed25519", "ed448", "root"}) {
      EXPECT_FALSE(only_ec({kind})) << kind;
      EXPECT_FALSE(only_ec({"p256", kind})) << kind;
      EXPECT_FALSE(only_ec({kind, "p256"})) << kind;
    }
    EXPECT_TRUE(only_ec({"p256", "sub", "p384"}));
  }
}

TEST(TlsKeyKinds, WhatCannotBeReadMayBeOfAnyKind) {
  for (const bool tls13 : {false, true}) {
    const Message whole = certificate_message(tls13, {certificate_der("p256"), certificate_der("sub")});
    ASSERT_TRUE(has_only_ec_keys(whole, tls13));
    EXPECT_FALSE(has_only_ec_keys(whole, !tls13));
    for (size_t size = 0; size < whole.size(); ++size)
      EXPECT_FALSE(has_only_ec_keys(Bytes(whole).first(size), tls13)) << size;
    Message longer = whole;
    longer.push_back(0);
    EXPECT_FALSE(has_only_ec_keys(longer, tls13));
    EXPECT_FALSE(has_only_ec_keys(certificate_message(tls13, {Message{}}), tls13));
    EXPECT_FALSE(has_only_ec_keys(certificate_message(tls13, {Message(300, 0x30)}), tls13));
    EXPECT_EQ(ERR_peek_error(), 0UL);
  }
}

/// Any byte may be anything: nothing is read beyond the message (sanitizers), and no error stays behind.
TEST(TlsKeyKinds, GarbledMessagesAreRead) {
  const Message whole = certificate_message(true, {certificate_der("p256")});
  for (size_t at = 0; at < whole.size(); ++at)
    for (const uint8_t value : {0x00, 0x7F, 0x80, 0x84, 0xFF}) {
      Message garbled = whole;
      garbled[at] = value;
      has_only_ec_keys(Message(garbled.begin(), garbled.end()), true);
    }
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

bool library_has(const char* kind) {
  const OwnedKeyManager manager(EVP_KEYMGMT_fetch(tls_library(), kind, nullptr));
  ERR_clear_error();
  return manager != nullptr;
}

/// 0 when everything is as expected, else the number of the first thing that is not. Runs in a process of its own, in
/// which nothing has asked for other keys yet.
int first_other_key(const TlsSettings& server_settings, const TlsSettings& client_settings, bool at_load) {
  auto server = TlsContext::make(server_settings);
  if (!server) return 1;
  if (library_has("RSA") != at_load || library_has("ED25519") != at_load) return 2;
  auto client = TlsContext::make(client_settings);
  if (!client) return 3;
  Pair pair{(*server)->open(kNow), (*client)->open(kNow)};
  pair.client->start();
  pair.exchange();
  if (pair.server->status() != TlsStatus::kEstablished || pair.client->status() != TlsStatus::kEstablished) return 4;
  return library_has("RSA") && library_has("ED25519") ? 0 : 5;
}

TEST(TlsKeyKinds, TheFirstPeerWithAnotherKeyIsLetIn) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const World& world = World::instance();
  const Identity other = World::issue(world.ca, "carol", CertificateUse::kClient, kYear, KeyKind::kEd25519);
  for (const TlsVersion version : {TlsVersion::kTls12, TlsVersion::kTls13}) {
    TlsSettings client = client_settings();
    client.certificate_pem = other.certificate_pem;
    client.key_pem = other.key_pem;
    client.max_version = version;
    EXPECT_EXIT(std::_Exit(first_other_key(server_settings(), client, false)), ::testing::ExitedWithCode(0), "");
  }
}

/// The client's own key is an EC key here; only the server's CA is not.
TEST(TlsKeyKinds, AnotherKeyOfACaIsThereFromTheBeginning) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto vector_of = [](const std::string& file) { return culvert::testing::read_vector("tls/kinds/" + file); };
  TlsSettings server = server_settings();
  server.ca_pem += vector_of("root.crt");
  EXPECT_EXIT(std::_Exit(first_other_key(server, client_settings(), true)), ::testing::ExitedWithCode(0), "");
}

int note_signatures(SSL* ssl, int*, void* argument) {
  const unsigned char* bytes = nullptr;
  size_t size = 0;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_signature_algorithms, &bytes, &size) == 1)
    static_cast<Message*>(argument)->assign(bytes, bytes + size);
  return SSL_CLIENT_HELLO_ERROR;
}

/// What a client of this context says it verifies.
Message signatures_of(OwnedSslCtx context) {
  Message signatures;
  OwnedSslCtx server(SSL_CTX_new(TLS_server_method()));
  SSL_CTX_set_client_hello_cb(server.get(), note_signatures, &signatures);
  OwnedSsl client_end(SSL_new(context.get()));
  OwnedSsl server_end(SSL_new(server.get()));
  BIO* client_bio = nullptr;
  BIO* server_bio = nullptr;
  if (BIO_new_bio_pair(&client_bio, 0, &server_bio, 0) != 1) return {};
  SSL_set_bio(client_end.get(), client_bio, client_bio);
  SSL_set_bio(server_end.get(), server_bio, server_bio);
  SSL_connect(client_end.get());
  SSL_accept(server_end.get());
  ERR_clear_error();
  return signatures;
}

/// 0: as OpenSSL's own context.
int compare_signatures() {
  const Message own = signatures_of(new_tls_context(TLS_client_method()));
  if (library_has("RSA") || own.size() < 20) return 1;
  return own == signatures_of(OwnedSslCtx(SSL_CTX_new(TLS_client_method()))) ? 0 : 2;
}

TEST(TlsKeyKinds, EverySignatureIsOfferedFromTheBeginning) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(std::_Exit(compare_signatures()), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace culvert::crypto
