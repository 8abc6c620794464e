#include "control/openvpn/key_method2.h"

#include <gtest/gtest.h>

#include "tests/unit/support/seeded_random.h"

namespace culvert::openvpn {
namespace {

using culvert::testing::SeededRandom;

KeyMethod2 sample(Side side) {
  SeededRandom random(8);
  KeyMethod2 message;
  message.source = KeySource::make(random, side);
  message.options = "V4,dev-type tun,cipher AES-256-GCM";
  message.username = "alice";
  message.password = "s3cret";
  message.has_credentials = true;
  message.peer_info = "IV_VER=2.6.14\nIV_PROTO=990\n";
  return message;
}

/// Offset of the first string: after zero, method and randoms.
size_t head_size(Side writer) {
  return 5 + (writer == Side::kClient ? 48 : 0) + 64;
}

/// A message with these strings (their raw bytes after the length), each length as given.
struct RawString {
  size_t length;
  std::string bytes;
};
std::vector<uint8_t> raw(std::initializer_list<RawString> strings, Side writer = Side::kClient) {
  std::vector<uint8_t> message(head_size(writer), 1);
  message[4] = 2;
  for (const RawString& one : strings) {
    message.push_back(static_cast<uint8_t>(one.length >> 8));
    message.push_back(static_cast<uint8_t>(one.length));
    message.insert(message.end(), one.bytes.begin(), one.bytes.end());
  }
  return message;
}
RawString text(const std::string& bytes) {
  return {bytes.size() + 1, bytes + '\0'};
}

class BothSides : public ::testing::TestWithParam<Side> {};
INSTANTIATE_TEST_SUITE_P(Sides, BothSides, ::testing::Values(Side::kClient, Side::kServer),
                         [](const auto& side) { return side.param == Side::kClient ? "Client" : "Server"; });

TEST_P(BothSides, ComesBackAsItWentOut) {
  const KeyMethod2 sent = sample(GetParam());
  auto message = write_key_method2(sent, GetParam());
  ASSERT_TRUE(message) << message.error();
  auto got = parse_key_method2(*message, GetParam());
  ASSERT_TRUE(got) << got.error();
  EXPECT_EQ(got->source.pre_master.bytes(), sent.source.pre_master.bytes());
  EXPECT_EQ(got->source.random1.bytes(), sent.source.random1.bytes());
  EXPECT_EQ(got->source.random2.bytes(), sent.source.random2.bytes());
  EXPECT_EQ(got->options, sent.options);
  EXPECT_EQ(got->username, sent.username);
  EXPECT_EQ(got->password, sent.password);
  EXPECT_EQ(got->peer_info, sent.peer_info);
  EXPECT_TRUE(got->has_credentials);
  EXPECT_FALSE(got->credentials_too_long);
}

TEST_P(BothSides, LayoutIsThatOfTheProtocol) {
  const KeyMethod2 sent = sample(GetParam());
  const auto message = *write_key_method2(sent, GetParam());
  EXPECT_EQ((std::vector<uint8_t>(message.begin(), message.begin() + 5)), (std::vector<uint8_t>{0, 0, 0, 0, 2}));
  const size_t head = head_size(GetParam());
  EXPECT_EQ(static_cast<size_t>(message[head]) << 8 | message[head + 1], sent.options.size() + 1);  // counts the NUL
  EXPECT_EQ(message[head + 2 + sent.options.size()], 0);
  EXPECT_EQ(message.size(), head + 8 + sent.options.size() + 1 + sent.username.size() + 1 + sent.password.size() + 1 +
                                sent.peer_info.size() + 1);
}

TEST_P(BothSides, CutOffAnywhereIsRefusedOrLacksWhatWasCut) {
  const KeyMethod2 sent = sample(GetParam());
  const auto message = *write_key_method2(sent, GetParam());
  const size_t options_end = head_size(GetParam()) + 2 + sent.options.size() + 1;
  const size_t credentials_end = options_end + 4 + sent.username.size() + 1 + sent.password.size() + 1;
  for (size_t size = 0; size < message.size(); ++size) {
    auto got = parse_key_method2(std::span(message).first(size), GetParam());
    const bool whole_strings = size == options_end || size == credentials_end;
    ASSERT_EQ(static_cast<bool>(got), whole_strings) << size;
    if (!got) continue;
    EXPECT_EQ(got->has_credentials, size == credentials_end);
    EXPECT_TRUE(got->peer_info.empty());
  }
}

TEST(KeyMethod2, WithoutCredentialsTheirStringsAreEmpty) {
  KeyMethod2 sent = sample(Side::kServer);
  sent.has_credentials = false;
  sent.peer_info.clear();
  const auto message = *write_key_method2(sent, Side::kServer);
  EXPECT_EQ((std::vector<uint8_t>(message.end() - 6, message.end())), std::vector<uint8_t>(6));
  auto got = parse_key_method2(message, Side::kServer);
  ASSERT_TRUE(got) << got.error();
  EXPECT_FALSE(got->has_credentials);
  EXPECT_TRUE(got->username.empty());
}

TEST(KeyMethod2, OnlyMethodTwo) {
  for (unsigned method = 0; method < 256; ++method) {
    auto message = raw({text("V4")});
    message[4] = static_cast<uint8_t>(method);
    EXPECT_EQ(static_cast<bool>(parse_key_method2(message, Side::kClient)), (method & 15) == 2) << method;
  }
}

// Each length field at every value, with little behind it.
TEST(KeyMethod2, LengthsThatPointPastTheEnd) {
  for (size_t length = 0; length <= 65535; length += length < 300 ? 1 : 61) {
    const std::string tail(8, 'x');
    EXPECT_EQ(static_cast<bool>(parse_key_method2(raw({{length, ""}}), Side::kClient)), length == 0);
    EXPECT_FALSE(parse_key_method2(raw({text("V4"), {length, ""}}), Side::kClient) && length != 0);
    EXPECT_FALSE(parse_key_method2(raw({text("V4"), text("a"), {length, ""}}), Side::kClient) && length != 0);
    auto info = parse_key_method2(raw({text("V4"), text("a"), text("b"), {length, tail}}), Side::kClient);
    EXPECT_EQ(static_cast<bool>(info), length <= tail.size()) << length;
  }
}

TEST(KeyMethod2, LongestStrings) {
  const std::string options(511, 'o');
  const std::string credential(4095, 'c');
  auto fits = parse_key_method2(raw({text(options), text(credential), text(credential)}), Side::kClient);
  ASSERT_TRUE(fits) << fits.error();
  EXPECT_EQ(fits->options, options);
  EXPECT_EQ(fits->password, credential);
  EXPECT_FALSE(parse_key_method2(raw({text(options + "o")}), Side::kClient));
  // Too long a name or password: not an error of the protocol, but AUTH_FAILED. What follows is still read.
  for (int which = 0; which < 2; ++which) {
    auto got = parse_key_method2(raw({text("V4"), text(which == 0 ? credential + "c" : "a"),
                                      text(which == 1 ? credential + "c" : "b"), text("IV_PROTO=2\n")}),
                                 Side::kClient);
    ASSERT_TRUE(got) << got.error();
    EXPECT_TRUE(got->credentials_too_long);
    EXPECT_FALSE(got->has_credentials);
    EXPECT_TRUE(got->username.empty() && got->password.empty());
    EXPECT_EQ(got->peer_info, "IV_PROTO=2\n");
  }
}

TEST(KeyMethod2, AUsernameWithoutAPasswordIsNoCredential) {
  for (bool username : {true, false}) {
    const RawString none{0, ""};
    auto got = parse_key_method2(raw({text("V4"), username ? text("alice") : none, username ? none : text("secret")}),
                                 Side::kClient);
    ASSERT_TRUE(got) << got.error();
    EXPECT_FALSE(got->has_credentials);
    EXPECT_TRUE(got->username.empty() && got->password.empty());
  }
}

TEST(KeyMethod2, WriterRefusesWhatDoesNotFit) {
  KeyMethod2 message = sample(Side::kClient);
  message.options.assign(512, 'o');
  EXPECT_FALSE(write_key_method2(message, Side::kClient));
  message = sample(Side::kClient);
  message.password.assign(4096, 'p');
  EXPECT_FALSE(write_key_method2(message, Side::kClient));
  message = sample(Side::kClient);
  message.username = std::string("a\0b", 3);
  EXPECT_FALSE(write_key_method2(message, Side::kClient));
  message = sample(Side::kClient);
  message.peer_info.assign(65535, 'i');
  EXPECT_FALSE(write_key_method2(message, Side::kClient));
}

TEST(KeyMethod2, NulInsideIsRefused) {
  const std::string nul("a\0b", 3);
  EXPECT_FALSE(parse_key_method2(raw({text(nul)}), Side::kClient));
  EXPECT_FALSE(parse_key_method2(raw({text("V4"), text(nul), text("b")}), Side::kClient));
  EXPECT_FALSE(parse_key_method2(raw({text("V4"), text("a"), text(nul)}), Side::kClient));
  EXPECT_FALSE(parse_key_method2(raw({text("V4"), text("a"), text("b"), text(nul)}), Side::kClient));
}

TEST(KeyMethod2, ControlCharactersAreReplaced) {
  auto got = parse_key_method2(raw({text("V4\n"), text("al\nice\x1b[0m"), text("p\r\x7f\xc3\xa4")}), Side::kClient);
  ASSERT_TRUE(got) << got.error();
  EXPECT_EQ(got->options, "V4_");
  EXPECT_EQ(got->username, "al_ice_[0m");
  EXPECT_EQ(got->password, "p__\xc3\xa4");  // UTF-8 stays
}

TEST(KeyMethod2, PeerInfoKeepsGoodLinesOnly) {
  const std::string long_line = "IV_LONG=" + std::string(300, 'x');
  auto got = parse_key_method2(
      raw({text("V4"), text("a"), text("b"),
           text("IV_VER=2.6\r\nPATH=/evil\nIV X=1\nIV_SSL=OpenSSL 3.0 $(reboot)`id`\nUV_A=\x1b\nID=1a\n=x\nIV_NONE\n" +
                long_line + "\nIV_LAST=1")}),
      Side::kClient);
  ASSERT_TRUE(got) << got.error();
  EXPECT_EQ(got->peer_info, "IV_VER=2.6\nIV_SSL=OpenSSL_3.0___reboot)_id_\nUV_A=_\nID=1a\nIV_LAST=1\n");
}

TEST(PeerInfoValue, FindsWholeNamesOnly) {
  const std::string info = "IV_PROTOX=1\nIV_PROTO=990\nIV_PROTO=2\nIV_EMPTY=\n";
  EXPECT_EQ(peer_info_value(info, "IV_PROTO"), "990");
  EXPECT_EQ(peer_info_value(info, "IV_EMPTY"), "");
  EXPECT_EQ(peer_info_value(info, "IV_PROT"), "");
  EXPECT_EQ(peer_info_value("", "IV_PROTO"), "");
}

TEST(KeyMethod2, RandomBytesNeverDoHarm) {
  SeededRandom random(9);
  for (int i = 0; i < 20000; ++i) {
    auto message = random.bytes(random.below(400));
    if (message.size() > 4) message[4] = 2;
    // Short lengths, so that the strings behind them are reached.
    for (size_t k = 117; k + 1 < message.size(); k += 1 + random.below(20)) message[k] = 0;
    static_cast<void>(parse_key_method2(message, random.below(2) == 0 ? Side::kClient : Side::kServer));
  }
}

}  // namespace
}  // namespace culvert::openvpn
