#include "dataplane/session/key.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>

#include "dataplane/session/secret_pool.h"

namespace culvert::session {
namespace {

using abi::Cipher;

class SendKeyTest : public ::testing::Test {
 protected:
  SendKeyTest() {
    key.cipher = Cipher::kAes256Gcm;
    key.reserved = &reserved;
  }
  void start_at(uint64_t id) { key.next_id = key.reserved_end = id; }

  std::atomic<uint64_t> reserved{};
  SendKey key;
};

TEST_F(SendKeyTest, PacketIdsAreRecordedBeforeTheyAreHandedOut) {
  for (uint64_t start : {uint64_t{1}, uint64_t{65535}, uint64_t{65536}, uint64_t{70000}}) {
    start_at(start);
    for (uint64_t i = 0; i < 3 * SendKey::kReserve; ++i) {
      uint32_t id = key.take_packet_id();
      ASSERT_EQ(id, start + i);
      ASSERT_GT(reserved.load(), id);
    }
  }
}

TEST_F(SendKeyTest, EndsWithTheLastPacketId) {
  start_at(0xFFFFFFFF - 10);
  for (uint64_t id = 0xFFFFFFFF - 10; id <= 0xFFFFFFFF; ++id) ASSERT_EQ(key.take_packet_id(), id);
  EXPECT_EQ(key.take_packet_id(), 0u);
  EXPECT_EQ(key.take_packet_id(), 0u);
  EXPECT_EQ(reserved.load(), kPacketIdEnd);
}

TEST_F(SendKeyTest, NearsItsLimitOnceByPacketId) {
  start_at(kNearPacketId - 10);
  int reports = 0;
  for (uint64_t i = 0; i < 100; ++i) {
    uint32_t id = key.take_packet_id();
    bool near = key.count_sealed(0);
    reports += near;
    EXPECT_EQ(near, id == kNearPacketId);
  }
  EXPECT_EQ(reports, 1);
}

TEST_F(SendKeyTest, NearsItsLimitByBlocksAndPackets) {
  key.blocks = kGcmNearLimit - 100;
  start_at(81);                                                     // packets used so far and the next count as well
  EXPECT_FALSE((key.take_packet_id(), key.count_sealed(16 * 18)));  // 100 - 18 blocks, 82: exactly at the limit
  EXPECT_TRUE((key.take_packet_id(), key.count_sealed(1)));
  EXPECT_FALSE((key.take_packet_id(), key.count_sealed(1600)));

  SendKey chacha;
  chacha.cipher = Cipher::kChacha20Poly1305;
  chacha.reserved = &reserved;
  chacha.blocks = kGcmUsageLimit * 2;
  EXPECT_FALSE((chacha.take_packet_id(), chacha.count_sealed(1600)));
}

TEST(ReceiveKey, NearsAndReachesTheForgeryLimit) {
  ReceiveKey key;
  key.cipher = Cipher::kChacha20Poly1305;
  key.forgeries = kForgeriesNear - 10;
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(key.count_forgery());
  EXPECT_TRUE(key.count_forgery());
  EXPECT_FALSE(key.count_forgery());

  key.forgeries = kForgeriesRefuse - 10;
  for (int i = 0; i < 10; ++i) key.count_forgery();
  EXPECT_FALSE(key.exhausted);
  key.count_forgery();
  EXPECT_TRUE(key.exhausted);
}

TEST(ReceiveKey, NearsItsUsageLimitOnce) {
  ReceiveKey key;
  key.cipher = Cipher::kAes128Gcm;
  key.window.reset(64, 0);
  key.window.commit(50);
  key.blocks = kGcmNearLimit - 50 - 2;
  EXPECT_FALSE(key.count_opened(32));
  EXPECT_TRUE(key.count_opened(1));
  EXPECT_FALSE(key.count_opened(1));
}

TEST(SecretPool, GivesZeroedMemoryBackAfterUse) {
  struct alignas(64) Secret {
    std::array<uint8_t, 1000> bytes;
  };
  SecretPool<Secret> pool;
  std::vector<Secret*> all;
  for (int i = 0; i < 5000; ++i) {  // more than one piece
    Secret* secret = pool.make();
    ASSERT_NE(secret, nullptr);
    ASSERT_EQ(reinterpret_cast<uintptr_t>(secret) % 64, 0u);
    secret->bytes.fill(0x5A);
    all.push_back(secret);
  }
  Secret* last = all.back();
  pool.destroy(last);
  auto* raw = reinterpret_cast<const uint8_t*>(last);
  EXPECT_TRUE(std::all_of(raw, raw + sizeof(Secret), [](uint8_t byte) { return byte == 0; })) << "not wiped";
  EXPECT_EQ(pool.make(), last) << "memory is used again";
  pool.destroy(nullptr);
}

/// What /proc says of the mapping around `address` (proc(5), VmFlags).
std::string flags_of_mapping(const void* address) {
  std::ifstream maps("/proc/self/smaps");
  const auto wanted = reinterpret_cast<uintptr_t>(address);
  bool inside = false;
  for (std::string line; std::getline(maps, line);) {
    uintptr_t from = 0, to = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &from, &to) == 2) inside = from <= wanted && wanted < to;
    if (inside && line.starts_with("VmFlags:")) return line + " ";
  }
  return "";
}

TEST(SecretPool, IsNeitherDumpedNorSwappedOut) {
  SecretPool<std::array<uint8_t, 64>> pool;
  std::string flags = flags_of_mapping(pool.make());
  EXPECT_NE(flags.find(" dd "), std::string::npos) << flags;
  rlimit locked{};
  getrlimit(RLIMIT_MEMLOCK, &locked);
  if (geteuid() != 0 && locked.rlim_cur < (8 << 20)) GTEST_SKIP() << "may not lock so much memory";
  EXPECT_NE(flags.find(" lo "), std::string::npos) << flags;
}

}  // namespace
}  // namespace culvert::session
