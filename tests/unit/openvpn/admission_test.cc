// First packets: what is refused, and what the log says of it: a client with a profile of another server, and nobody
// else; what a reload changes.
#include "control/openvpn/admission.h"

#include <gtest/gtest.h>

#include <tuple>
#include <utility>

#include "control/openvpn/control_packet.h"
#include "tests/unit/support/seeded_random.h"

namespace culvert::openvpn {
namespace {

using abi::DropReason;
using std::chrono::seconds;
using wire::Opcode;

const Now kNow{MonoTime(seconds(1000)), std::chrono::sys_seconds(seconds(1700000000))};

WrapSettings wrap_of(WrapKind kind, uint8_t fill) {
  WrapSettings wrap;
  wrap.kind = kind;
  wrap.key.fill(fill);
  wrap.server_key.fill(fill);
  return wrap;
}

class FirstPackets : public ::testing::Test {
 protected:
  FirstPackets() { engine_.random = &random_; }

  /// The first packet of a client with these settings.
  std::vector<uint8_t> first_of(const WrapSettings& wrap) {
    auto packet = build_control(Opcode::kHardResetClientV2, {}, {}, 0, {});
    wire::SessionId id{1, 2, 3, 4, 5, 6, 7, 8};
    auto sealed =
        WrapKey::from_settings(wrap, Side::kClient).seal({{Opcode::kHardResetClientV2, 0}, id}, {1, 5}, packet);
    EXPECT_TRUE(sealed);
    return *sealed;
  }
  /// What a server says of it, and what it is dropped for.
  std::pair<std::string, std::optional<DropReason>> told(const WrapSettings& server, std::vector<uint8_t> packet,
                                                         uint8_t host = 9, Now now = kNow) {
    settings_.wrap = server;
    if (!admission_) admission_.emplace(settings_, engine_);
    admission_->reload();
    engine_.outputs.clear();
    Datagram datagram;
    datagram.remote.address.family = abi::Family::kIpv4;
    datagram.remote.address.bytes = {192, 0, 2, host};
    datagram.remote.port = 4000;
    datagram.bytes = packet;
    auto first = wire::OpcodeByte{static_cast<Opcode>(packet[0] >> 3), static_cast<uint8_t>(packet[0] & 7)};
    auto verdict = admission_->judge(datagram, first, now);
    std::string text;
    for (const Output& output : engine_.outputs)
      if (auto* line = std::get_if<LogLine>(&output)) text += line->text;
    auto* reason = std::get_if<DropReason>(&verdict);
    return {text, reason ? std::optional(*reason) : std::nullopt};
  }

  /// Without a wrap: whatever it says can be read.
  static std::vector<uint8_t> bare(Opcode opcode, const wire::SessionId& from, std::vector<uint32_t> acks,
                                   const wire::SessionId& to, uint32_t id) {
    AckList list;
    for (uint32_t ack : acks) list.ids[list.count++] = ack;
    return *WrapKey::from_settings({}, Side::kClient)
                .seal({{opcode, 0}, from}, {}, build_control(opcode, list, to, id, {}));
  }
  std::optional<DropReason> refused(const std::vector<uint8_t>& packet, Now now = kNow) {
    return told({}, packet, 9, now).second;
  }

