// What control itself keeps about a session besides what the engine knows: where its commands go, and its addresses.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "control/gateway/session_watch.h"
#include "control/hooks/environment.h"
#include "control/pool/address_pool.h"
#include "dataplane/abi/command.h"

namespace culvert::gateway {

struct BookEntry {
  uint32_t generation = 0;  ///< 0: the peer-id has no session
  uint32_t worker = 0;      ///< owner core's worker
  size_t instance = 0;      ///< server block
  std::optional<pool::Lease> lease;
  bool admitted = false;  ///< since admit(): the client was decided on
  std::string name;       ///< of the session, since then; may be empty without certificates
  /// Environment of client-disconnect, when that is to be run.
  std::shared_ptr<hooks::Environment> environment;
  std::chrono::sys_seconds since{};
  SessionWatch watch;              ///< from its connect on
  config::SessionLimits limits{};  ///< for that
  /// What the configuration gives the client. A limit that is another one was set by an operator or a script.
  abi::SessionLimit configured{};
  bool missed_reload = false;  ///< one came while it was on its way in
  bool file_unread = false;    ///< adopted: what its file of client-config-dir sets is not known yet
  // Traffic of this session in dataplanes that are gone:
  uint64_t earlier_rx_bytes = 0;
  uint64_t earlier_tx_bytes = 0;
  uint64_t earlier_rx_packets = 0;
  uint64_t earlier_tx_packets = 0;
};

class SessionBook {
 public:
  explicit SessionBook(uint32_t sessions) : entries_(sessions) {}

  /// Null when the session is not there (any more).
  BookEntry* find(abi::SessionRef session);
  /// The entry of the session; a new one belongs to `worker` and `instance`. Null: peer-id out of range.
  BookEntry* open(abi::SessionRef session, uint32_t worker, size_t instance);
  void close(abi::SessionRef session);
  /// The session of `entry` was decided on: it has addresses, and goes by this name at its server block.
  void admit(abi::SessionRef session, BookEntry& entry, std::string name);
  /// The admitted sessions of a server block that go by `name`. (Each client that connects asks.)
  std::vector<abi::SessionRef> named(size_t instance, const std::string& name) const;

  /// Peer-ids are below this.
  uint32_t size() const { return static_cast<uint32_t>(entries_.size()); }
  /// The session that has the peer-id; generation 0: none.
  abi::SessionRef at(uint32_t peer_id) const { return {peer_id, entries_[peer_id].generation}; }

  template <class Visit>
  void each(Visit visit) {
    for (uint32_t id = 0; id < entries_.size(); ++id)
      if (entries_[id].generation != 0) visit(abi::SessionRef{id, entries_[id].generation}, entries_[id]);
  }

  /// Remembers on which worker the TCP connection of `remote` lives, so that what control sends leaves through it, and
  /// a session that comes of it belongs to that worker. Where a session has settled, its owner stays.
  void saw(const abi::Endpoint& remote, uint32_t worker);
  /// The connection has ended.
  void forget(const abi::Endpoint& remote) { places_.erase(remote); }
  /// The session's peer is at `remote` now: what is for it leaves through its owner, behind the commands for that one.
  void settle(const abi::Endpoint& remote, abi::SessionRef session);
  uint32_t worker_of(const abi::Endpoint& remote, uint32_t otherwise) const;

 private:
  struct Name {
    size_t instance = 0;
    std::string name;
    abi::SessionRef session;
    friend auto operator<=>(const Name&, const Name&) = default;
  };

  std::vector<BookEntry> entries_;
  std::set<Name> names_;  ///< of admitted sessions
  struct Place {
    uint32_t worker;
    abi::SessionRef session;  ///< that has settled there, unless it has ended since; generation 0: none
  };
  bool make_room();

  std::map<abi::Endpoint, Place> places_;
};

}  // namespace culvert::gateway
