#include "dataplane/steps/events.h"

#include <utility>

namespace culvert::steps {

using abi::Event;
using abi::EventKind;
using session::Session;

namespace {

Event event_of(const Session& session, EventKind kind) {
  Event event{};
  event.kind = kind;
  event.session = session.ref();
  event.endpoint = session.where.remote;
  event.local = session.send.local;
  event.port = session.where.port;
  return event;
}

}  // namespace

void Events::mark(Session& session, bool& state) {
  if (std::exchange(state, true)) tally_.add(abi::Counter::events_lost);
  queue(session);
}

void Events::mark_key(Session& session, uint8_t& keys, uint8_t key_id) {
  keys = static_cast<uint8_t>(keys | 1u << key_id);
  queue(session);
}

void Events::queue(Session& session) {
  if (!std::exchange(session.pending.queued, true)) sessions_.push_back(session.ref());
}

void Events::refused(const abi::Command& command) {
  if (refusals_.size() >= kMaxRefusals) {
    tally_.add(abi::Counter::events_lost);
    return;
  }
  Event event{};
  event.kind = EventKind::kCommandRefused;
  event.detail = static_cast<uint16_t>(command.kind);
  event.session = command.session;
  refusals_.push_back(event);
}

void Events::stream_ended(const abi::Endpoint& remote, uint16_t port) {
  if (Session* session = table_.find_by_address(remote, port)) return mark(*session, session->pending.stream_ended);
  if (streams_.size() >= kMaxStreams) {
    tally_.add(abi::Counter::events_lost);
    return;
  }
  Event event{};
  event.kind = EventKind::kStreamClosed;
  event.endpoint = remote;
  event.port = port;
  streams_.push_back(event);
}

void Events::flush() {
  while (!streams_.empty() && push(streams_.front())) streams_.pop_front();
  while (!refusals_.empty() && push(refusals_.front())) refusals_.erase(refusals_.begin());
  while (!sessions_.empty()) {
    Session* session = table_.find(sessions_.back().peer_id);
    bool same_life = session != nullptr && session->where.generation == sessions_.back().generation;
    if (same_life) {
      if (!emit(*session)) return;
      session->pending.queued = false;
    }
    sessions_.pop_back();
  }
}

bool Events::emit(Session& session) {
  auto& pending = session.pending;
  for (auto [state, kind] :
       {std::pair{&pending.floated, EventKind::kFloated}, std::pair{&pending.timed_out, EventKind::kPeerTimeout},
        std::pair{&pending.exited, EventKind::kPeerExit}, std::pair{&pending.stream_ended, EventKind::kStreamClosed}}) {
    if (!*state) continue;
    if (!push(event_of(session, kind))) return false;
    *state = false;
  }
  return emit_keys(session, EventKind::kKeyFirstUse, pending.first_use) &&
         emit_keys(session, EventKind::kKeyNearLimit, pending.near_limit);
}

bool Events::emit_keys(Session& session, EventKind kind, uint8_t& keys) {
  for (uint8_t key_id = 0; key_id < session::kKeyIds; ++key_id) {
    if ((keys >> key_id & 1) == 0) continue;
    Event event = event_of(session, kind);
    event.key_id = key_id;
    if (!push(event)) return false;
    keys = static_cast<uint8_t>(keys & ~(1u << key_id));
  }
  return true;
}

bool Events::push(const Event& event) {
  if (ring_.push(event) != abi::RingStatus::kOk) return false;
  pushed_ = true;
  return true;
}

bool Events::must_wake() {
  return std::exchange(pushed_, false) && ring_.must_wake();
}

}  // namespace culvert::steps
