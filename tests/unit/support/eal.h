// Starts EAL once for a test program: ordinary memory, no hugepages, no PCI, no files that two programs could share.
#pragma once

#include <gtest/gtest.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <sched.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "dataplane/packet.h"

namespace culvert::testing {

/// CPUs this program may run on, as EAL's list: without it, EAL would pin the main thread to the first of them.
inline std::string allowed_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  sched_getaffinity(0, sizeof set, &set);
  std::string list;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &set)) list += (list.empty() ? "" : ",") + std::to_string(cpu);
  return list;
}

/// Idempotent. `memory_mb` counts at the first call only. Ends the program when EAL can't start.
inline void start_eal(int memory_mb = 128) {
  static bool started = false;
  if (started) return;
  std::vector<std::string> arguments = {"culvert-test",
                                        "--no-huge",
                                        "--no-pci",
                                        "--no-telemetry",
                                        "--no-shconf",
                                        "--log-level=lib.eal:error",
                                        "--file-prefix=culvert-test-" + std::to_string(getpid()),
                                        "-m",
                                        std::to_string(memory_mb),
                                        "--lcores=0@(" + allowed_cpus() + ")"};
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  if (rte_eal_init(static_cast<int>(argv.size()), argv.data()) < 0) {
    ADD_FAILURE() << "EAL does not start: " << rte_strerror(rte_errno);
    std::exit(1);
  }
  started = true;
}

/// A packet mempool as the path expects it. Its destructor fails the test when packets are still out.
class PacketPool {
 public:
  explicit PacketPool(unsigned packets = 4095) {
    start_eal();
    static unsigned number = 0;
    std::string name = "test_pool_" + std::to_string(number++);
    pool_ = rte_pktmbuf_pool_create(name.c_str(), packets, 0, kPacketPrivateSize, kHeadroom + kMaxPacket + kTailroom,
                                    SOCKET_ID_ANY);
    if (pool_ == nullptr) {
      ADD_FAILURE() << "no memory for a packet pool: " << rte_strerror(rte_errno);
      std::exit(1);
    }
  }
  ~PacketPool() {
    EXPECT_EQ(in_use(), 0u) << "packets were leaked";
    rte_mempool_free(pool_);
  }
  PacketPool(const PacketPool&) = delete;
  PacketPool& operator=(const PacketPool&) = delete;

  rte_mempool* get() const { return pool_; }
  unsigned in_use() const { return rte_mempool_in_use_count(pool_); }

  /// A packet with kHeadroom bytes in front, `bytes` in it and its meta data zeroed.
  rte_mbuf* packet(std::span<const uint8_t> bytes) const {
    rte_mbuf* packet = rte_pktmbuf_alloc(pool_);
    if (packet == nullptr) return nullptr;
    packet->data_off = kHeadroom;
    meta(packet) = PacketMeta{};
    char* data = rte_pktmbuf_append(packet, static_cast<uint16_t>(bytes.size()));
    if (!bytes.empty()) std::memcpy(data, bytes.data(), bytes.size());
    return packet;
  }

 private:
  rte_mempool* pool_;
};

}  // namespace culvert::testing
