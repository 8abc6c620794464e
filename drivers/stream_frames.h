// How packets stand in a TCP stream: a 16-bit length in network order before each (openvpn-wire-protocol, "TCP"). No
// sockets here: bytes in, frames out.
#pragma once

#include <cstdint>
#include <span>

#include "dataplane/packet.h"
#include "dataplane/wire/openvpn.h"

namespace culvert::drivers {

inline constexpr size_t kFrameHeader = 2;

enum class Cut : uint8_t {
  kFrame,     ///< `packet` is whole; it and its length are `used` bytes
  kNeedMore,  ///< the packet at the front is not whole yet
  kBad,       ///< no length that a packet can have: nothing after it can be told apart
};

struct CutFrame {
  Cut verdict = Cut::kNeedMore;
  std::span<const uint8_t> packet;
  size_t used = 0;
};

/// The packet at the front of `bytes`. Lengths from 1 to `longest` are possible ones.
constexpr CutFrame cut_frame(std::span<const uint8_t> bytes, size_t longest = kMaxPacket) {
  if (bytes.size() < kFrameHeader) return {};
  size_t length = size_t{bytes[0]} << 8 | bytes[1];
  if (length == 0 || length > longest) return {Cut::kBad, {}, 0};
  if (bytes.size() < kFrameHeader + length) return {};
  return {Cut::kFrame, bytes.subspan(kFrameHeader, length), kFrameHeader + length};
}

/// Takes the whole packets at the front of `bytes` away. Returns how many there were.
constexpr size_t skip_frames(std::span<const uint8_t>& bytes, size_t longest = kMaxPacket) {
  size_t count = 0;
  for (CutFrame frame = cut_frame(bytes, longest); frame.verdict == Cut::kFrame; frame = cut_frame(bytes, longest)) {
    bytes = bytes.subspan(frame.used);
    ++count;
  }
  return count;
}

enum class FirstBytes : uint8_t { kOpenvpn, kForeign, kNeedMore };

/// Does a connection begin like an OpenVPN client's: with a hard reset of a length that one can have? The reference
/// decides by the same (ps.c): 14 bytes without any wrap, up to 255 with one; a tls-crypt-v2 client adds its wrapped
/// key of 290 to 1024 bytes.
constexpr FirstBytes judge_first_bytes(std::span<const uint8_t> bytes) {
  constexpr size_t kShortest = 14;
  constexpr size_t kLongest = 255;
  constexpr size_t kShortestV3 = 336;
  constexpr size_t kLongestV3 = 1024 + 255;
  if (bytes.size() < kFrameHeader) return FirstBytes::kNeedMore;
  size_t length = size_t{bytes[0]} << 8 | bytes[1];
  bool short_one = length >= kShortest && length <= kLongest;
  bool long_one = length >= kShortestV3 && length < kLongestV3;
  if (!short_one && !long_one) return FirstBytes::kForeign;
  if (bytes.size() == kFrameHeader) return FirstBytes::kNeedMore;
  auto expected = short_one ? wire::Opcode::kHardResetClientV2 : wire::Opcode::kHardResetClientV3;
  return bytes[2] == wire::opcode_byte(expected, 0) ? FirstBytes::kOpenvpn : FirstBytes::kForeign;
}

}  // namespace culvert::drivers
