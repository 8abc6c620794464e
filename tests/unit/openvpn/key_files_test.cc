#include "control/openvpn/key_files.h"

#include <gtest/gtest.h>

#include "tests/unit/support/seeded_random.h"
#include "tests/unit/support/vectors.h"

namespace culvert::openvpn {
namespace {

using culvert::testing::read_vector;
using culvert::testing::SeededRandom;

template <class T>
void expect_error(const Result<T>& result, const std::string& words) {
  ASSERT_FALSE(result) << words;
  EXPECT_NE(result.error().find(words), std::string::npos) << result.error();
}

/// The lines that are not comments.
std::string without_comments(const std::string& text) {
  return text.substr(text.find("-----BEGIN"));
}

TEST(StaticKeyFile, OfTheReferenceComesBackAsItWas) {
  const std::string text = read_vector("openvpn/static.key");
  auto key = parse_static_key(text);
  ASSERT_TRUE(key) << key.error();
  EXPECT_EQ(without_comments(write_static_key(*key)), without_comments(text));
}

TEST(StaticKeyFile, ToleratesSpacesAndWindowsLines) {
  const std::string text = read_vector("openvpn/static.key");
  std::string windows;
  for (char c : text) windows += c == '\n' ? std::string(" \r\n") : std::string(1, c);
  auto key = parse_static_key("\xEF\xBB\xBF# a comment\n" + windows + "\ntrailing words");
  ASSERT_TRUE(key) << key.error();
  EXPECT_EQ(*key, *parse_static_key(text));
}

TEST(StaticKeyFile, SaysWhatIsWrong) {
  const std::string text = read_vector("openvpn/static.key");
  const size_t first = text.find("V1-----\n") + 8;
  expect_error(parse_static_key(""), "no line \"-----BEGIN OpenVPN Static key V1-----\"");
  expect_error(parse_static_key(text.substr(0, text.size() / 2)), "-----END OpenVPN Static key V1-----");
  std::string changed = text;
  changed.erase(first, 2);
  expect_error(parse_static_key(changed), "510 hexadecimal digits instead of 512");
  changed = text;
  changed.erase(first, 1);
  expect_error(parse_static_key(changed), "511 hexadecimal digits");
  changed = text;
  changed.insert(first, "0");
  expect_error(parse_static_key(changed), "more than 512");
  changed = text;
  changed[first] = 'g';
  expect_error(parse_static_key(changed), "not a hexadecimal digit");
  expect_error(parse_static_key(write_static_key(StaticKey{})), "all zero");
}

TEST(KeyFiles, NameTheKindThatWasGivenInstead) {
  const std::string shared = read_vector("openvpn/static.key");
  const std::string server = read_vector("openvpn/v2-server.key");
  const std::string client = read_vector("openvpn/v2-client.key");
  expect_error(parse_static_key(server), "for tls-crypt-v2 of a server");
  expect_error(parse_static_key(client), "for tls-crypt-v2 of a client");
  expect_error(parse_static_key(read_vector("tls/ca.crt")), "perhaps a certificate");
  expect_error(parse_tls_crypt_v2_server_key(shared), "for tls-auth or tls-crypt");
  expect_error(parse_tls_crypt_v2_server_key(client), "for tls-crypt-v2 of a client");
  expect_error(parse_tls_crypt_v2_client_key(server), "for tls-crypt-v2 of a server");
  expect_error(parse_tls_crypt_v2_server_key("x"), "-----BEGIN OpenVPN tls-crypt-v2 server key-----");
}

TEST(TlsCryptV2KeyFiles, OfTheReferenceComeBackAsTheyWere) {
  const std::string server = read_vector("openvpn/v2-server.key");
  const std::string client = read_vector("openvpn/v2-client.key");
  EXPECT_EQ(*write_tls_crypt_v2_server_key(*parse_tls_crypt_v2_server_key(server)), server);
  EXPECT_EQ(*write_tls_crypt_v2_client_key(*parse_tls_crypt_v2_client_key(client)), client);
}

TEST(TlsCryptV2KeyFiles, TruncatedAnywhereAreRefused) {
  const std::string server = read_vector("openvpn/v2-server.key");
  const std::string client = read_vector("openvpn/v2-client.key");
  // The last character is the newline after the end line.
  for (size_t size = 0; size + 1 < server.size(); ++size)
    EXPECT_FALSE(parse_tls_crypt_v2_server_key(std::string_view(server).substr(0, size))) << size;
  for (size_t size = 0; size + 1 < client.size(); ++size)
    EXPECT_FALSE(parse_tls_crypt_v2_client_key(std::string_view(client).substr(0, size))) << size;
}

TEST(TlsCryptV2KeyFiles, OddLengthsAreRefused) {
  ClientKeyFile file;
  for (size_t size : {0UL, 1UL, 289UL, 1025UL}) {
    file.wrapped.assign(size, 1);
    expect_error(parse_tls_crypt_v2_client_key(*write_tls_crypt_v2_client_key(file)), "length");
  }
  for (size_t size : {290UL, 1024UL}) {
    file.wrapped.assign(size, 1);
    EXPECT_TRUE(parse_tls_crypt_v2_client_key(*write_tls_crypt_v2_client_key(file)));
  }
}

TEST(NewKeys, FitTogether) {
  SeededRandom random(7);
  const auto server = make_tls_crypt_v2_server_key(random);
  const auto now = std::chrono::sys_seconds(std::chrono::seconds(1700000000));
  auto client = make_tls_crypt_v2_client_key(server, random, now);
  ASSERT_TRUE(client) << client.error();
  auto key = unwrap_client_key(server, client->wrapped);
  ASSERT_TRUE(key);
  EXPECT_EQ(key->key, client->key);
  EXPECT_EQ(key_made_at(*key), now);
  EXPECT_NE(make_static_key(random), make_static_key(random));
}

}  // namespace
}  // namespace culvert::openvpn
