// Groups the packets of a burst into runs that UDP_SEGMENT sends with one message each: same peer, same address of
// ours, equal lengths but for the last. The order within a peer never changes. Pure: no descriptor.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <cstdint>
#include <span>

namespace culvert::drivers::offload {

class DatagramRuns {
 public:
  static constexpr size_t kMost =
      64;  ///< packets planned at once; the kernel takes as many segments (UDP_MAX_SEGMENTS)
  static constexpr uint32_t kMaxBytes = 65'000;  ///< of a run: with IP and UDP headers below 64 KiB

  struct Run {
    uint8_t first;  ///< index of its first packet
    uint8_t last;
    uint8_t count;
    uint8_t slot;      ///< of its peer, below kSlots: for what is remembered by peer
    uint16_t segment;  ///< bytes of each packet but the last, which may be shorter
    uint32_t bytes;    ///< of all packets
  };
  static constexpr size_t kSlots = 128;

  /// Plans up to kMost packets by PacketMeta's remote and local. `join` false: each packet is a run of its own. Valid
  /// until the next call.
  std::span<const Run> plan(std::span<rte_mbuf* const> packets, bool join);
  /// Index of the packet behind `index` in its run. Not for the last.
  uint8_t next(uint8_t index) const { return next_[index]; }

 private:
  static constexpr uint8_t kNone = 255;

  std::array<Run, kMost> runs_;
  std::array<uint8_t, kMost> next_;
  std::array<uint8_t, kSlots> open_;
};

/// What UDP_SEGMENT was refused, by peer, so that it is not tried again with every burst: a path with a smaller MTU
/// (EMSGSIZE, EINVAL before Linux 6.8), or one that can't do it at all (EIO: IPsec, a device without checksums).
class SegmentRefusals {
 public:
  SegmentRefusals() { limit_.fill(kNoLimit); }

  /// May a run of such segments be tried? Now and then yes, even after a refusal: paths change.
  bool may_send(const DatagramRuns::Run& run);
  /// The kernel refused `run`; `any_size`: it would refuse every other, too.
  void refused(const DatagramRuns::Run& run, bool any_size) { limit_[run.slot] = any_size ? 0 : run.segment; }

 private:
  static constexpr uint16_t kNoLimit = UINT16_MAX;
  static constexpr uint16_t kTryAgainAfter = 1024;  ///< runs

  std::array<uint16_t, DatagramRuns::kSlots> limit_;  ///< segments of that size and more are refused
  std::array<uint16_t, DatagramRuns::kSlots> held_back_{};
};

}  // namespace culvert::drivers::offload
