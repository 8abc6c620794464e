// In steady state the path takes no memory from the heap: an allocator may lock, and may ask the kernel.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "tests/unit/support/path_rig.h"

namespace {
size_t allocations = 0;

void* allocate(size_t size, size_t alignment) {
  ++allocations;
  void* memory = alignment <= alignof(std::max_align_t)
                     ? std::malloc(size)
                     : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
}  // namespace

// The other forms of new and delete end up in these.
void* operator new(size_t size) {
  return allocate(size, 1);
}
void* operator new(size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<size_t>(alignment));
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, size_t, std::align_val_t) noexcept {
  std::free(memory);
}

namespace culvert {
namespace {

using testing::ipv4_packet;
using testing::PathRig;
using testing::Peer;

/// Counts what is sent, and gives it back to its pool.
class Counter final : public drivers::Port {
 public:
  explicit Counter(drivers::Side side) : side_(side) {}
  uint16_t rx_burst(std::span<rte_mbuf*>, abi::Tally&) override { return 0; }
  void tx_burst(std::span<rte_mbuf*> packets, abi::Tally&) override {
    sent += packets.size();
    rte_pktmbuf_free_bulk(packets.data(), static_cast<unsigned>(packets.size()));
  }
  int wake_fd() const override { return -1; }
  drivers::Side side() const override { return side_; }
  std::string name() const override { return "counter"; }

  size_t sent = 0;

 private:
  drivers::Side side_;
};

class Allocations : public ::testing::TestWithParam<abi::Cipher> {
 protected:
  static constexpr uint32_t kSessions = 8;
  static constexpr size_t kPackets = 64;

  Allocations() {
    rig_.path->set_outer_port(0, &outer_);
    rig_.path->set_inner_port(&tun_);
    for (uint32_t id = 0; id < kSessions; ++id)
      peers_.push_back(rig_.connect(id, [](auto& session, auto& key) {
        key.cipher = GetParam();
        session.ping_interval = 1;
      }));
  }
  ~Allocations() override {
    rig_.path->set_outer_port(0, nullptr);
    rig_.path->set_inner_port(nullptr);
  }

  static std::string client(uint32_t id) { return "10.8.0." + std::to_string(id + 2); }
  static uint16_t length(size_t i) { return static_cast<uint16_t>(i % 3 == 0 ? 64 : 100 + i * 20); }

  std::vector<rte_mbuf*> from_clients() {
    std::vector<rte_mbuf*> packets;
    for (size_t i = 0; i < kPackets; ++i) {
      Peer& peer = peers_[i % kSessions];
      auto inner = ipv4_packet(client(static_cast<uint32_t>(i % kSessions)), "192.0.2.1", length(i));
      packets.push_back(rig_.outer_packet(peer.seal(inner), peer.remote));
    }
    return packets;
  }
  std::vector<rte_mbuf*> to_clients() {
    std::vector<rte_mbuf*> packets;
    for (size_t i = 0; i < kPackets; ++i)
      packets.push_back(
          rig_.pool.packet(ipv4_packet("192.0.2.1", client(static_cast<uint32_t>(i % kSessions)), length(i))));
    return packets;
  }

  PathRig rig_;
  Counter outer_{drivers::Side::kOuter}, tun_{drivers::Side::kInner};
  std::vector<Peer> peers_;
};

TEST(AllocationCounter, Counts) {
  size_t before = allocations;
  auto memory = std::make_unique<std::array<char, 100>>();
  auto aligned = std::make_unique<aead::Key>();
  EXPECT_NE(static_cast<void*>(memory.get()), static_cast<void*>(aligned.get()));
  EXPECT_EQ(allocations, before + 2);
}

TEST_P(Allocations, NoneOnThePath) {
  constexpr int kRounds = 3;  // the first one may still make room
  for (int round = 0; round < kRounds; ++round) {
    auto in = from_clients(), out = to_clients();
    size_t before = allocations;
    rig_.now += PathRig::kSecond;
    rig_.path->outer_burst(in, rig_.now);
    rig_.path->inner_burst(out, rig_.now);
    rig_.path->flush();
    rig_.path->tick(rig_.now);
    rig_.path->publish();
    rig_.path->flush();
    if (round != 0) {
      EXPECT_EQ(allocations, before);
    }
  }
  EXPECT_EQ(tun_.sent, kRounds * kPackets);
  EXPECT_GE(outer_.sent, kRounds * kPackets);
  EXPECT_TRUE(rig_.dropped().empty());
}

INSTANTIATE_TEST_SUITE_P(Ciphers, Allocations,
                         ::testing::Values(abi::Cipher::kAes128Gcm, abi::Cipher::kAes256Gcm,
                                           abi::Cipher::kChacha20Poly1305));

}  // namespace
}  // namespace culvert
