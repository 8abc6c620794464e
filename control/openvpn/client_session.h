// The client's side of one session.
//
//   kHandshake ──KM2 both ways──▶ kAsking ──PUSH_REPLY──▶ kConnected ──▶ kClosing ──▶ kGone
#pragma once

#include <optional>
#include <string>

#include "control/openvpn/push.h"
#include "control/openvpn/session.h"

namespace culvert::openvpn {

class ClientSession final : public Session {
 public:
  enum class Phase : uint8_t { kHandshake, kAsking, kConnected, kClosing, kGone };

  ClientSession(Engine& engine, const ClientSettings& settings, abi::SessionRef ref, const Path& path, const Ids& ids,
                Wrap wrap, const StaticKey* wrap_key, Now now);
  void start(Now now);
  /// Says EXIT if the server can read that. Either way the session ends.
  bool exit(Now now);
  void end(EndReason reason, std::string_view text, Now now);
  Phase phase() const { return phase_; }
  SessionInfo info() const;

 private:
  void on_established(Negotiation& negotiation, Now now) override;
  void on_key_method2(Negotiation& negotiation, KeyMethod2 message, Now now) override;
  void on_message(const ControlMessage& message, Now now) override;
  void on_tick(Now now) override;
  std::optional<MonoTime> role_deadline() const override;
  void on_failed(EndReason reason, std::string text, Now now) override;
  bool is_connected() const override { return phase_ == Phase::kConnected; }

  bool alive() const { return phase_ < Phase::kClosing; }
  void lock_identity(const Negotiation& negotiation);
  bool same_identity(const Negotiation& negotiation) const;
  void ask(Now now);
  void take_push(std::string_view text, Now now);
  void take_update(std::string_view text, Now now);
  void connect(std::vector<std::string> options, Now now);
  const ClientSettings& client_settings() const { return static_cast<const ClientSettings&>(settings_); }

  Phase phase_ = Phase::kHandshake;
  ClientIdentity server_;                   ///< certificate of the server
  std::string server_options_;              ///< its options string
  std::optional<uint32_t> server_peer_id_;  ///< for packets to it, when it takes ours for packets to us
  PushCollector collector_;
  std::optional<PushCollector> update_;  ///< a PUSH_UPDATE whose parts are not all here
  std::vector<std::string> options_;     ///< pushed and in force
  PushedSettings pushed_;
  std::optional<MonoTime> ask_again_;
  MonoTime deadline_{};
  MonoTime linger_until_{};
};

}  // namespace culvert::openvpn