  static constexpr wire::SessionId kClient{1, 2, 3, 4, 5, 6, 7, 8};
  culvert::testing::SeededRandom random_{7};
  Engine engine_;
  ServerSettings settings_;
  std::optional<Admission> admission_;
};

TEST_F(FirstPackets, OfAnotherKeyAreTold) {
  for (auto [kind, says] : {std::pair{WrapKind::kTlsCrypt, "not wrapped with this server's tls-crypt key"},
                            std::pair{WrapKind::kTlsAuth, "not wrapped with this server's tls-auth key"}}) {
    auto [text, reason] = told(wrap_of(kind, 1), first_of(wrap_of(kind, 2)));
    EXPECT_EQ(reason, DropReason::control_bad_wrap);
    EXPECT_NE(text.find(says), std::string::npos) << text;
    EXPECT_EQ(told(wrap_of(kind, 1), first_of(wrap_of(kind, 1))).first, "") << "the right key";
  }
}

TEST_F(FirstPackets, ThatBeginNothingAreRefused) {
  constexpr Opcode kReset = Opcode::kHardResetClientV2;
  EXPECT_EQ(refused(bare(kReset, kClient, {}, {}, 0)), std::nullopt);
  EXPECT_EQ(refused(bare(kReset, {}, {}, {}, 0)), DropReason::control_malformed) << "no session ID";
  EXPECT_EQ(refused(bare(kReset, kClient, {0}, kClient, 0)), DropReason::control_malformed) << "acknowledges something";
  EXPECT_EQ(refused(bare(kReset, kClient, {}, {}, 1)), DropReason::control_window);
}

TEST_F(FirstPackets, AreLimitedAsTheNewestConfigurationSays) {
  EXPECT_EQ(refused(bare(Opcode::kHardResetClientV2, kClient, {}, {}, 0)), std::nullopt);
  settings_.initial_per_network = 1;
  const auto packet = bare(Opcode::kHardResetClientV2, kClient, {}, {}, 0);
  EXPECT_EQ(told({}, packet, 10).second, std::nullopt);
  EXPECT_EQ(told({}, packet, 10).second, DropReason::control_rate_limited);
}

TEST_F(FirstPackets, HaveTheHandWindowOfTheNewestConfigurationForTheirSecond) {
  for (seconds hand_window : {seconds(10), seconds(600)}) {
    settings_.hand_window = hand_window;
    EXPECT_EQ(refused(bare(Opcode::kHardResetClientV2, kClient, {}, {}, 0)), std::nullopt);
    ASSERT_EQ(engine_.outputs.size(), 1u);
    const std::vector<uint8_t> answer = std::get<SendPacket>(engine_.outputs[0]).bytes;
    wire::SessionId cookie{};
    std::copy_n(answer.begin() + 1, cookie.size(), cookie.begin());
    const Now later{kNow.mono + seconds(100), kNow.wall + seconds(100)};
    EXPECT_EQ(refused(bare(Opcode::kAck, kClient, {0}, cookie, 0), later),
              hand_window > seconds(100) ? std::nullopt : std::optional(DropReason::control_bad_cookie));
  }
}

TEST_F(FirstPackets, OfAnotherKindOfKeyAreTold) {
  auto [text, reason] = told(wrap_of(WrapKind::kTlsCryptV2, 1), first_of(wrap_of(WrapKind::kTlsCrypt, 1)));
  EXPECT_EQ(reason, DropReason::control_unexpected_opcode);
  EXPECT_NE(text.find("has no tls-crypt-v2 key, which this server asks for"), std::string::npos) << text;
  std::vector<uint8_t> v3 = first_of(wrap_of(WrapKind::kTlsCrypt, 1));
  v3[0] = static_cast<uint8_t>(Opcode::kHardResetClientV3) << 3;
  EXPECT_NE(told(wrap_of(WrapKind::kTlsCrypt, 1), v3).first.find("this server has no tls-crypt-v2"), std::string::npos);
  std::tie(text, reason) = told(wrap_of(WrapKind::kTlsCryptV2, 1), v3);
  EXPECT_EQ(reason, DropReason::control_bad_client_key);
  EXPECT_NE(text.find("was not made with this server's"), std::string::npos) << text;
}

TEST_F(FirstPackets, AFloodOfThemIsNot) {
  std::vector<uint8_t> packet = first_of(wrap_of(WrapKind::kTlsCrypt, 2));
  int lines = 0;
  for (int i = 0; i < 100; ++i) lines += told(wrap_of(WrapKind::kTlsCrypt, 1), packet).first.empty() ? 0 : 1;
  EXPECT_EQ(lines, 3) << "of one address";
  for (uint8_t host = 10; host < 200; ++host)
    lines += told(wrap_of(WrapKind::kTlsCrypt, 1), packet, host).first.empty() ? 0 : 1;
  EXPECT_EQ(lines, 50) << "of all together";
}

TEST_F(FirstPackets, WhatIsNoFirstPacketIsNot) {
  std::vector<uint8_t> packet = first_of(wrap_of(WrapKind::kTlsCrypt, 2));
  for (Opcode opcode : {Opcode::kControl, Opcode::kAck, Opcode::kSoftReset, Opcode::kHardResetClientV1,
                        Opcode::kHardResetServerV2, Opcode::kControlWkc}) {
    packet[0] = static_cast<uint8_t>(static_cast<uint8_t>(opcode) << 3);
    EXPECT_EQ(told(wrap_of(WrapKind::kTlsCrypt, 1), packet).first, "") << int(opcode);
    EXPECT_EQ(told(wrap_of(WrapKind::kTlsCryptV2, 1), packet).first, "") << int(opcode);
  }
}

}  // namespace
}  // namespace culvert::openvpn
