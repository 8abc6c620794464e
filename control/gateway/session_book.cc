#include "control/gateway/session_book.h"

namespace culvert::gateway {

BookEntry* SessionBook::find(abi::SessionRef session) {
  if (session.peer_id >= entries_.size() || session.generation == 0) return nullptr;
  BookEntry& entry = entries_[session.peer_id];
  return entry.generation == session.generation ? &entry : nullptr;
}

BookEntry* SessionBook::open(abi::SessionRef session, uint32_t worker, size_t instance) {
  if (BookEntry* found = find(session)) return found;
  if (session.peer_id >= entries_.size() || session.generation == 0) return nullptr;
  BookEntry& entry = entries_[session.peer_id];
  entry = {};
  entry.generation = session.generation;
  entry.worker = worker;
  entry.instance = instance;
  return &entry;
}

void SessionBook::close(abi::SessionRef session) {
  if (BookEntry* entry = find(session)) *entry = {};
}

void SessionBook::saw(const abi::Endpoint& remote, uint32_t worker) {
  if (worker == 0) {
    worker_of_remote_.erase(remote);
    return;
  }
  // Strangers fill it too. Without an entry a packet leaves through worker 0, which is right as well, only not as near.
  if (worker_of_remote_.size() >= 4 * entries_.size() + 1024) worker_of_remote_.clear();
  worker_of_remote_[remote] = worker;
}

uint32_t SessionBook::worker_of(const abi::Endpoint& remote, uint32_t otherwise) const {
  auto found = worker_of_remote_.find(remote);
  return found == worker_of_remote_.end() ? otherwise : found->second;
}

}  // namespace culvert::gateway
