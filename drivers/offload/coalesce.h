// Joins packets of one flow that follow each other in a burst into super-packets for a TUN with offloads, so that the
// kernel goes through its stack once for many. What the kernel, or the next machine, cuts the super-packet into is what
// came in, byte for byte (but for the meaningless identification of IPv4 packets with DF); whatever could not be had
// back that way goes alone. The order within a flow never changes. Pure: no descriptor, no mbuf.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "drivers/offload/flow.h"
#include "drivers/offload/vnet_header.h"

namespace culvert::drivers::offload {

class Coalescer {
 public:
  static constexpr size_t kMost = 64;  ///< packets planned at once

  /// One write: a packet, or a super-packet made of several.
  struct Frame {
    VnetHeader header;
    uint8_t first;  ///< index of its first packet, whose headers are those of all
    uint8_t last;
    uint8_t count;
    uint8_t step;          ///< between the identifications of its packets
    uint8_t flags;         ///< TCP flags of the first packet as they were
    uint16_t ip_checksum;  ///< and its IPv4 header's checksum
    uint16_t checksum;     ///< and its transport checksum
    uint32_t bytes;        ///< of the super-packet
  };

  /// What the kernel takes; without either every packet is a frame.
  explicit Coalescer(TunOffloads offloads) : offloads_(offloads) {}

  /// Plans the frames for up to kMost whole IP packets, in the order in which they are to be written, and rewrites the
  /// headers of each super-packet's first packet. Valid until the next call.
  std::span<const Frame> plan(std::span<const std::span<uint8_t>> packets);

  /// Index of the packet behind `index` in its frame. Not for the last.
  uint8_t next(uint8_t index) const { return next_[index]; }
  /// Where the payload of `index` begins, for packets that are not the first of their frame.
  uint16_t payload_offset(uint8_t index) const { return views_[index].headers; }

  /// Makes the first packet of a frame of several what it was before plan(), to write the packets one by one.
  void undo(const Frame& frame, std::span<uint8_t> first) const;

 private:
  static constexpr size_t kSlots = 64;
  static constexpr uint8_t kNone = 255;

  bool joins(const Frame& frame, uint8_t index);
  void append(Frame& frame, uint8_t index);
  void finish(Frame& frame);
  bool may_join(Joinable kind) const;
  bool is_right(uint8_t index);

  TunOffloads offloads_;
  std::span<const std::span<uint8_t>> packets_;
  std::array<FlowView, kMost> views_;
  std::array<uint8_t, kMost> next_;
  std::array<bool, kMost> is_right_;  // checksums were looked at, and right
  std::array<Frame, kMost> frames_;
  std::array<uint8_t, kSlots> open_;  // by flow hash: the frame that the flow's next packet may join
};

}  // namespace culvert::drivers::offload
