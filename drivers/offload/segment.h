// Cuts what the kernel hands out of a TUN with offloads (a super-packet of TCP or UDP, or a packet whose checksum is
// left to do) into the packets that it would have sent without them. Pure: no descriptor, no mbuf.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "drivers/offload/vnet_header.h"

namespace culvert::drivers::offload {

/// Completes the checksum of one packet as `header` asks. False: what the header says does not fit the packet, which is
/// as it was.
bool complete_checksum(const VnetHeader& header, std::span<uint8_t> packet);

class SuperPacket {
 public:
  /// Nothing to cut.
  SuperPacket() = default;

  /// `packet` stays where it is until all segments are written. Nothing when header and packet don't fit each other, or
  /// it is no super-packet.
  static std::optional<SuperPacket> read(const VnetHeader& header, std::span<const uint8_t> packet);

  bool done() const { return payload_.empty(); }
  /// Segments that are still to come.
  size_t left() const { return (payload_.size() + segment_size_ - 1) / segment_size_; }
  /// Bytes of the longest segment.
  size_t longest() const { return headers_.size() + segment_size_; }

  /// Writes the next segment, a whole packet with right lengths and checksums, to `to`, which has room for longest()
  /// bytes and does not overlap the super-packet. Returns its length. Not when done().
  size_t write_next(uint8_t* to);

 private:
  void write_ip(uint8_t* packet, size_t length) const;
  void write_tcp(uint8_t* packet, bool last) const;

  std::span<const uint8_t> headers_;
  std::span<const uint8_t> payload_;  // not yet written
  size_t transport_ = 0;              // offset of the transport header
  size_t segment_size_ = 1;
  uint32_t pseudo_sum_ = 0;  // of the pseudo-header, without the length
  uint32_t sent_ = 0;        // payload bytes of the segments before
  uint16_t index_ = 0;       // of the next segment
  bool udp_ = false;
};

}  // namespace culvert::drivers::offload
