// The control channel of one key-id: a TLS stream carried by numbered, acknowledged packets. Knows nothing of wrapping,
// addresses or what is said inside TLS.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "control/crypto/tls.h"
#include "control/now.h"
#include "control/openvpn/control_packet.h"
#include "control/openvpn/reliable.h"
#include "control/openvpn/wrap.h"
#include "dataplane/abi/counters.h"

namespace culvert::openvpn {

/// How much may wait for a peer's acknowledgements before nothing more is said to it that can be left unsaid, and (by a
/// server) nothing more is read: whatever it says may have an answer, of TLS as well (RFC 8446, section 4.6.3: each
/// KeyUpdate may ask for one).
inline constexpr size_t kMostUnsent = 64 * 1024;

class Channel {
 public:
  struct Settings {
    Side side = Side::kServer;
    uint8_t key_id = 0;
    std::chrono::nanoseconds tls_timeout{};
    /// The first packet of each side was exchanged without state (stateless cookie): both count from 1.
    bool resets_done = false;
    wire::Opcode reset{};  ///< our first packet otherwise
  };
  /// One packet ready to be wrapped.
  struct Packet {
    wire::Opcode opcode{};
    std::vector<uint8_t> plaintext;
    bool retransmission = false;
  };
  enum class Progress : uint8_t { kWaiting, kEstablished, kFailed };

  Channel(const Settings& settings, std::unique_ptr<crypto::TlsStream> tls, MonoTime now);

  /// Takes in a packet of the peer whose wrapping was right. Returns why it was dropped, or nothing. `own` is our
  /// session ID.
  std::optional<abi::DropReason> receive(wire::Opcode opcode, std::span<const uint8_t> plaintext,
                                         const wire::SessionId& own);
  /// Cuts TLS output into packets of at most `max_payload` bytes and queues as many as the window takes. On the first
  /// of them that carries the client's wrapped key (see resend_client_key) `wrapped_key_size` bytes less.
  void fill(size_t max_payload, size_t wrapped_key_size, MonoTime now);
  /// The next packet to send now; nothing when none is due. `peer` is the peer's session ID.
  std::optional<Packet> next_packet(const wire::SessionId& peer, MonoTime now);
  std::optional<MonoTime> next_deadline() const;

  uint8_t key_id() const { return settings_.key_id; }
  Progress progress() const;
  crypto::TlsStream& tls() { return *tls_; }
  const crypto::TlsStream& tls() const { return *tls_; }

  /// What is written to TLS by now ends here: mark_delivered() tells when the peer has all of it.
  void mark() { mark_ = Mark::kWritten; }
  bool mark_delivered() const { return mark_ == Mark::kQueued && sends_.delivered_before(mark_id_); }
  /// All that we said has reached the peer.
  bool all_delivered() const { return sends_.empty() && !tls_->has_output(); }
  /// The peer leaves too much of what we said unacknowledged.
  bool congested() const { return tls_->output_size() > kMostUnsent; }
  /// The peer is known to have got our acknowledgement of all it sent. (Stock peers take a key into use only then.)
  bool acknowledgements_delivered() const { return unconfirmed_.empty(); }
  /// The peer's first packet (reset) has come in.
  bool heard_reset() const { return received_.next_id() > 0; }
  /// The server asked for the wrapped client key in the next packet.
  bool resend_client_key() const { return resend_client_key_; }
  /// Packets that were malformed inside the wrap and yet acknowledged.
  bool broken() const { return broken_; }

 private:
  enum class Mark : uint8_t { kNone, kWritten, kQueued };
  void take_acknowledgements(const ControlPacket& packet);
  void deliver();

  Settings settings_;
  std::unique_ptr<crypto::TlsStream> tls_;
  SendQueue sends_;
  ReceiveQueue received_;
  AckQueue acks_;
  std::vector<uint32_t>
      unconfirmed_;  // received ids of which the peer may not know that we have them; bounded by its window
  Mark mark_ = Mark::kNone;
  uint32_t mark_id_ = 0;  // first packet-id after the mark
  bool tls_started_ = false;
  bool resend_client_key_ = false;
  bool broken_ = false;
};

}  // namespace culvert::openvpn
