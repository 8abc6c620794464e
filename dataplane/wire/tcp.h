// TCP header (RFC 9293) and the one option that the path changes: the maximum segment size.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "dataplane/wire/byte_order.h"
#include "dataplane/wire/checksum.h"

namespace culvert::wire {

struct TcpHeader {
  be16 source_port;
  be16 destination_port;
  be32 sequence;
  be32 acknowledgment;
  uint8_t words;  ///< header length in 32-bit words in the high four bits
  uint8_t flags;
  be16 window;
  be16 checksum;
  be16 urgent;
};
static_assert(sizeof(TcpHeader) == 20 && alignof(TcpHeader) == 1);

// Flags.
inline constexpr uint8_t kTcpFin = 0x01;
inline constexpr uint8_t kTcpSyn = 0x02;
inline constexpr uint8_t kTcpPush = 0x08;
inline constexpr uint8_t kTcpAck = 0x10;
inline constexpr uint8_t kTcpEce = 0x40;
inline constexpr uint8_t kTcpCwr = 0x80;
// Options.
inline constexpr uint8_t kTcpOptionEnd = 0;
inline constexpr uint8_t kTcpOptionNop = 1;
inline constexpr uint8_t kTcpOptionMss = 2;
inline constexpr uint8_t kTcpOptionMssSize = 4;

/// Lowers the MSS option of a SYN in `segment` (TCP header and what follows) to `limit` bytes where it is larger, and
/// corrects the checksum. Returns whether something changed. Anything that is not a whole header of a SYN stays as it
/// is, as does an option list with an impossible length from that option on.
inline bool clamp_mss(std::span<uint8_t> segment, uint16_t limit) {
  if (segment.size() < sizeof(TcpHeader)) return false;
  auto& tcp = *reinterpret_cast<TcpHeader*>(segment.data());
  if ((tcp.flags & kTcpSyn) == 0) return false;
  size_t header_length = (tcp.words >> 4) * size_t{4};
  if (header_length > segment.size()) return false;

  bool changed = false;
  size_t at = sizeof(TcpHeader);
  while (at < header_length && segment[at] != kTcpOptionEnd) {
    if (segment[at] == kTcpOptionNop) {
      ++at;
      continue;
    }
    if (at + 1 >= header_length) break;
    size_t size = segment[at + 1];
    if (size < 2 || size > header_length - at) break;
    if (segment[at] == kTcpOptionMss && size == kTcpOptionMssSize) {
      auto& option = *reinterpret_cast<be16*>(&segment[at + 2]);
      uint16_t before = option.get();
      if (before > limit) {
        option.set(limit);
        // The checksum counts 16-bit words from the header's start: at an odd place the value's bytes are the other way
        // round.
        auto as_counted = [at](uint16_t value) {
          return at % 2 == 0 ? value : static_cast<uint16_t>(value << 8 | value >> 8);
        };
        tcp.checksum.set(adjust_checksum(tcp.checksum.get(), as_counted(before), as_counted(limit)));
        changed = true;
      }
    }
    at += size;
  }
  return changed;
}

}  // namespace culvert::wire
