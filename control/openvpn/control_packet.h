// What stands inside the wrap of a control packet (openvpn-wire-protocol, "Control channel"): acknowledgements,
// packet-id, and a piece of the TLS stream. Opcode, key-id and the sender's session ID stand outside (wrap.h).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "control/openvpn/reliable.h"
#include "dataplane/wire/openvpn.h"

namespace culvert::openvpn {

struct ControlPacket {
  AckList acks;
  wire::SessionId acked_session{};   ///< whose ids `acks` are; meaningful only with acks
  uint32_t id = 0;                   ///< not in P_ACK_V1
  std::span<const uint8_t> payload;  ///< into the bytes given to parse
};

/// Reads the plaintext of a control packet. Nothing when a field does not fit its length, more than eight ids are
/// named, or bytes follow a P_ACK_V1.
std::optional<ControlPacket> parse_control(wire::Opcode opcode, std::span<const uint8_t> plaintext);

/// Writes one. `acked_session`: session ID of the peer. With P_ACK_V1 `id` and `payload` are left out.
std::vector<uint8_t> build_control(wire::Opcode opcode, const AckList& acks, const wire::SessionId& acked_session,
                                   uint32_t id, std::span<const uint8_t> payload);

/// Bytes in front of the payload with `acks` ids acknowledged.
constexpr size_t control_overhead(size_t acks) {
  return 1 + (acks ? 4 * acks + wire::kSessionIdSize : 0) + 4;
}

}  // namespace culvert::openvpn
