#include "control/openvpn/reliable.h"

#include <algorithm>

namespace culvert::openvpn {

bool AckList::contains(uint32_t id) const {
  return std::ranges::find(view(), id) != view().end();
}

void AckQueue::add(uint32_t id) {
  if (waiting_.count < kMaxAcks && !waiting_.contains(id)) waiting_.ids[waiting_.count++] = id;
}

AckList AckQueue::take(size_t max) {
  size_t fresh = std::min(max, waiting_.count);
  AckList merged;
  for (size_t i = 0; i < fresh; ++i) merged.ids[merged.count++] = waiting_.ids[i];
  for (uint32_t id : recent_.view())
    if (merged.count < kMaxAcks && !merged.contains(id)) merged.ids[merged.count++] = id;
  std::shift_left(waiting_.ids.begin(), waiting_.ids.end(), static_cast<std::ptrdiff_t>(fresh));
  waiting_.count -= fresh;
  recent_ = merged;
  merged.count = std::min(merged.count, max);
  return merged;
}

size_t SendQueue::room() const {
  if (packets_.empty()) return kSendWindow;
  size_t span = next_id_ - packets_.front().id;
  return span >= kSendWindow ? 0 : kSendWindow - span;
}

uint32_t SendQueue::push(wire::Opcode opcode, std::vector<uint8_t> payload, MonoTime now) {
  Outgoing packet;
  packet.id = next_id_;
  packet.opcode = opcode;
  packet.payload = std::move(payload);
  packet.next_try = now;
  packet.timeout = timeout_;
  packets_.push_back(std::move(packet));
  return next_id_++;
}

Outgoing* SendQueue::due(MonoTime now) {
  for (Outgoing& packet : packets_) {
    if (now < packet.next_try && packet.later_acks < kAcksForEarlyResend) continue;
    packet.next_try = now + packet.timeout;
    packet.timeout *= 2;
    packet.later_acks = 0;
    ++packet.transmissions;
    return &packet;
  }
  return nullptr;
}

void SendQueue::carried(Outgoing& packet, const AckList& acks) {
  if (packet.transmissions <= 1) {
    packet.carried = acks;
    return;
  }
  AckList both;
  for (uint32_t id : packet.carried.view())
    if (acks.contains(id)) both.ids[both.count++] = id;
  packet.carried = both;
}

AckOutcome SendQueue::acknowledge(uint32_t id, Outgoing* delivered) {
  if (!id_before(id, next_id_)) return AckOutcome::kNeverSent;
  auto found = std::ranges::find(packets_, id, &Outgoing::id);
  if (found == packets_.end()) return AckOutcome::kAlready;
  if (found->transmissions == 0) return AckOutcome::kNeverSent;
  // Packets before an acknowledged one may have been lost; enough such hints and they are sent again early. Repeated
  // acknowledgements are no hint: a peer names recent ids more than once.
  for (auto packet = packets_.begin(); packet != found; ++packet)
    if (packet->transmissions > 0) ++packet->later_acks;
  if (delivered) *delivered = std::move(*found);
  packets_.erase(found);
  return AckOutcome::kDelivered;
}

std::optional<MonoTime> SendQueue::next_deadline() const {
  std::optional<MonoTime> earliest;
  for (const Outgoing& packet : packets_) {
    MonoTime at = packet.later_acks >= kAcksForEarlyResend ? MonoTime::min() : packet.next_try;
    if (!earliest || at < *earliest) earliest = at;
  }
  return earliest;
}

Arrival ReceiveQueue::judge(uint32_t id) const {
  if (id_before(id, next_id_)) return Arrival::kReplay;
  if (id - next_id_ >= kReceiveWindow) return Arrival::kOutsideWindow;
  return slots_[id % kSlots] ? Arrival::kReplay : Arrival::kNew;
}

void ReceiveQueue::insert(uint32_t id, wire::Opcode opcode, std::span<const uint8_t> payload) {
  slots_[id % kSlots] = Incoming{opcode, {payload.begin(), payload.end()}};
}

std::optional<Incoming> ReceiveQueue::pop() {
  std::optional<Incoming>& slot = slots_[next_id_ % kSlots];
  if (!slot) return std::nullopt;
  std::optional<Incoming> packet = std::move(slot);
  slot.reset();
  ++next_id_;
  return packet;
}

}  // namespace culvert::openvpn
