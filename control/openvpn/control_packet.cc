#include "control/openvpn/control_packet.h"

#include <algorithm>

namespace culvert::openvpn {
namespace {

std::optional<uint32_t> take32(std::span<const uint8_t>& in) {
  if (in.size() < 4) return std::nullopt;
  uint32_t value = uint32_t{in[0]} << 24 | uint32_t{in[1]} << 16 | uint32_t{in[2]} << 8 | in[3];
  in = in.subspan(4);
  return value;
}

void put32(std::vector<uint8_t>& out, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<uint8_t>(value >> shift));
}

}  // namespace

std::optional<ControlPacket> parse_control(wire::Opcode opcode, std::span<const uint8_t> in) {
  ControlPacket packet;
  if (in.empty() || in[0] > kMaxAcks) return std::nullopt;
  packet.acks.count = in[0];
  in = in.subspan(1);
  for (size_t i = 0; i < packet.acks.count; ++i) {
    auto id = take32(in);
    if (!id) return std::nullopt;
    packet.acks.ids[i] = *id;
  }
  if (packet.acks.count) {
    if (in.size() < wire::kSessionIdSize) return std::nullopt;
    std::copy_n(in.begin(), wire::kSessionIdSize, packet.acked_session.begin());
    in = in.subspan(wire::kSessionIdSize);
  }
  if (opcode == wire::Opcode::kAck) {
    if (!in.empty() || packet.acks.count == 0) return std::nullopt;
    return packet;
  }
  auto id = take32(in);
  if (!id) return std::nullopt;
  packet.id = *id;
  packet.payload = in;
  return packet;
}

std::vector<uint8_t> build_control(wire::Opcode opcode, const AckList& acks, const wire::SessionId& acked_session,
                                   uint32_t id, std::span<const uint8_t> payload) {
  std::vector<uint8_t> out;
  out.reserve(control_overhead(acks.count) + payload.size());
  out.push_back(static_cast<uint8_t>(acks.count));
  for (uint32_t ack : acks.view()) put32(out, ack);
  if (acks.count) out.insert(out.end(), acked_session.begin(), acked_session.end());
  if (opcode == wire::Opcode::kAck) return out;
  put32(out, id);
  out.insert(out.end(), payload.begin(), payload.end());
  return out;
}

}  // namespace culvert::openvpn
