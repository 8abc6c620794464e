// Tokens against ones that were made without our code.
#include "control/auth/token.h"

#include <gtest/gtest.h>

#include "control/crypto/primitives.h"
#include "tests/unit/support/vectors.h"

namespace culvert::auth {
namespace {

using culvert::testing::from_hex;
using culvert::testing::read_vector;

std::chrono::sys_seconds at(int64_t second) {
  return std::chrono::sys_seconds(std::chrono::seconds(second));
}

struct Vector {
  std::string name, username, session_id, text;
  int64_t first = 0, made = 0;
};

std::vector<Vector> vectors() {
  std::istringstream lines(read_vector("auth_token/tokens.txt"));
  std::vector<Vector> all;
  for (Vector one; lines >> one.name >> one.username >> one.session_id >> one.first >> one.made >> one.text;) {
    if (one.username == "-") one.username.clear();
    all.push_back(one);
  }
  EXPECT_EQ(all.size(), 5u);
  return all;
}

openvpn::AuthTokenKey secret() {
  auto key = openvpn::parse_auth_token_key(read_vector("auth_token/auth-token.key"));
  EXPECT_TRUE(key) << key.error();
  return *key;
}

TEST(Token, IsReadAndWrittenAsTheReferenceHasIt) {
  for (const Vector& vector : vectors()) {
    ASSERT_TRUE(looks_like_token(vector.text)) << vector.name;
    auto read = read_token(secret(), vector.username, vector.text);
    ASSERT_TRUE(read) << vector.name;
    EXPECT_EQ(read->token.first, at(vector.first));
    EXPECT_EQ(read->token.made, at(vector.made));
    auto id = from_hex(vector.session_id);
    EXPECT_TRUE(std::equal(id.begin(), id.end(), read->token.session_id.begin()));
    EXPECT_FALSE(read->for_empty_username);
    EXPECT_EQ(write_token(secret(), vector.username, read->token), vector.text);
    EXPECT_EQ(vector.text.substr(11, 16), session_id_text(read->token.session_id));
  }
}

TEST(Token, IsForOneNameOrForTheEmptyOne) {
  for (const Vector& vector : vectors()) {
    auto read = read_token(secret(), "mallory", vector.text);
    EXPECT_EQ(read.has_value(), vector.username.empty()) << vector.name;
    if (read) {
      EXPECT_TRUE(read->for_empty_username);
    }
  }
}

TEST(Token, NoByteOfItCanBeChanged) {
  const std::string good = vectors().front().text;
  for (size_t i = 0; i < good.size(); ++i) {
    for (char other : {'A', 'z', '+', '=', ' ', '\0'}) {
      std::string bad = good;
      if (bad[i] == other) continue;
      bad[i] = other;
      EXPECT_FALSE(read_token(secret(), "alice", bad)) << i;
    }
  }
  EXPECT_FALSE(looks_like_token(good + "A"));
  EXPECT_FALSE(looks_like_token(good.substr(0, good.size() - 1)));
  EXPECT_FALSE(read_token(secret(), "alice", ""));
}

TEST(Token, NeedsTheSecretItWasMadeWith) {
  openvpn::AuthTokenKey other = secret();
  other[31] ^= 1;
  EXPECT_FALSE(read_token(other, "alice", vectors().front().text));
}

TEST(Token, TimesBeyondAllClocksAreStillTimes) {
  Token token{.first = at(-1), .made = at(-1)};  // all bits set
  auto text = write_token(secret(), "alice", token);
  auto read = read_token(secret(), "alice", *text);
  ASSERT_TRUE(read);
  EXPECT_GT(read->token.made, at(4'000'000'000));
}

TEST(TokenSecret, IsMadeInTheFormThatIsRead) {
  crypto::SystemRandom random;
  auto text = openvpn::make_auth_token_key(random);
  ASSERT_TRUE(text);
  auto key = openvpn::parse_auth_token_key(*text);
  ASSERT_TRUE(key) << key.error();
  EXPECT_NE(*key, openvpn::AuthTokenKey{});
  auto again = openvpn::make_auth_token_key(random);
  EXPECT_NE(*openvpn::parse_auth_token_key(*again), *key);
}

TEST(TokenSecret, OtherFilesAreNamed) {
  auto wrong = openvpn::parse_auth_token_key(read_vector("openvpn/v2-server.key"));
  ASSERT_FALSE(wrong);
  EXPECT_NE(wrong.error().find("the server's key, for tls-crypt-v2"), std::string::npos) << wrong.error();
  std::string cut = read_vector("auth_token/auth-token.key");
  cut.erase(cut.find('\n') + 1, 65);
  EXPECT_FALSE(openvpn::parse_auth_token_key(cut));
  auto other = openvpn::parse_tls_crypt_v2_server_key(read_vector("auth_token/auth-token.key"));
  EXPECT_NE(other.error().find("auth-gen-token-secret"), std::string::npos) << other.error();
}

}  // namespace
}  // namespace culvert::auth
