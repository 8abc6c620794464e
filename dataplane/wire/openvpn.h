// OpenVPN packet headers (openvpn-wire-protocol, "Packet format"; opcodes: ssl_pkt.h of the reference).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "dataplane/wire/byte_order.h"

namespace culvert::wire {

enum class Opcode : uint8_t {
  kHardResetClientV1 = 1,  ///< key method 1, long gone: refused
  kHardResetServerV1 = 2,
  kSoftReset = 3,
  kControl = 4,
  kAck = 5,
  kDataV1 = 6,
  kHardResetClientV2 = 7,
  kHardResetServerV2 = 8,
  kDataV2 = 9,
  kHardResetClientV3 = 10,  ///< tls-crypt-v2: ends with the wrapped client key
  kControlWkc = 11,         ///< tls-crypt-v2: answer to a stateless cookie, ends with the wrapped client key
};

inline constexpr uint8_t kFirstOpcode = 3;
inline constexpr uint8_t kLastOpcode = 11;
inline constexpr uint8_t kKeyIdMask = 7;
inline constexpr size_t kSessionIdSize = 8;
inline constexpr uint32_t kPeerIdNone = 0xFFFFFF;
inline constexpr size_t kPacketIdSize = 4;

using SessionId = std::array<uint8_t, kSessionIdSize>;

/// First byte of every packet: opcode in the high five bits, key-id in the low three.
struct OpcodeByte {
  Opcode opcode;
  uint8_t key_id;
};

/// Reads the first byte. Nothing when the packet is empty or the opcode is not one of 3..11.
constexpr std::optional<OpcodeByte> read_opcode(std::span<const uint8_t> packet) {
  if (packet.empty()) return std::nullopt;
  uint8_t code = packet[0] >> 3;
  if (code < kFirstOpcode || code > kLastOpcode) return std::nullopt;
  return OpcodeByte{static_cast<Opcode>(code), static_cast<uint8_t>(packet[0] & kKeyIdMask)};
}
constexpr uint8_t opcode_byte(Opcode opcode, uint8_t key_id) {
  return static_cast<uint8_t>(static_cast<uint8_t>(opcode) << 3 | (key_id & kKeyIdMask));
}

constexpr bool is_data(Opcode opcode) {
  return opcode == Opcode::kDataV1 || opcode == Opcode::kDataV2;
}
constexpr bool is_hard_reset_of_client(Opcode opcode) {
  return opcode == Opcode::kHardResetClientV2 || opcode == Opcode::kHardResetClientV3;
}

/// AEAD data packet, DATA_V2: this header, ciphertext of the inner packet. The tag stands before the ciphertext. The
/// AAD is the header up to and with the packet-id; the nonce is packet-id and implicit IV (crypto.c).
struct DataV2Header {
  uint8_t opcode;
  std::array<uint8_t, 3> peer_id;
  be32 packet_id;
  std::array<uint8_t, 16> tag;

  constexpr uint32_t peer() const { return uint32_t{peer_id[0]} << 16 | uint32_t{peer_id[1]} << 8 | peer_id[2]; }
};
static_assert(sizeof(DataV2Header) == 24 && alignof(DataV2Header) == 1);

/// AEAD data packet, DATA_V1: the AAD is the packet-id alone (crypto.c).
struct DataV1Header {
  uint8_t opcode;
  be32 packet_id;
  std::array<uint8_t, 16> tag;
};
static_assert(sizeof(DataV1Header) == 21 && alignof(DataV1Header) == 1);

// Data packet under AES-CBC: opcode (and peer-id with DATA_V2), HMAC, IV of 16 bytes, ciphertext; the plaintext is
// packet-id, inner packet and 1 to 16 bytes of padding. The HMAC covers IV and ciphertext, not what is in front
// (crypto.c).

/// Inner payload that is a keepalive and no IP packet (ping.c).
/// Shorter texts are no IP packet but a message of the tunnel itself, which counts neither as traffic nor as activity.
inline constexpr size_t kSmallestInnerPacket = 20;

inline constexpr std::array<uint8_t, 16> kPingMagic = {0x2a, 0x18, 0x7b, 0xf3, 0x64, 0x1e, 0xb4, 0xcb,
                                                       0x07, 0xed, 0x2d, 0x0a, 0x98, 0x1f, 0xc7, 0x48};
/// First 16 bytes of an OCC message; one byte of OCC opcode follows (occ.c).
inline constexpr std::array<uint8_t, 16> kOccMagic = {0x28, 0x7f, 0x34, 0x6b, 0xd4, 0xef, 0x7a, 0x81,
                                                      0x2d, 0x56, 0xb8, 0xd3, 0xaf, 0xc5, 0x45, 0x9c};
inline constexpr uint8_t kOccExit = 6;

}  // namespace culvert::wire
