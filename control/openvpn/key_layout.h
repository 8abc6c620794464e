// Where keys of 256 bytes and tls-crypt's tags are cut: the same in files, in what both sides derive, and in packets.
#pragma once

#include <cstddef>

namespace culvert::openvpn {

inline constexpr size_t kHalf = 128;       ///< bytes of a key for one direction: cipher, then HMAC
inline constexpr size_t kCipherPart = 64;  ///< bytes of a half; the HMAC part follows

inline constexpr size_t kTagSize = 32;  ///< of tls-crypt, and of WKc
inline constexpr size_t kIvSize = 16;   ///< the first bytes of the tag

}  // namespace culvert::openvpn
