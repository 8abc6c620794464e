// Wrapping against packets of the reference implementation (tests/vectors/openvpn), and what must be refused.
#include "control/openvpn/wrap.h"

#include <gtest/gtest.h>

#include "control/openvpn/key_files.h"
#include "control/openvpn/tls_crypt_v2.h"
#include "tests/unit/support/seeded_random.h"
#include "tests/unit/support/vectors.h"

namespace culvert::openvpn {
namespace {

using abi::DropReason;
using culvert::testing::read_hex_lines;
using culvert::testing::read_vector;
using culvert::testing::SeededRandom;
using std::chrono::seconds;

const Now kNow{MonoTime(seconds(1000)), std::chrono::sys_seconds(seconds(1700000000))};

StaticKey static_key() {
  auto key = parse_static_key(read_vector("openvpn/static.key"));
  EXPECT_TRUE(key) << (key ? "" : key.error());
  return key ? *key : StaticKey{};
}

struct Case {
  const char* name;
  WrapKind kind;
  int server_direction;
  Digest digest;
};

WrapSettings settings_of(const Case& one, Side side) {
  WrapSettings settings;
  settings.kind = one.kind;
  settings.key = static_key();
  settings.auth = one.digest;
  settings.direction = one.server_direction;
  if (one.server_direction >= 0 && side == Side::kClient) settings.direction = 1 - one.server_direction;
  return settings;
}

class Wrapping : public ::testing::TestWithParam<Case> {
 protected:
  WrapKey key(Side side) const { return WrapKey::from_settings(settings_of(GetParam(), side), side); }
  bool has_direction() const { return GetParam().kind == WrapKind::kTlsCrypt || GetParam().server_direction >= 0; }
};

INSTANTIATE_TEST_SUITE_P(Kinds, Wrapping,
                         ::testing::Values(Case{"tls-auth-sha1-bidirectional", WrapKind::kTlsAuth, -1, Digest::kSha1},
                                           Case{"tls-auth-sha256", WrapKind::kTlsAuth, 0, Digest::kSha256},
                                           Case{"tls-auth-sha384", WrapKind::kTlsAuth, 0, Digest::kSha384},
                                           Case{"tls-auth-sha512", WrapKind::kTlsAuth, 0, Digest::kSha512},
                                           Case{"tls-crypt", WrapKind::kTlsCrypt, -1, Digest::kSha256}),
                         [](const auto& one) {
                           std::string name = one.param.name;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST_P(Wrapping, AgreesWithTheReferenceInBothDirections) {
  for (const auto& [sender, packet] : read_hex_lines(std::string("openvpn/packets-") + GetParam().name + ".txt")) {
    const Side from = sender == "client" ? Side::kClient : Side::kServer;
    const Side to = sender == "client" ? Side::kServer : Side::kClient;
    OpenResult result = key(to).open(packet);
    ASSERT_TRUE(std::holds_alternative<OpenedPacket>(result)) << sender;
    const auto& opened = std::get<OpenedPacket>(result);
    EXPECT_GT(opened.replay.id, 0U);
    EXPECT_GT(opened.replay.time, 1700000000U);
    // Sealing the same again gives the very bytes of the reference.
    EXPECT_EQ(key(from).seal(opened.header, opened.replay, opened.payload), packet) << sender;
    EXPECT_EQ(packet.size(), key(from).overhead() + opened.payload.size());
  }
}

TEST_P(Wrapping, RefusesEveryFlippedBit) {
  const auto lines = read_hex_lines(std::string("openvpn/packets-") + GetParam().name + ".txt");
  const WrapKey server = key(Side::kServer);
  std::vector<uint8_t> packet = lines.front().second;
  for (size_t bit = 0; bit < packet.size() * 8; ++bit) {
    packet[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    EXPECT_TRUE(std::holds_alternative<DropReason>(server.open(packet))) << bit;
    packet[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
  }
  EXPECT_TRUE(std::holds_alternative<OpenedPacket>(server.open(packet)));
}

TEST_P(Wrapping, RefusesEveryTruncationAndExtension) {
  const auto lines = read_hex_lines(std::string("openvpn/packets-") + GetParam().name + ".txt");
  const WrapKey server = key(Side::kServer);
  std::vector<uint8_t> packet = lines.front().second;
  for (size_t size = 0; size < packet.size(); ++size) {
    OpenResult result = server.open(std::span(packet).first(size));
    ASSERT_TRUE(std::holds_alternative<DropReason>(result)) << size;
    EXPECT_EQ(std::get<DropReason>(result),
              size < server.overhead() ? DropReason::control_malformed : DropReason::control_bad_wrap)
        << size;
  }
  packet.push_back(0);
  EXPECT_EQ(std::get<DropReason>(server.open(packet)), DropReason::control_bad_wrap);
  packet.resize(65535);
  EXPECT_EQ(std::get<DropReason>(server.open(packet)), DropReason::control_bad_wrap);
}

TEST_P(Wrapping, RefusesItsOwnDirectionAndAnotherKey) {
  const auto packet = read_hex_lines(std::string("openvpn/packets-") + GetParam().name + ".txt").front().second;
  EXPECT_EQ(std::holds_alternative<DropReason>(key(Side::kClient).open(packet)), has_direction());
  WrapSettings other = settings_of(GetParam(), Side::kServer);
  SeededRandom random(3);
  random.fill(other.key);
  EXPECT_EQ(std::get<DropReason>(WrapKey::from_settings(other, Side::kServer).open(packet)),
            DropReason::control_bad_wrap);
}

TEST_P(Wrapping, RefusesDataPacketsAndUnknownOpcodes) {
  std::vector<uint8_t> packet(200);
  for (unsigned opcode = 0; opcode < 32; ++opcode) {
    packet[0] = static_cast<uint8_t>(opcode << 3);
    const bool control = opcode >= 3 && opcode <= 11 && opcode != 6 && opcode != 9;
    EXPECT_EQ(std::get<DropReason>(key(Side::kServer).open(packet)),
              control ? DropReason::control_bad_wrap : DropReason::control_malformed)
        << opcode;
  }
}

TEST_P(Wrapping, GivesEveryPacketItsOwnReplayIdAndTakesEachOnce) {
  Wrap client(key(Side::kClient));
  Wrap server(key(Side::kServer));
  const ControlHeader header{{wire::Opcode::kControl, 0}, {1, 2, 3, 4, 5, 6, 7, 8}};
  const std::vector<uint8_t> payload = {9, 9, 9};
  auto first = client.wrap(header, payload, kNow);
  auto again = client.wrap(header, payload, kNow);
  ASSERT_TRUE(first && again);
  EXPECT_NE(*first, *again);
  EXPECT_TRUE(std::holds_alternative<OpenedPacket>(server.unwrap(*again, kNow)));
  OpenResult late = server.unwrap(*first, kNow);
  ASSERT_TRUE(std::holds_alternative<OpenedPacket>(late));
  EXPECT_EQ(std::get<OpenedPacket>(late).payload, payload);
  EXPECT_EQ(std::get<OpenedPacket>(late).header.session_id, header.session_id);
  EXPECT_EQ(std::get<DropReason>(server.unwrap(*first, kNow)), DropReason::control_wrap_replay);
  EXPECT_EQ(std::get<DropReason>(server.unwrap(*again, kNow)), DropReason::control_wrap_replay);
}

TEST_P(Wrapping, ForgeriesDoNotTouchTheReplayState) {
  Wrap client(key(Side::kClient));
  Wrap server(key(Side::kServer));
  auto packet = client.wrap({{wire::Opcode::kControl, 0}, {}}, {}, kNow);
  ASSERT_TRUE(packet);
  auto forged = *packet;
  forged.back() ^= 1;
  EXPECT_EQ(std::get<DropReason>(server.unwrap(forged, kNow)), DropReason::control_bad_wrap);
  EXPECT_EQ(server.progress().seen, ReplayId{});
  EXPECT_TRUE(std::holds_alternative<OpenedPacket>(server.unwrap(*packet, kNow)));
}

TEST_P(Wrapping, GoesOnFromARecord) {
  Wrap client(key(Side::kClient));
  Wrap server(key(Side::kServer));
  const ControlHeader header{{wire::Opcode::kSoftReset, 1}, {}};
  auto early = client.wrap(header, {}, kNow);
  auto seen = client.wrap(header, {}, kNow);
  server.unwrap(*seen, kNow);
  auto answer = server.wrap(header, {}, kNow);
  client.unwrap(*answer, kNow);

  Wrap restarted(key(Side::kServer), server.progress());
  EXPECT_EQ(std::get<DropReason>(restarted.unwrap(*seen, kNow)), DropReason::control_wrap_replay);
  EXPECT_EQ(std::get<DropReason>(restarted.unwrap(*early, kNow)), DropReason::control_wrap_replay);
  EXPECT_TRUE(std::holds_alternative<OpenedPacket>(restarted.unwrap(*client.wrap(header, {}, kNow), kNow)));
  // The client takes what comes after, in the same second as well as with a clock that went back.
  EXPECT_TRUE(std::holds_alternative<OpenedPacket>(client.unwrap(*restarted.wrap(header, {}, kNow), kNow)));
  Wrap back(key(Side::kServer), restarted.progress());
  const Now past{kNow.mono, kNow.wall - seconds(1000000)};
  EXPECT_TRUE(std::holds_alternative<OpenedPacket>(client.unwrap(*back.wrap(header, {}, past), kNow)));
}

TEST(WrapNone, CarriesThePayloadAsItIs) {
  Wrap wrap(WrapKey::from_settings({}, Side::kServer));
  auto packet = wrap.wrap({{wire::Opcode::kControl, 2}, {1, 2, 3, 4, 5, 6, 7, 8}}, std::vector<uint8_t>{7}, kNow);
  ASSERT_TRUE(packet);
  EXPECT_EQ(*packet, (std::vector<uint8_t>{4 << 3 | 2, 1, 2, 3, 4, 5, 6, 7, 8, 7}));
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(std::holds_alternative<OpenedPacket>(wrap.unwrap(*packet, kNow)));
  EXPECT_EQ(std::get<DropReason>(wrap.unwrap(std::span(*packet).first(8), kNow)), DropReason::control_malformed);
  EXPECT_EQ(std::get<DropReason>(wrap.unwrap({}, kNow)), DropReason::control_malformed);
}

TEST(WrapTlsCryptV2, AgreesWithTheReference) {
  auto server_key = parse_tls_crypt_v2_server_key(read_vector("openvpn/v2-server.key"));
  auto client_file = parse_tls_crypt_v2_client_key(read_vector("openvpn/v2-client.key"));
  ASSERT_TRUE(server_key && client_file);
  WrapSettings settings;
  settings.kind = WrapKind::kTlsCryptV2;
  settings.key = client_file->key;
  settings.wrapped_client_key = client_file->wrapped;
  const WrapKey client = WrapKey::from_settings(settings, Side::kClient);
  size_t with_key = 0;
  for (const auto& [sender, packet] : read_hex_lines("openvpn/packets-tls-crypt-v2.txt")) {
    const wire::Opcode opcode = wire::read_opcode(packet)->opcode;
    std::span<const uint8_t> rest = packet;
    WrapKey server = WrapKey::tls_crypt(client_file->key, Side::kServer);
    if (opcode == wire::Opcode::kHardResetClientV3 || opcode == wire::Opcode::kControlWkc) {
      auto split = split_wrapped_key(packet);
      ASSERT_TRUE(split);
      auto key = unwrap_client_key(*server_key, split->wrapped_client_key);
      ASSERT_TRUE(key);
      EXPECT_EQ(key->key, client_file->key);
      server = WrapKey::tls_crypt(key->key, Side::kServer);
      rest = split->packet;
      ++with_key;
    }
    const bool from_client = sender == "client";
    OpenResult result = (from_client ? server : client).open(rest);
    ASSERT_TRUE(std::holds_alternative<OpenedPacket>(result)) << sender;
    const auto& opened = std::get<OpenedPacket>(result);
    EXPECT_EQ((from_client ? client : server).seal(opened.header, opened.replay, opened.payload), packet);
    EXPECT_TRUE(!from_client || supports_early_negotiation(opened.replay));
    if (opcode == wire::Opcode::kHardResetServerV2) {
      // One ACK (count, id, our session ID), packet-id, then the TLVs.
      auto flags = parse_early_negotiation(std::span(opened.payload).subspan(1 + 4 + 8 + 4));
      ASSERT_TRUE(flags);
      EXPECT_TRUE(flags->resend_wrapped_key);
      EXPECT_EQ(std::vector(opened.payload.begin() + 17, opened.payload.end()), request_wrapped_key_again());
    }
  }
  EXPECT_GE(with_key, 2U);  // the reset and the answer to the cookie, each perhaps sent again
}

TEST(WrapTlsCryptV2, ClientBeginsWithTheMarkAndServerHasNoKeyOfItsOwn) {
  WrapSettings settings;
  settings.kind = WrapKind::kTlsCryptV2;
  settings.wrapped_client_key = {1, 2, 3};
  Wrap client(WrapKey::from_settings(settings, Side::kClient));
  auto first = client.wrap({{wire::Opcode::kHardResetClientV3, 0}, {}}, {}, kNow);
  ASSERT_TRUE(first);
  EXPECT_EQ(client.progress().sent.id, kEarlyNegotiationId + 1);
  EXPECT_EQ((std::vector<uint8_t>(first->end() - 3, first->end())), settings.wrapped_client_key);
  EXPECT_EQ(first->size(), client.key().overhead() + 3);
  const WrapKey server = WrapKey::from_settings(settings, Side::kServer);
  EXPECT_FALSE(server.seal({{wire::Opcode::kControl, 0}, {}}, {1, 1}, {}));
  EXPECT_EQ(std::get<DropReason>(server.open(*first)), DropReason::control_bad_wrap);
}

}  // namespace
}  // namespace culvert::openvpn
