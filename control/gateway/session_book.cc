#include "control/gateway/session_book.h"

#include <utility>

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
  close({session.peer_id, entry.generation});
  entry.generation = session.generation;
  entry.worker = worker;
  entry.instance = instance;
  return &entry;
}

void SessionBook::close(abi::SessionRef session) {
  BookEntry* entry = find(session);
  if (entry == nullptr) return;
  names_.erase({entry->instance, entry->name, session});
  *entry = {};
}

void SessionBook::admit(abi::SessionRef session, BookEntry& entry, std::string name) {
  names_.erase({entry.instance, entry.name, session});
  entry.admitted = true;
  entry.name = std::move(name);
  names_.insert({entry.instance, entry.name, session});
}

std::vector<abi::SessionRef> SessionBook::named(size_t instance, const std::string& name) const {
  std::vector<abi::SessionRef> sessions;
  for (auto at = names_.lower_bound({instance, name, {}}); at != names_.end(); ++at) {
    if (at->instance != instance || at->name != name) break;
    sessions.push_back(at->session);
  }
  return sessions;
}

/// Strangers fill it too: when it is full, they go. False: sessions alone fill it.
bool SessionBook::make_room() {
  const size_t most = 4 * entries_.size() + 1024;
  if (places_.size() < most) return true;
  std::erase_if(places_, [this](const auto& place) { return find(place.second.session) == nullptr; });
  return places_.size() < most;
}

void SessionBook::saw(const abi::Endpoint& remote, uint32_t worker) {
  auto found = places_.find(remote);
  if (found == places_.end()) {
    if (make_room()) places_[remote] = {worker, {}};
  } else if (find(found->second.session) == nullptr) {
    found->second = {worker, {}};
  }
}

void SessionBook::settle(const abi::Endpoint& remote, abi::SessionRef session) {
  const BookEntry* entry = find(session);
  if (entry != nullptr && make_room()) places_[remote] = {entry->worker, session};
}

uint32_t SessionBook::worker_of(const abi::Endpoint& remote, uint32_t otherwise) const {
  auto found = places_.find(remote);
  return found == places_.end() ? otherwise : found->second.worker;
}

}  // namespace culvert::gateway
