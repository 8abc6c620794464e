// What DPDK's AF_PACKET driver does not tell: how many frames the kernel had no room for in its rings, and how many it
// put into another one than that of their flow. The sockets are the driver's; they are found among this process's
// descriptors by the interface that they are bound to.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>
#include <vector>

namespace culvert::drivers {

class PacketSockets {
 public:
  PacketSockets() = default;
  /// Those on the interface with this index. After the device was probed, before it is closed: the descriptors are
  /// the driver's.
  static PacketSockets on(int interface);
  PacketSockets(PacketSockets&& other) noexcept
      : descriptors_(std::move(other.descriptors_)), lost_(other.lost_.load(std::memory_order_relaxed)) {}
  PacketSockets& operator=(PacketSockets&& other) noexcept;

  /// Frames that were lost so far. A system call for each socket.
  uint64_t losses() const;
  /// Frames of which the ring was nearly full, so that another one got them (PACKET_FANOUT_FLAG_ROLLOVER, which the
  /// driver asks for), so far. A system call for each socket.
  uint64_t rolled_over() const;

 private:
  std::vector<int> descriptors_;
  mutable std::atomic<uint64_t> lost_{0};  ///< the kernel's own counts begin anew when they are read
};

}  // namespace culvert::drivers
