// How much one key may be used (crypto.c and crypto.h of the reference; draft-irtf-cfrg-aead-limits).
#pragma once

#include <cstdint>

#include "dataplane/abi/command.h"

namespace culvert::session {

inline constexpr uint64_t kBlockSize = 16;  ///< bytes that count as one block, for every cipher

/// AES-GCM: packets and plaintext blocks under one key must stay below this for the security margin of the draft.
inline constexpr uint64_t kGcmUsageLimit = (uint64_t{1} << 36) - 1;
/// A renegotiation is asked for at 7/8 of it, so that it is done in time (ssl.c).
inline constexpr uint64_t kGcmNearLimit = kGcmUsageLimit / 8 * 7;

/// Sum of packets and blocks at which a key nears its limit. CHACHA20-POLY1305 has none that matters; the reference
/// limits CBC by time only, unless its blocks are of 64 bits (ssl.c).
constexpr uint64_t near_usage_limit(abi::Cipher cipher) {
  return cipher <= abi::Cipher::kAes256Gcm ? kGcmNearLimit : UINT64_MAX;
}

inline constexpr uint64_t kNearPacketId = 0xFF000000;  ///< packet_id.h: a renegotiation is asked for from here on
inline constexpr uint64_t kPacketIdEnd = uint64_t{1} << 32;

inline constexpr uint64_t kForgeriesNear = uint64_t{1} << 35;    ///< more failed tags than this: ask for a new key
inline constexpr uint64_t kForgeriesRefuse = uint64_t{1} << 36;  ///< more than this: the key opens nothing any more

}  // namespace culvert::session
