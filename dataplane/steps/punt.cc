#include "dataplane/steps/punt.h"

#include <cstring>

namespace culvert::steps {

using abi::DropReason;

/// The reader's index is not to be trusted: an impossible one is push()'s to notice.
bool Punt::is_half_full() const {
  uint64_t tail = known_ring_.tail.load(std::memory_order_relaxed);
  return tail - known_ring_.head.load(std::memory_order_relaxed) >= abi::PacketRing::kCapacity / 2;
}

Verdict Punt::copy(const Packet& packet, bool of_session) {
  if (packet.length > abi::kMaxControlPacket) return Verdict::drop(DropReason::punt_too_long);
  const bool reset = wire::is_hard_reset_of_client(packet.opcode);
  if (!reset && !of_session && is_half_full()) return Verdict::drop(DropReason::punt_ring_full);
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

  auto& ring = reset ? new_ : known_;
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
