// One client of a server, from the proof of its address to the last acknowledgement of our goodbye.
//
//   kHandshake ──KM2──▶ kDeciding ──accept──▶ kAccepted ──PUSH_REPLY──▶ kConnected
//       │                  │ refuse               │                        │ exit, timeout, kill, …
//       └──────────────────┴──────────┬───────────┴────────────────────────┘
//                                     ▼
//                  kClosing (goodbye until acknowledged; peer-id is free already) ──▶ kGone
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/openvpn/push_update.h"
#include "control/openvpn/session.h"

namespace culvert::openvpn {

class ServerSession final : public Session {
 public:
  enum class Phase : uint8_t { kHandshake, kDeciding, kAccepted, kConnected, kClosing, kGone };

  ServerSession(Engine& engine, const ServerSettings& settings, abi::SessionRef ref, const Path& path, const Ids& ids,
                Wrap wrap, const StaticKey* wrap_key, Now now);

  /// `resets_done`: the client proved its address with a cookie; else (old tls-crypt-v2 client) our reset is still to
  /// be sent.
  void start(bool resets_done, Now now);
  /// Takes over from a record. The session is connected and has no channel until the next renegotiation.
  void adopt(const abi::ControlRecord& record, std::vector<abi::InnerPrefix> networks, Now now);
  /// Installs the session and its keys again in a new dataplane; starts a renegotiation when a key can't be used on.
  template <class FloorsOf>
  void reinstall(FloorsOf floors, Now now);

  void accept(const ClientGrant& grant, Now now);
  void refuse(std::string_view reason_for_client, std::string_view reason_for_operator, Now now);
  /// Tells the client to change what it was pushed. False: it does not announce that it can, or leaves too much of what
  /// it was told unacknowledged.
  bool push_update(const std::vector<PushChange>& changes, Now now);
  /// Of a connected session.
  void limit(const abi::SessionLimit& limit);
  void accept_renewal(const std::vector<std::string>& options, Now now);
  void push(const std::vector<std::string>& options, Now now);
  void auth_pending(std::chrono::seconds timeout, std::string_view extra, Now now);
  void lose_network(const abi::InnerPrefix& network);
  /// Before accept(); who knows the session by its number already must be told.
  void renumber(abi::SessionRef ref) { ref_ = ref; }
  /// Before accept().
  void rename(const std::string& name) { identity_.common_name = name; }
  void end(Goodbye goodbye, EndReason reason, std::string_view text, std::string_view text_for_peer, Now now);
  /// The TCP connection is gone: nothing can be said any more.
  void lose_stream(std::string_view text, Now now);
  bool stream_lost() const { return stream_lost_; }
  /// The dataplane saw an authenticated packet from a new address.
  void move_to(const Path& path, Now now);

  Phase phase() const { return phase_; }
  bool alive() const { return phase_ < Phase::kClosing; }
  /// Something that it has said, or was to say, has not arrived. A goodbye counts as long as the session lingers:
  /// stock clients end on it, and may not acknowledge it any more.
  bool speaking(Now now) const { return !all_said() && (alive() || now.mono < linger_until_); }
  /// Its client has proved no more than its address; or it was never connected, and is remembered for its goodbye only.
  bool half_open() const { return phase_ == Phase::kHandshake || (phase_ == Phase::kClosing && !ever_connected_); }
  /// Does `other` have the certificate of this one or, where neither has one, its username?
  bool same_client(const ServerSession& other) const;
  /// Its client goes by the number that our key message has told it, not by a push.
  bool told_its_number() const { return capabilities_.peer_id.has_value(); }
  const ClientIdentity& identity() const { return identity_; }
  SessionInfo info() const;

 private:
  void on_key_method2(Negotiation& negotiation, KeyMethod2 message, Now now) override;
  void on_message(const ControlMessage& message, Now now) override;
  void on_tick(Now now) override;
  std::optional<MonoTime> role_deadline() const override;
  void on_failed(EndReason reason, std::string text, Now now) override;
  void on_changed() override;
  bool is_connected() const override { return phase_ == Phase::kConnected; }

  void first_keys(const Negotiation& negotiation, KeyMethod2& message, Now now);
  void renewed_keys(Negotiation& negotiation, KeyMethod2& message, Now now);
  bool same_client(const Negotiation& negotiation, const KeyMethod2& message) const;
  void read_identity(const Negotiation& negotiation, const KeyMethod2& message, ClientIdentity& identity) const;
  void install_routes();
  std::string own_peer_info() const;
  void answer_keys(Negotiation& negotiation, std::string_view peer_options, Now now);
  void send_push_reply(Now now);
  void install_session();
  abi::ControlRecord make_record() const;
  const ServerSettings& server_settings() const { return static_cast<const ServerSettings&>(settings_); }

  Phase phase_ = Phase::kHandshake;
  ClientIdentity identity_;
  ClientGrant grant_;
  PeerCapabilities capabilities_;
  /// A renegotiation that waits for accept_renewal().
  struct Renewal {
    uint8_t key_id = 0;
    std::string options;
  };
  std::optional<Renewal> renewal_;
  std::string certificate_name_;  ///< identity_.common_name may be another (username-as-common-name)
  bool push_asked_ = false;
  bool ever_connected_ = false;
  unsigned responses_ = 0;  ///< to challenges
  bool stream_lost_ = false;
  MonoTime handshake_deadline_{};
  MonoTime closing_deadline_{};
  MonoTime linger_until_{};
  std::optional<MonoTime> pushed_at_;
  abi::InstallSession installed_{};
  abi::ControlRecord committed_{};
};

template <class FloorsOf>
void ServerSession::reinstall(FloorsOf floors, Now now) {
  if (phase_ != Phase::kConnected) return;
  install_session();
  install_routes();
  Commands commands;
  ring_.reinstall(floors, now.mono, commands);
  send_commands(commands);
  on_changed();
}

}  // namespace culvert::openvpn
