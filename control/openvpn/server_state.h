// Inside of Server: who is connected, found by peer-id and by outer address.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "control/openvpn/admission.h"
#include "control/openvpn/half_open.h"
#include "control/openvpn/server.h"
#include "control/openvpn/server_session.h"

namespace culvert::openvpn {

struct EndpointHash {
  size_t operator()(const abi::Endpoint& endpoint) const;
};

struct Server::State {
  struct Entry;

  State(ServerSettings given, PeerIds& ids, Random& random);

  /// Sessions that talk from this address: the connected one, one that may replace it, ones that are closing.
  std::vector<ServerSession*> at(const abi::Endpoint& remote) const;
  ServerSession* find(abi::SessionRef ref) const;
  ServerSession* find(const abi::Endpoint& remote, const wire::SessionId& client) const;
  void admit(const Datagram& datagram, Admitted admitted, Now now);
  /// Why there is no place for another handshake from this address; nothing when there is.
  std::optional<abi::DropReason> refusal(const abi::IpAddress& source, Now now);
  /// connect-freq: may another client begin now?
  bool within_connect_freq(Now now);
  /// Forgets the oldest of those that are closing, so that no more of them are remembered than may connect.
  void bound_closing();
  /// Takes in what an operation on `session` brought about: it may have ended, or have a new deadline.
  void settle(ServerSession& session, Now now);
  void end(ServerSession& session, Goodbye goodbye, EndReason reason, std::string_view text, Now now);
  /// Ends the sessions that `winner`, which is about to be accepted, takes the place of.
  void replace_older(ServerSession& winner, Now now);
  /// The connected session of the client that begins anew as `winner`: at the same address, with the same certificate
  /// or, without one, the same username.
  ServerSession* older_of(const ServerSession& winner) const;
  /// Ends `older`; `winner` gets its peer-id, unless somebody else has taken it by then.
  void take_number(ServerSession& winner, ServerSession& older, Now now);
  void move(ServerSession& session, const Session::Path& path, Now now);
  void close_stream(const abi::Endpoint& remote, uint16_t port);
  void add(std::unique_ptr<ServerSession> session);
  void remove(ServerSession& session);
  void count_half_open(const ServerSession& session, Entry& entry);
  void schedule(ServerSession& session);
  void unschedule(ServerSession& session);
  /// Wrap for the renegotiations of a session from its record.
  static Wrap wrap_of(const ServerSettings& settings, const abi::ControlRecord& record);

  Engine engine;
  ServerSettings settings;
  PeerIds& peer_ids;
  Admission admission;

  struct Entry {
    std::unique_ptr<ServerSession> session;
    abi::SessionRef ref;  ///< while alive; its peer-id is given back once
    /// Where it stands in `closing`. Nothing: it is alive, and holds its peer-id.
    std::optional<std::list<ServerSession*>::iterator> closing;
    std::optional<abi::IpAddress> half_open;  ///< as which it is counted
    std::optional<MonoTime> deadline;         ///< under which it stands in `timers`
  };
  std::unordered_map<ServerSession*, Entry> sessions;
  std::unordered_map<uint32_t, ServerSession*> by_peer_id;  ///< alive ones
  std::unordered_multimap<abi::Endpoint, ServerSession*, EndpointHash> by_address;
  std::set<std::pair<std::string, ServerSession*>> by_name;  ///< accepted ones, by common name
  std::multimap<MonoTime, ServerSession*> timers;
  std::list<ServerSession*> closing;  ///< ended ones, which may still say goodbye; the first to end first
  HalfOpen half_open;
  MonoTime connect_window_began{};  ///< connect-freq
  uint32_t connects_in_window = 0;
  bool stopping = false;  ///< lets nobody in any more
};

}  // namespace culvert::openvpn
