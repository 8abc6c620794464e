#include "control/pool/peer_ids.h"

#include <algorithm>

namespace culvert::pool {

PeerIdPool::PeerIdPool(uint32_t count, MonoClock::duration rest)
    : slots_(std::min(count, abi::kNoPeerId)), rest_(rest) {}

std::optional<abi::SessionRef> PeerIdPool::take(Now now) {
  while (next_fresh_ < slots_.size() && slots_[next_fresh_].used) ++next_fresh_;
  uint32_t peer_id = 0;
  if (next_fresh_ < slots_.size()) {
    peer_id = next_fresh_++;
  } else {
    if (resting_.empty() || now.mono - resting_.front().since < rest_) return std::nullopt;
    peer_id = resting_.front().peer_id;
    resting_.pop_front();
  }
  return begin_life(peer_id);
}

abi::SessionRef PeerIdPool::begin_life(uint32_t peer_id) {
  Slot& slot = slots_[peer_id];
  slot.taken = slot.used = true;
  if (++slot.generation == 0) slot.generation = 1;  // 0 means "no session"
  ++taken_count_;
  return {peer_id, slot.generation};
}

std::optional<abi::SessionRef> PeerIdPool::take_again(abi::SessionRef session) {
  // The one that was given back last is the last one that rests.
  bool last = !resting_.empty() && resting_.back().peer_id == session.peer_id &&
              slots_[session.peer_id].generation == session.generation;
  if (!last) return std::nullopt;
  resting_.pop_back();
  return begin_life(session.peer_id);
}

void PeerIdPool::give_back(abi::SessionRef session, Now now) {
  if (session.peer_id >= slots_.size()) return;
  Slot& slot = slots_[session.peer_id];
  if (!slot.taken || slot.generation != session.generation) return;
  slot.taken = false;
  --taken_count_;
  resting_.push_back({session.peer_id, now.mono});
}

void PeerIdPool::seen(uint32_t peer_id, uint32_t generation) {
  if (peer_id < slots_.size()) slots_[peer_id].generation = std::max(slots_[peer_id].generation, generation);
}

bool PeerIdPool::adopt(abi::SessionRef session) {
  if (session.peer_id >= slots_.size() || session.generation == 0) return false;
  Slot& slot = slots_[session.peer_id];
  if (slot.taken) return false;
  slot.taken = slot.used = true;
  slot.generation = session.generation;
  ++taken_count_;
  return true;
}

}  // namespace culvert::pool
