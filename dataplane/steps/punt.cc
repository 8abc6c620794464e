#include "dataplane/steps/punt.h"

#include <cstring>

namespace culvert::steps {

using abi::DropReason;

Verdict Punt::copy(const Packet& packet) {
  if (packet.length > abi::kMaxControlPacket) return Verdict::drop(DropReason::punt_too_long);
  abi::PacketMessage message;
  const PacketMeta& from = meta(packet.mbuf);
  message.after_command = 0;
  message.remote = from.remote;
  message.local = from.local;
  message.port = from.port;
  message.length = static_cast<uint16_t>(packet.length);
  message.reserved = 0;
  message.reserved2 = 0;
  std::memcpy(message.data.data(), packet.data, packet.length);
  std::memset(message.data.data() + packet.length, 0, message.data.size() - packet.length);

  auto& ring = wire::is_hard_reset_of_client(packet.opcode) ? new_ : known_;
  if (ring.push(message) != abi::RingStatus::kOk) return Verdict::drop(DropReason::punt_ring_full);
  pushed_ = true;
  return Verdict::taken();
}

bool Punt::must_wake() {
  if (!std::exchange(pushed_, false)) return false;
  bool wake_new = new_.must_wake();
  bool wake_known = known_.must_wake();
  return wake_new || wake_known;
}

}  // namespace culvert::steps
