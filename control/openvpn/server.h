// The server engine of one [[openvpn]] block: stateless first replies, one Session per peer that proved its address,
// and their outputs in order. No socket, clock, file or thread.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "control/now.h"
#include "control/openvpn/output.h"
#include "control/openvpn/push_update.h"
#include "control/openvpn/settings.h"
#include "dataplane/abi/counters.h"
#include "dataplane/abi/event.h"

namespace culvert::openvpn {

/// Gives out peer-ids (indices into the session table); several servers share one. Implemented in control/pool.
class PeerIds {
 public:
  virtual ~PeerIds() = default;
  /// A free peer-id with a new generation; nothing when none is left. Not one that was freed a moment ago if another is
  /// free.
  virtual std::optional<abi::SessionRef> take(Now now) = 0;
  virtual void give_back(abi::SessionRef session, Now now) = 0;
  /// The peer-id of a session that was given back just now, at once, with a new generation. Nothing: it can't be had.
  virtual std::optional<abi::SessionRef> take_again(abi::SessionRef) { return std::nullopt; }
};

/// A control-channel packet as it came in.
struct Datagram {
  abi::Endpoint remote;
  abi::Endpoint local;
  uint16_t port = 0;
  std::span<const uint8_t> bytes;
};

/// How a session that we end says goodbye.
enum class Goodbye : uint8_t {
  kSilent,   ///< not at all
  kHalt,     ///< HALT: the client gives up
  kRestart,  ///< RESTART,[P]: the client connects again and keeps its token
  kAuthFailed,
};

/// One line of `culvert sessions`, as far as the engine knows it.
struct SessionInfo {
  abi::SessionRef session;
  bool connected = false;
  abi::Endpoint remote;
  ClientIdentity identity;  ///< without password
  ClientGrant grant;
  abi::SessionLimit limit;
  abi::Cipher cipher{};
  uint8_t key_id = 0;
  uint64_t renegotiations = 0;
  std::chrono::sys_seconds connected_since{};
  WrapKind wrap{};
  bool dynamic_tls_crypt = false;
  bool tls_key_export = false;
};

class Server {
 public:
  /// `peer_ids` and `random` outlive the server.
  Server(ServerSettings settings, PeerIds& peer_ids, Random& random);
  ~Server();
  Server(Server&&) = delete;

  /// A punted packet. Whatever it holds, this returns; refused packets are counted in tally().
  void receive(const Datagram& datagram, Now now);
  /// Runs what is due. Call when next_deadline() has passed; early calls do no harm.
  void tick(Now now);
  std::optional<MonoTime> next_deadline() const;

  /// Answers to ConnectRequest. A session that is gone by now makes them no-ops.
  void accept(abi::SessionRef session, const ClientGrant& grant, Now now);
  void refuse(abi::SessionRef session, std::string_view reason_for_client, std::string_view reason_for_operator,
              Now now);

  /// Once its password has been judged, before accept(): a client without a certificate that begins anew at the address
  /// of its connected session, with the username of that, takes its place and its peer-id. That session ends. Nothing:
  /// there is none, and the client stays what it is.
  struct Place {
    abi::SessionRef older;  ///< the session that has ended
    abi::SessionRef own;    ///< what the client's session is called from now on
  };
  std::optional<Place> take_place(abi::SessionRef session, Now now);

  /// Lets a renegotiation go on. `options`: for a further PUSH_REPLY, may be empty.
  void accept_renewal(abi::SessionRef session, const std::vector<std::string>& options, Now now);
  /// A further PUSH_REPLY for a connected client. A no-op for a session that is gone or not connected yet, or that
  /// leaves too much of what it was told unacknowledged.
  void push(abi::SessionRef session, const std::vector<std::string>& options, Now now);
  /// Tells a client that waits for its decision to wait up to `timeout` longer, from now; at most as long as a client
  /// would (push.c, send_auth_pending_messages). `extra` goes behind INFO_PRE, when not empty.
  void auth_pending(abi::SessionRef session, std::chrono::seconds timeout, std::string_view extra, Now now);

