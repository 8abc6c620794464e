// One peer, as both roles have it: wrapping, session IDs, the negotiation of data-channel keys (first and again), the
// messages inside TLS, and what is retransmitted until it arrives. ServerSession and ClientSession say what the
// messages mean.
//
//            first negotiation                  soft reset of either side
//   (none) ────────────────────▶ pending_ ───────▶ done_ ◀──────── pending_ (next key-id) ◀──┐
//                                  │ failed: session over  │ failed: done_ and its key stay ──┘ tried again
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/now.h"
#include "control/openvpn/channel.h"
#include "control/openvpn/control_message.h"
#include "control/openvpn/key_method2.h"
#include "control/openvpn/key_ring.h"
#include "control/openvpn/negotiate.h"
#include "control/openvpn/output.h"
#include "control/openvpn/server.h"
#include "control/openvpn/settings.h"
#include "control/openvpn/wrap.h"

namespace culvert::openvpn {

/// How long a closed session still acknowledges what its peer repeats (push.c, receive_exit_message).
inline constexpr std::chrono::seconds kLinger{5};

/// What an engine shares with its sessions. Outlives them.
struct Engine {
  Outputs outputs;
  abi::Tally tally;
  Random* random = nullptr;
  /// Who the client of a new session is has been shown; nobody but the engine knows the session's number yet.
  std::function<void(class ServerSession&, Now)> on_identified{};
  /// This control is about to end and leaves its sessions to the next: no negotiation begins that could be cut off.
  bool leaving = false;
};

/// key-ids count 0, 1, …, 7, 1, …: 0 is the first negotiation only (ssl.c, key_state_init).
constexpr uint8_t following_key_id(uint8_t id) {
  return id == 7 ? uint8_t{1} : static_cast<uint8_t>(id + 1);
}

class Session {
 public:
  struct Path {
    abi::Endpoint remote;
    abi::Endpoint local;
    uint16_t port = 0;
  };
  struct Ids {
    wire::SessionId local{};
    wire::SessionId remote{};
  };

  Session(Side side, Engine& engine, const CommonSettings& settings, abi::SessionRef ref, const Path& path,
          const Ids& ids, Wrap wrap, const StaticKey* wrap_key);
  virtual ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// A control packet from the peer's address. Returns why it was dropped, or nothing.
  std::optional<abi::DropReason> receive(const Datagram& datagram, Now now);
  void tick(Now now);
  std::optional<MonoTime> next_deadline() const;
  /// Starts a soft reset, unless one is under way; after the first negotiation if that is not finished.
  void renegotiate(Now now);
  /// The same at `at`, unless it is due before anyway.
  void renegotiate_by(MonoTime at);
  /// The same at a random moment within adoption_spread, unless it is due by then anyway.
  void renegotiate_soon(Now now);
  void on_key_first_use(uint8_t key_id, Now now);

  abi::SessionRef ref() const { return ref_; }
  const Path& path() const { return path_; }
  const Ids& ids() const { return ids_; }
  const KeyRing& keys() const { return ring_; }
  const Agreement& agreement() const { return agreement_; }
  uint64_t renegotiations() const { return renegotiations_; }
  bool dynamic_wrap() const { return dynamic_wrap_.has_value(); }
  /// Keys are being exchanged, and the peer takes part in it or may be about to. Also when that is still to begin,
  /// because the key that the peer sends with is lost.
  bool negotiating(Now now) const;
  std::chrono::sys_seconds connected_since() const { return connected_since_; }

 protected:
  struct Negotiation {
    Negotiation(const Channel::Settings& settings, std::unique_ptr<crypto::TlsStream> tls, MonoTime now)
        : channel(settings, std::move(tls), now), started(now) {}
    Channel channel;
    MonoTime started;
    MonoTime deadline{};
    KeySource own_source;
    KeySource peer_source;
    bool sent_keys = false;  ///< our key-method-2 message
    bool got_keys = false;   ///< the peer's
    bool installed = false;  ///< data keys are with the worker
    bool finished = false;
  };

  /// Begins the first negotiation. `resets_done`: after a stateless cookie.
  void start_first(bool resets_done, wire::Opcode reset, Now now);
  /// Takes over from a record: no channel, only ids.
  void adopt_keys(uint8_t current, std::optional<uint8_t> previous, abi::Cipher cipher, Now now);

