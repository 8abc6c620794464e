// The data-channel keys of one session, and when each is installed, sent with, and removed, so that a rekey loses no
// packet:
//
//   receive   a key is installed before the packet goes out that lets the peer know we have it
//   send      a key is sent with only when the peer is known to have it: its first packet under the key (kKeyFirstUse),
//   or
//             all of the handshake acknowledged both ways; else after the time the reference waits (ssl.c,
//             tls_select_encryption_key), and at the latest when the next negotiation begins, for then the reference
//             forgets the key before the last
//   remove    the key before goes at the end of its transition window, or when a third is installed
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "control/now.h"
#include "control/openvpn/key_schedule.h"
#include "dataplane/abi/command.h"

namespace culvert::openvpn {

/// What the ring wants the session's owner core to do, in order.
using Commands = std::vector<abi::Command>;

class KeyRing {
 public:
  struct Key {
    uint8_t id = 0;
    abi::Cipher cipher{};
    abi::KeyFormat format{};
    abi::Digest digest{};
    DataKeys keys;
  };

  /// How long the key before goes on.
  struct Overlap {
    MonoTime peer_leaves;  ///< a stock peer may send with it until then
    MonoTime dies;         ///< end of its transition window
  };
  /// A new key. The first one is sent with at once. `before`: of the key it takes over from.
  void install(Key key, const Overlap& before, Commands& out);
  /// All that we said in the negotiation of key `id` was acknowledged. `switch_at`: when to send with it if nothing
  /// tells us before that the peer has it.
  void negotiated(uint8_t id, MonoTime switch_at);
  /// The peer is known to have key `id`.
  void peer_has(uint8_t id, Commands& out);
  /// The negotiation of key `id` came to nothing after it was installed.
  void abandon(uint8_t id, Commands& out);
  /// Another negotiation begins: don't hold on to the key before the newest any longer.
  void next_negotiation(Commands& out);
  void tick(MonoTime now, Commands& out);
  std::optional<MonoTime> next_deadline() const;
  /// Puts the keys into a new dataplane. `floors`: first packet-id to send and last received, of each id; a key for
  /// which that is not known is forgotten, since its packet-ids could repeat.
  template <class FloorsOf>
  void reinstall(FloorsOf floors, MonoTime now, Commands& out);
  /// A key that reinstall() lost may still be the one that the peer sends with. A further key ends that, but not the
  /// first one, since a stock peer goes on with the key before it.
  bool peer_may_send_with_lost() const { return lost_in_use_; }
  /// State after a restart of control: ids, without the keys.
  void adopt(uint8_t current, abi::Cipher cipher, std::optional<uint8_t> previous, MonoTime switch_at,
             MonoTime previous_dies);

  std::optional<uint8_t> current() const { return current_ ? std::optional(current_->id) : std::nullopt; }
  std::optional<uint8_t> previous() const { return previous_ ? std::optional(previous_->id) : std::nullopt; }
  /// The key that the worker seals with.
  std::optional<uint8_t> sending() const { return switched_ ? current() : previous(); }
  /// Could a new dataplane be given all keys that the peer may send with? Not those from before a restart of control.
  bool known(MonoTime now) const {
    return current_ && current_->known && (!peer_may_send_with_previous(now) || previous_->known);
  }
  abi::Cipher cipher() const { return current_ ? current_->cipher : abi::Cipher{}; }

 private:
  struct Held : Key {
    bool known = true;  // false: installed before a restart of control, key bytes unknown
  };
  void start_sending(Commands& out);
  void remove_previous(Commands& out);
  /// With the newest one at first, and later with the one before again: see tls_select_encryption_key in ssl.c.
  bool peer_may_send_with_previous(MonoTime now) const { return previous_ && now < peer_leaves_previous_; }
  /// Where packet-ids of a key stand.
  struct Progress {
    uint64_t first_to_send = 1;
    uint64_t seen = 0;
  };
  static Progress at_start(const Held& key);
  /// The progress of a key that goes on in a new dataplane; nothing when it can't.
  static std::optional<Progress> going_on(const Held& key, std::optional<std::pair<uint64_t, uint64_t>> at);
  /// False when the key can't be made what it has to be.
  static bool emit_install(const Held& key, bool send_at_once, const Progress& at, Commands& out);

  std::optional<Held> current_;
  std::optional<Held> previous_;
  bool switched_ = true;  // current_ is the one sent with
  MonoTime peer_leaves_previous_{};
  bool lost_in_use_ = false;
  std::optional<MonoTime> switch_at_;  // nothing before the negotiation is through
  MonoTime previous_dies_{};
};

template <class FloorsOf>
void KeyRing::reinstall(FloorsOf floors, MonoTime now, Commands& out) {
  auto put = [&](std::optional<Held>& key, bool send) {
    if (!key) return false;
    auto at = key->known ? going_on(*key, floors(key->id)) : std::nullopt;
    bool installed = at && emit_install(*key, send, *at, out);
    if (!installed) key.reset();
    return installed;
  };
  const bool needs_previous = peer_may_send_with_previous(now);
  bool previous = put(previous_, !switched_);
  bool current = put(current_, switched_ || !previous);
  if (!previous || !current) switched_ = true;
  if (!current || (needs_previous && !previous)) lost_in_use_ = true;
}

}  // namespace culvert::openvpn
