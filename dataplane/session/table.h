// The sessions as one worker knows them: an array by peer-id (we choose peer-ids, so no hash on the way in), their
// keys, the map of addresses for packets without peer-id, and the inner routes. Of another worker's session it has only
// whose it is, and its addresses and routes. Changed by commands only (apply.h), between bursts.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "dataplane/abi/layout.h"
#include "dataplane/abi/result.h"
#include "dataplane/session/epochs.h"
#include "dataplane/session/flat_map.h"
#include "dataplane/session/limit_bucket.h"
#include "dataplane/session/routes.h"
#include "dataplane/session/secret_pool.h"
#include "dataplane/session/session.h"

namespace culvert::session {

/// An outer flow as packets without peer-id name it.
struct OuterAddress {
  abi::Endpoint remote;
  uint64_t port;  ///< outer port
};

class Table {
 public:
  static constexpr uint32_t kNone = 0xFFFFFFFF;
  static constexpr size_t kMaxKeys = 3;  ///< live keys of one session; a fourth pushes the oldest out

  /// The table of worker `worker` of `link`; as many sessions as `link` has records for.
  static Result<std::unique_ptr<Table>> make(abi::LinkView link, uint32_t worker = 0);
  ~Table();
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  uint32_t capacity() const { return capacity_; }
  uint32_t workers() const { return link_.workers(); }
  /// Does this worker hold the session's keys and write its record?
  bool owns(const Session& session) const { return session.where.owner == worker_; }
  /// The session of a peer-id that came from outside; null: none lives there.
  Session* find(uint32_t peer_id) {
    Session* slot = slot_of(peer_id);
    return slot != nullptr && slot->live() ? slot : nullptr;
  }
  /// Where the session of a peer-id is, if one lives there, which this does not look for; null: no peer-id of ours.
  Session* slot_of(uint32_t peer_id) { return peer_id < capacity_ ? &sessions_[peer_id] : nullptr; }
  /// Session `peer_id`, which must be below capacity(), live or not.
  Session& at(uint32_t peer_id) { return sessions_[peer_id]; }

  /// The session whose peer is at `remote` behind outer port `port`; null: none.
  Session* find_by_address(const abi::Endpoint& remote, uint16_t port) {
    return session_of(addresses_.find({remote, port}));
  }
  /// Session that owns the inner address (4 or 16 bytes); null: none, so it is the TUN's.
  Session* route(uint8_t version, const uint8_t* address) { return session_of(routes_.find(version, address)); }
  /// The same in two parts, as Routes has them: `begun` is what Routes::begin_find() has returned.
  Session* route(uint32_t begun, uint8_t version, const uint8_t* address) {
    return session_of(routes_.finish_find(begun, version, address));
  }
  const Routes& routes() const { return routes_; }
  /// Peer-ids of this worker's own sessions, in no order.
  std::span<const uint32_t> live() const { return live_; }
  abi::WorkerRecord& record(const Session& session) { return link_.session(session.where.peer_id).worker; }

  /// What a session whose `where.limited` is set may still carry.
  LimitBuckets& limit_buckets(const Session& session) { return limits_[session.where.peer_id]; }

  // For apply.cc and the float step. Arguments have been validated.
  Session& create(const abi::SessionRef& ref, uint16_t owner, uint64_t now_ns);
  /// Forgets the session, its keys, addresses and routes.
  void remove(Session& session);
  /// Moves the session to where its peer is now.
  bool set_remote(Session& session, const abi::Endpoint& remote, uint16_t port);
  /// False when the prefix is another session's, or there is no room.
  bool add_route(Session& session, const Prefix& prefix);
  void remove_route(Session& session, const Prefix& prefix);
  /// A key slot for `key_id`, emptied; the oldest key makes room. `epochs`: with what kEpoch needs. False: no memory.
  bool make_key(Session& session, uint8_t key_id, bool epochs = false);
  void remove_key(Session& session, uint8_t key_id);
  /// A limit that stays as it is goes on where it is; a new one begins with its whole burst. For sessions of this
  /// worker.
  void set_limit(Session& session, const abi::SessionLimit& limit, uint64_t now_ns);
  /// Sends with this key, which the session has, from now on.
  void send_with(Session& session, uint8_t key_id);
  /// Header bytes of the data packets it sends, after a change of keys, format or remote peer-id.
  static void refresh_headers(Session& session);

 private:
  Session* session_of(uint32_t peer_id) { return peer_id == kNone ? nullptr : &sessions_[peer_id]; }
  void destroy(ReceiveKey* receive, SendKey* send);
  static void refresh_mss(Session& session);
  Table(abi::LinkView link, uint32_t worker);
  std::vector<uint32_t>& list_of(const Session& session) { return owns(session) ? live_ : foreign_; }
  static size_t route_capacity(uint32_t sessions) { return size_t{sessions} * 2 + 4096; }

  abi::LinkView link_;
  uint32_t worker_;
  uint32_t capacity_;
  Session* sessions_ = nullptr;
  LimitBuckets* limits_ = nullptr;  ///< by peer-id; pages that no limited session needs stay untouched
  FlatMap<OuterAddress> addresses_;
  Routes routes_;
  std::vector<uint32_t> live_;
  std::vector<uint32_t> foreign_;  ///< likewise, of the other workers
  SecretPool<ReceiveKey> receive_keys_;
  SecretPool<SendKey> send_keys_;
  SecretPool<aead::Key> expanded_keys_;
  SecretPool<EpochReceive> epoch_receive_;
  SecretPool<EpochSend> epoch_send_;
};

}  // namespace culvert::session
