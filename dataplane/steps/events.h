// What control is told. Events of a session are states: each is marked at the session and stands there until the ring
// took it, so a full ring delays events and merges those of a kind, but loses none.
#pragma once

#include <deque>
#include <vector>

#include "dataplane/abi/layout.h"
#include "dataplane/session/table.h"

namespace culvert::steps {

class Events {
 public:
  static constexpr size_t kMaxStreams =
      4096;  ///< likewise ended connections of handshakes: those have a time limit too
  static constexpr size_t kMaxRefusals = 256;  ///< refused commands that may wait; further ones are only counted

  Events(abi::WorkerArea& area, session::Table& table, abi::Tally& tally)
      : ring_(area.events), table_(table), tally_(tally) {}

  void floated(session::Session& session) { mark(session, session.pending.floated); }
  void timed_out(session::Session& session) { mark(session, session.pending.timed_out); }
  void exited(session::Session& session) { mark(session, session.pending.exited); }
  void near_limit(session::Session& session, uint8_t key_id) { mark_key(session, session.pending.near_limit, key_id); }
  void first_use(session::Session& session, uint8_t key_id) { mark_key(session, session.pending.first_use, key_id); }
  void refused(const abi::Command& command);
  /// A TCP connection ended. Known at its session when there is one, so that it can't be lost.
  void stream_ended(const abi::Endpoint& remote, uint16_t port);

  /// Moves what waits into the ring as far as there is room.
  void flush();
  bool waiting() const { return !sessions_.empty() || !refusals_.empty() || !streams_.empty(); }
  /// True when control sleeps and must be woken.
  bool must_wake();

 private:
  void mark(session::Session& session, bool& state);
  void mark_key(session::Session& session, uint8_t& keys, uint8_t key_id);
  void queue(session::Session& session);
  /// Both: false when the ring is full; what was pushed is no longer marked.
  bool emit(session::Session& session);
  bool emit_keys(session::Session& session, abi::EventKind kind, uint8_t& keys);
  bool push(const abi::Event& event);

  abi::Producer<abi::Event, abi::EventRing::kCapacity> ring_;
  session::Table& table_;
  abi::Tally& tally_;
  std::vector<abi::SessionRef> sessions_;  ///< that have something marked; one that was removed meanwhile is skipped
  std::vector<abi::Event> refusals_;
  std::deque<abi::Event> streams_;  ///< ended, of which no session was known here
  bool pushed_ = false;
};

}  // namespace culvert::steps
