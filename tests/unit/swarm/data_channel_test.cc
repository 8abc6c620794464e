#include "perf/swarm/data_channel.h"

#include <gtest/gtest.h>

#include <cstring>

#include "dataplane/crypto/engine.h"

namespace culvert::swarm {
namespace {

constexpr size_t kSealedSize = 100;
constexpr size_t kCount = 3;

/// Two ends with the same key, as client and server have it.
class DataChannelTest : public ::testing::TestWithParam<abi::Cipher> {
 protected:
  void SetUp() override {
    auto made = aead::make_engine();
    ASSERT_TRUE(made) << made.error();
    engine_ = *std::move(made);
    for (DataChannel* end : {&client_, &server_}) {
      abi::Command session{};
      session.kind = abi::CommandKind::kInstallSession;
      session.body.install_session = {};
      session.body.install_session.format = abi::DataFormat::kV2;
      session.body.install_session.remote_peer_id = 0x010203;
      ASSERT_TRUE(end->carry_out(session, *engine_));
      ASSERT_TRUE(end->carry_out(key(end == &client_), *engine_));
    }
  }

  static abi::Command key(bool client) {
    abi::Command command{};
    command.kind = abi::CommandKind::kInstallKey;
    abi::InstallKey& body = command.body.install_key;
    body = {};
    body.key_id = 2;
    body.cipher = GetParam();
    body.send_at_once = 1;
    body.format = abi::KeyFormat::kAead;
    body.first_packet_id = 1;
    abi::DirectionKey& one = client ? body.send : body.receive;
    abi::DirectionKey& other = client ? body.receive : body.send;
    one.key.fill(0x11);
    one.implicit_iv.fill(0x22);
    other.key.fill(0x33);
    other.implicit_iv.fill(0x44);
    return command;
  }

  /// kCount sealed packets of the client.
  void seal() {
    size_t stride = client_.front() + kSealedSize;
    bytes_.assign(kCount * stride, 0);
    for (size_t i = 0; i < kCount; ++i)
      std::memset(bytes_.data() + i * stride + client_.front(), static_cast<int>(i), kSealedSize);
    client_.seal(bytes_.data(), kCount, stride, kSealedSize, *engine_);
    packets_.clear();
    for (size_t i = 0; i < kCount; ++i) packets_.push_back(std::span(bytes_).subspan(i * stride, stride));
  }
  void open() {
    opened_.assign(kCount, {});
    server_.open(packets_, opened_, *engine_);
  }

  std::unique_ptr<aead::Engine> engine_;
  DataChannel client_, server_;
  std::vector<uint8_t> bytes_;
  std::vector<std::span<uint8_t>> packets_;
  std::vector<OpenedPacket> opened_;
};

TEST_P(DataChannelTest, OpensWhatWasSealed) {
  seal();
  EXPECT_EQ(bytes_[0], wire::opcode_byte(wire::Opcode::kDataV2, 2));
  EXPECT_EQ(bytes_[1] << 16 | bytes_[2] << 8 | bytes_[3], 0x010203);
  open();
  for (size_t i = 0; i < kCount; ++i) {
    ASSERT_EQ(opened_[i].verdict, Opened::kFresh);
    EXPECT_EQ(opened_[i].first_of_key, i == 0);
    EXPECT_EQ(std::vector<uint8_t>(opened_[i].inner.begin(), opened_[i].inner.end()),
              std::vector<uint8_t>(kSealedSize, static_cast<uint8_t>(i)));
  }
}

TEST_P(DataChannelTest, NoticesReplays) {
  seal();
  std::vector<uint8_t> copy = bytes_;
  open();
  bytes_ = copy;
  open();
  for (const OpenedPacket& packet : opened_) EXPECT_EQ(packet.verdict, Opened::kReplayed);
}

TEST_P(DataChannelTest, NoticesForgeries) {
  seal();
  packets_[1].back() ^= 1;
  open();
  EXPECT_EQ(opened_[0].verdict, Opened::kFresh);
  EXPECT_EQ(opened_[1].verdict, Opened::kForged);
  EXPECT_EQ(opened_[2].verdict, Opened::kFresh);
}

TEST_P(DataChannelTest, HasNoKeyAfterItWasRemoved) {
  seal();
  abi::Command removal{};
  removal.kind = abi::CommandKind::kRemoveKey;
  removal.body.key = {2};
  ASSERT_TRUE(server_.carry_out(removal, *engine_));
  EXPECT_FALSE(server_.can_send());
  open();
  EXPECT_EQ(opened_[0].verdict, Opened::kNoKey);
}

TEST_P(DataChannelTest, RefusesWhatItDoesNotSpeak) {
  abi::Command command = key(true);
  command.body.install_key.format = abi::KeyFormat::kEpoch;
  EXPECT_FALSE(client_.carry_out(command, *engine_));
}

INSTANTIATE_TEST_SUITE_P(Ciphers, DataChannelTest,
                         ::testing::Values(abi::Cipher::kAes128Gcm, abi::Cipher::kAes256Gcm,
                                           abi::Cipher::kChacha20Poly1305));

}  // namespace
}  // namespace culvert::swarm
