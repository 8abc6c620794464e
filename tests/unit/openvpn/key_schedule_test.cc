#include "control/openvpn/key_schedule.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include <map>

#include "control/crypto/certificate.h"
#include "control/crypto/tls.h"
#include "tests/unit/support/seeded_random.h"
#include "tests/unit/support/vectors.h"

namespace culvert::openvpn {
namespace {

using culvert::testing::SeededRandom;

template <size_t N>
void fill(crypto::Secret<N>& out, const std::vector<uint8_t>& bytes) {
  ASSERT_EQ(bytes.size(), N);
  std::copy(bytes.begin(), bytes.end(), out.data());
}

wire::SessionId session_id(const std::vector<uint8_t>& bytes) {
  wire::SessionId id{};
  EXPECT_EQ(bytes.size(), id.size());
  std::copy_n(bytes.begin(), id.size(), id.begin());
  return id;
}

std::vector<uint8_t> key_of(const abi::DirectionKey& key) {
  return {key.key.begin(), key.key.end()};
}

TEST(LegacyDerivation, GivesTheKeysOfTheReference) {
  std::map<std::string, std::vector<uint8_t>> value;
  for (const auto& [name, bytes] : culvert::testing::read_hex_lines("openvpn/legacy-derivation.txt"))
    value[name] = bytes;
  KeySource client;
  KeySource server;
  fill(client.pre_master, value["client_pre_master"]);
  fill(client.random1, value["client_random1"]);
  fill(client.random2, value["client_random2"]);
  fill(server.random1, value["server_random1"]);
  fill(server.random2, value["server_random2"]);
  const auto client_id = session_id(value["client_session"]);
  const auto server_id = session_id(value["server_session"]);
  auto block = derive_with_prf(client, server, client_id, server_id);
  ASSERT_TRUE(block);
  const DataKeys at_client = split_key_block(*block, Side::kClient);
  EXPECT_EQ(key_of(at_client.send), value["client_send_key"]);
  EXPECT_EQ(key_of(at_client.receive), value["client_receive_key"]);

  // Every input matters.
  auto differs = [&](const std::optional<KeyBlock>& other) { return other && other->bytes() != block->bytes(); };
  EXPECT_TRUE(differs(derive_with_prf(client, server, server_id, client_id)));
  EXPECT_TRUE(differs(derive_with_prf(server, client, client_id, server_id)));
  KeySource changed = client;
  changed.random2.data()[0] ^= 1;
  EXPECT_TRUE(differs(derive_with_prf(changed, server, client_id, server_id)));
  changed = server;
  changed.pre_master.data()[0] ^= 1;  // a server's pre-master does not
  EXPECT_FALSE(differs(derive_with_prf(client, changed, client_id, server_id)));
}

TEST(KeyBlockHalves, OneSidesSendIsTheOthersReceive) {
  KeyBlock block;
  for (size_t i = 0; i < block.size(); ++i) block.data()[i] = static_cast<uint8_t>(i);
  const DataKeys client = split_key_block(block, Side::kClient);
  const DataKeys server = split_key_block(block, Side::kServer);
  EXPECT_EQ(client.send.key, server.receive.key);
  EXPECT_EQ(client.send.implicit_iv, server.receive.implicit_iv);
  EXPECT_EQ(client.receive.key, server.send.key);
  EXPECT_EQ(client.receive.implicit_iv, server.send.implicit_iv);
  // Client sends with the first half: cipher part at 0, HMAC part (whose first 8 bytes are the implicit IV) at 64.
  EXPECT_EQ(client.send.key[0], 0);
  EXPECT_EQ(client.send.key[31], 31);
  EXPECT_EQ(client.send.implicit_iv, (std::array<uint8_t, 12>{64, 65, 66, 67, 68, 69, 70, 71}));
  EXPECT_EQ(client.send.hmac[0], 64);
  EXPECT_EQ(client.send.hmac[63], 127);
  EXPECT_EQ(client.send.hmac, server.receive.hmac);
  EXPECT_EQ(client.receive.hmac, server.send.hmac);
  EXPECT_EQ(client.receive.key[0], 128);
  EXPECT_EQ(client.receive.implicit_iv[0], 192);
}

TEST(EpochSecrets, AreTheOnesOfAnIndependentComputation) {
  std::ifstream file(CULVERT_VECTORS "/openvpn/epoch-keys.txt");
  std::array<uint8_t, 32> first{};
  size_t seen = 0;
  for (std::string text; std::getline(file, text);) {
    if (text.starts_with("#")) continue;
    std::istringstream words(text);
    uint16_t epoch = 0;
    std::string hex;
    words >> epoch >> hex;
    std::array<uint8_t, 32> expected;
    for (size_t i = 0; i < 32; ++i) expected[i] = static_cast<uint8_t>(std::stoul(hex.substr(2 * i, 2), nullptr, 16));
    if (epoch == 1) first = expected;
    std::array<uint8_t, 32> secret = first;
    ASSERT_TRUE(advance_epoch(secret, epoch));
    EXPECT_EQ(secret, expected) << epoch;
    ++seen;
  }
  EXPECT_EQ(seen, 24u);
}

/// Both ends of a finished handshake.
struct Established {
  std::unique_ptr<crypto::TlsStream> server;
  std::unique_ptr<crypto::TlsStream> client;