  // What a role adds.
  /// TLS is up and our key-method-2 message was not sent.
  virtual void on_established(Negotiation&, Now) {}
  virtual void on_key_method2(Negotiation& negotiation, KeyMethod2 message, Now now) = 0;
  virtual void on_message(const ControlMessage& message, Now now) = 0;
  virtual void on_tick(Now now) = 0;
  virtual std::optional<MonoTime> role_deadline() const = 0;
  /// The session can't go on.
  virtual void on_failed(EndReason reason, std::string text, Now now) = 0;
  /// Something changed that a restart would need.
  virtual void on_changed() {}
  /// May this negotiation give the worker keys (the session is connected and not ending)?
  virtual bool is_connected() const = 0;

  /// What both roles say about themselves in the same way; identity and grant are the role's.
  SessionInfo common_info() const;
  void send_key_method2(Negotiation& negotiation, KeyMethod2 message, Now now);
  /// Derives the data keys and installs them.
  bool install_keys(Negotiation& negotiation);
  /// Makes the key for wrapping renegotiations, once, out of the first negotiation.
  bool make_dynamic_wrap(const Negotiation& negotiation);
  void say(std::vector<uint8_t> record);
  bool all_said() const;
  /// So much waits to be said, or to be acknowledged, that nothing should be added that can be left unsaid.
  bool congested() const;
  void send_commands(Commands& commands);
  void send_command(abi::Command command);
  /// Packets that are due, of all channels.
  void pump(Now now);
  void schedule_renegotiation(Now now);
  /// No renegotiation any more (session is ending).
  void stop_renegotiating() {
    renegotiate_at_.reset();
    must_rekey_by_.reset();
  }
  Negotiation* first_negotiation() { return done_ ? done_.get() : pending_.get(); }
  Negotiation* find(uint8_t key_id);
  bool has_channel() const { return done_ || pending_; }
  uint8_t newest_key_id() const { return newest_key_id_; }
  WrapProgress wrap_progress() const { return dynamic_wrap_ ? dynamic_wrap_->progress() : wrap_.progress(); }

  Side side_;
  Engine& engine_;
  const CommonSettings& settings_;  // of the engine; a reload changes it in place
  abi::SessionRef ref_;
  Path path_;
  Ids ids_;
  Wrap wrap_;
  std::optional<Wrap> dynamic_wrap_;
  std::optional<StaticKey> wrap_key_;  ///< static-key block the first negotiation is wrapped with (tls-auth, tls-crypt)
  std::optional<StaticKey> dynamic_key_;
  KeyRing ring_;
  Agreement agreement_;
  std::chrono::sys_seconds connected_since_{};
  uint64_t renegotiations_ = 0;

 private:
  Wrap& wrap_for(uint8_t key_id) { return key_id > 0 && dynamic_wrap_ ? *dynamic_wrap_ : wrap_; }
  std::optional<abi::DropReason> check_opcode(wire::OpcodeByte first) const;
  Negotiation* answer_soft_reset(uint8_t key_id, Now now);
  Negotiation& begin(const Channel::Settings& settings, Now now);
  void advance(Now now);
  void advance_one(Negotiation& negotiation, Now now);
  void read_records(Negotiation& negotiation, Now now);
  void finish_if_done(Now now);
  void fail_pending(EndReason reason, std::string text, Now now);
  void pump_channel(Negotiation& negotiation, Now now);
  void write_messages();
  Negotiation* speaking_channel() const;
  std::chrono::nanoseconds switch_delay() const;
  /// Until a control packet that nobody acknowledged is sent again for the first time.
  std::chrono::nanoseconds resend_after() const;
  int64_t random_below(int64_t limit);

  std::unique_ptr<Negotiation> done_;
  std::unique_ptr<Negotiation> pending_;
  uint8_t newest_key_id_ = 0;     // of the newest finished negotiation
  uint8_t attempted_key_id_ = 0;  // of the newest one that the peer may have finished: our key message went out
  bool ever_finished_ = false;
  std::optional<MonoTime> renegotiate_at_;
  std::optional<MonoTime> answered_at_;  // the last soft reset of the peer that we answered
  bool renegotiation_wanted_ = false;
  std::optional<MonoTime> must_rekey_by_;  // after a failed renegotiation: when the running key's time is over
  std::vector<std::vector<uint8_t>> to_say_;
};

}  // namespace culvert::openvpn
