// Packets made by hand, without a wrap: what an attacker or a confused peer could send.
#pragma once

#include <vector>

#include "control/openvpn/control_packet.h"
#include "tests/sim/world.h"

namespace culvert::sim {

using Bytes = std::vector<uint8_t>;

inline Bytes craft(culvert::wire::Opcode opcode, uint8_t key_id, const culvert::wire::SessionId& from,
                   const Bytes& plaintext) {
  Bytes packet;
  packet.reserve(1 + from.size() + plaintext.size());
  packet.push_back(culvert::wire::opcode_byte(opcode, key_id));
  packet.insert(packet.end(), from.begin(), from.end());
  packet.insert(packet.end(), plaintext.begin(), plaintext.end());
  return packet;
}

/// A control packet that acknowledges `acks` of `to` and carries `payload` under `id`.
inline Bytes craft(culvert::wire::Opcode opcode, uint8_t key_id, const culvert::wire::SessionId& from,
                   const std::vector<uint32_t>& acks, const culvert::wire::SessionId& to, uint32_t id,
                   const Bytes& payload) {
  openvpn::AckList list;
  for (uint32_t ack : acks) list.ids[list.count++] = ack;
  return craft(opcode, key_id, from, openvpn::build_control(opcode, list, to, id, payload));
}

}  // namespace culvert::sim