  Established() {
    using namespace crypto;
    const std::chrono::sys_seconds now(std::chrono::seconds(1780000000));
    const Validity validity{now - std::chrono::hours(1), now + std::chrono::hours(1)};
    const Identity ca = *make_authority("ca", validity);
    auto open = [&](TlsRole role, CertificateUse use, const char* name) {
      const Identity own = *issue_certificate(ca, {.common_name = name, .use = use, .validity = validity});
      TlsSettings settings;
      settings.role = role;
      settings.ca_pem = ca.certificate_pem;
      settings.certificate_pem = own.certificate_pem;
      settings.key_pem = own.key_pem;
      return (*TlsContext::make(settings))->open(now);
    };
    server = open(TlsRole::kServer, CertificateUse::kServer, "server");
    client = open(TlsRole::kClient, CertificateUse::kClient, "client");
  }
  void handshake() {
    client->start();
    while (client->has_output() || server->has_output()) {
      server->feed(client->drain(SIZE_MAX));
      client->feed(server->drain(SIZE_MAX));
    }
  }
};

TEST(ExporterDerivation, IsTheSameOnBothSidesAndOnlyAfterTheHandshake) {
  Established tls;
  EXPECT_FALSE(derive_with_exporter(*tls.server));
  EXPECT_FALSE(derive_dynamic_tls_crypt(*tls.server, nullptr));
  tls.handshake();
  auto at_server = derive_with_exporter(*tls.server);
  auto at_client = derive_with_exporter(*tls.client);
  ASSERT_TRUE(at_server && at_client);
  EXPECT_EQ(at_server->bytes(), at_client->bytes());
  std::array<uint8_t, 256> exported;
  ASSERT_TRUE(tls.client->export_keying_material("EXPORTER-OpenVPN-datakeys", exported));
  EXPECT_EQ(at_client->bytes(), exported);
}

TEST(DynamicTlsCrypt, IsTheExportedKeyXoredWithTheFirst) {
  Established tls;
  tls.handshake();
  std::array<uint8_t, 256> exported;
  ASSERT_TRUE(tls.server->export_keying_material("EXPORTER-OpenVPN-dynamic-tls-crypt", exported));
  EXPECT_EQ(derive_dynamic_tls_crypt(*tls.client, nullptr), exported);
  SeededRandom random(10);
  StaticKey original;
  random.fill(original);
  auto key = derive_dynamic_tls_crypt(*tls.client, &original);
  ASSERT_TRUE(key);
  EXPECT_NE(*key, exported);
  for (size_t i = 0; i < key->size(); ++i) EXPECT_EQ((*key)[i] ^ original[i], exported[i]);
  EXPECT_EQ(key, derive_dynamic_tls_crypt(*tls.server, &original));
}

}  // namespace
}  // namespace culvert::openvpn