  /// Starts a soft reset of a connected session, unless one is under way.
  void renegotiate(abi::SessionRef session, Now now);
  /// How often the session has had new keys; 0 when it is gone.
  uint64_t renegotiations(abi::SessionRef session) const;

  /// Changes what a connected client was pushed (PUSH_UPDATE). False: it is gone, does not announce that it can, or
  /// leaves too much of what it was told unacknowledged.
  bool push_update(abi::SessionRef session, const std::vector<PushChange>& changes, Now now);

  /// What the session may carry from now on, as long as it lives; each direction at most abi::kMaxLimit. False: it is
  /// gone, or not connected yet.
  bool limit(abi::SessionRef session, const abi::SessionLimit& limit, Now now);

  /// Ends a session: at once for the dataplane; the goodbye is sent (and re-sent until acknowledged or hand-window).
  /// `text` is for the operator, `text_for_peer` goes along with the goodbye.
  void disconnect(abi::SessionRef session, Goodbye goodbye, EndReason reason, std::string_view text, Now now,
                  std::string_view text_for_peer = {});
  /// Ends every session and lets nobody in any more.
  void stop(Goodbye goodbye, Now now);

  /// This server is about to end and leaves its sessions to the next control's adopt(). From now on none begins to
  /// renegotiate, unless its client does over TCP or its key is lost (replace_lost_keys); what has begun goes on.
  void leave();
  /// What would be cut off if the server ended now.
  struct Unfinished {
    size_t handshakes = 0;      ///< of clients that are not connected yet
    size_t renegotiations = 0;  ///< of connected ones; also those that replace_lost_keys() is about to begin
    size_t messages = 0;        ///< sessions with something under way to their clients: settings, goodbyes
  };
  Unfinished unfinished(Now now) const;
  /// Of the connected sessions.
  struct Census {
    size_t connected = 0;
    size_t over_tcp = 0;
    /// Only the dataplane has a key that they may send with: it is from before the last restart of control.
    size_t without_keys = 0;
  };
  Census census(Now now) const;
  /// Renegotiates soon with those that Census::without_keys counts. Once may not be enough: a stock client may send
  /// with the key before for up to a minute, but forgets it when another negotiation begins (ssl.c,
  /// key_state_soft_reset). To be called again until none is left.
  void renew_keys(Now now);

  /// Events of the dataplane. Stale generations are ignored.
  void on_event(const abi::Event& event, Now now);

  /// Takes a session over from its record after a restart of control, with the networks behind it. False: the record
  /// does not fit (its peer will time out).
  bool adopt(uint32_t peer_id, const abi::ControlRecord& record, const abi::Endpoint& remote, Now now,
             std::vector<abi::InnerPrefix> networks = {});
  /// Another session has the network now: this one's grant has it no more. The caller tells the dataplane.
  void lose_network(abi::SessionRef session, const abi::InnerPrefix& network);
  /// Everything needed to install all connected sessions in a new dataplane, as outputs (SendCommand). `progress` tells
  /// where packet-ids stand per session and key-id.
  using ProgressOf = std::optional<std::pair<uint64_t, uint64_t>> (*)(void* context, abi::SessionRef, uint8_t key_id);
  void reinstall(ProgressOf progress, void* context, Now now);
  /// Negotiates with those whose packets the new dataplane may not be able to open, because nobody has the key any
  /// more. To be called once its ports are open.
  void replace_lost_keys(Now now);

  /// Replaces the settings for handshakes from now on (reload).
  void set_settings(ServerSettings settings);
  const ServerSettings& settings() const;

  std::vector<SessionInfo> sessions() const;
  std::optional<SessionInfo> session(abi::SessionRef session) const;
  size_t session_count() const;

  /// Moves out what has come up since the last call, in the order in which it must be done.
  Outputs take_outputs();
  const abi::Tally& tally() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace culvert::openvpn
