// The negotiation of keys: how one begins, goes on, ends and fails.
#include <algorithm>
#include <utility>

#include "control/openvpn/session.h"

namespace culvert::openvpn {

using wire::Opcode;

namespace {

constexpr std::chrono::seconds kAgainWhenLeaving{1};
constexpr std::chrono::seconds kUsualHandWindow{60};
/// A peer that has not answered our soft reset by then sleeps, or is gone.
constexpr std::chrono::seconds kAnswerWithin{2};

}  // namespace

Session::Negotiation& Session::begin(const Channel::Settings& settings, Now now) {
  pending_ = std::make_unique<Negotiation>(settings, settings_.tls->open(now.wall), now.mono);
  pending_->deadline = now.mono + settings_.hand_window;
  pending_->own_source = KeySource::make(*engine_.random, side_);
  renegotiate_at_.reset();
  return *pending_;
}

void Session::start_first(bool resets_done, Opcode reset, Now now) {
  begin({side_, 0, resend_after(), resets_done, reset}, now);
  // A server is about to be given the packet that brought the session about: its reset carries the acknowledgement.
  if (side_ == Side::kClient) pump(now);
}

void Session::renegotiate(Now now) {
  renegotiate_at_.reset();
  if (engine_.leaving && !ring_.peer_may_send_with_lost()) {
    // The next control begins one with every session that it adopts, but does not know what is lost.
    renegotiate_at_ = now.mono + kAgainWhenLeaving;
    return;
  }
  // Its last packets may still be under way: then right after it.
  renegotiation_wanted_ = pending_ && !ever_finished_;
  if (pending_ || !is_connected()) return;
  // After a failed attempt in which the peer may have got as far as taking the key for good, the key-id behind that;
  // but never so far ahead that the peer would not follow.
  uint8_t id = following_key_id(attempted_key_id_);
  if (attempted_key_id_ != newest_key_id_ && id == following_key_id(following_key_id(following_key_id(newest_key_id_))))
    id = following_key_id(newest_key_id_);
  Commands commands;
  ring_.next_negotiation(commands);
  send_commands(commands);
  begin({side_, id, resend_after(), false, Opcode::kSoftReset}, now);
  pump(now);
}

void Session::renegotiate_by(MonoTime at) {
  renegotiate_at_ = std::min(at, renegotiate_at_.value_or(at));
}

void Session::renegotiate_soon(Now now) {
  // Spread out, so that not all peers shake hands at once, but within the operator's own limit.
  std::chrono::milliseconds spread = settings_.adoption_spread;
  if (settings_.reneg_sec.count() > 0) spread = std::min<std::chrono::milliseconds>(spread, settings_.reneg_sec);
  if (renegotiate_at_ && *renegotiate_at_ <= now.mono + spread) return;
  renegotiate_at_ = now.mono + std::chrono::milliseconds(random_below(spread.count()));
}

bool Session::negotiating(Now now) const {
  if (!pending_) return ring_.peer_may_send_with_lost();
  return pending_->channel.heard_reset() || now.mono < pending_->started + kAnswerWithin;
}

Session::Negotiation* Session::find(uint8_t key_id) {
  for (Negotiation* negotiation : {pending_.get(), done_.get()})
    if (negotiation && negotiation->channel.key_id() == key_id) return negotiation;
  return nullptr;
}

Session::Negotiation* Session::answer_soft_reset(uint8_t key_id, Now now) {
  if (!ever_finished_ || !ring_.current()) return nullptr;
  uint8_t next = following_key_id(newest_key_id_);
  bool expected = key_id == next || key_id == following_key_id(next);
  if (pending_) expected = expected && key_id == following_key_id(pending_->channel.key_id());
  if (!expected) return nullptr;
  Commands commands;
  // The peer gave up on the negotiation that we still try.
  if (pending_ && pending_->installed) ring_.abandon(pending_->channel.key_id(), commands);
  ring_.next_negotiation(commands);
  send_commands(commands);
  begin({side_, key_id, resend_after(), false, Opcode::kSoftReset}, now);
  return pending_.get();
}

void Session::advance(Now now) {
  for (Negotiation* negotiation : {done_.get(), pending_.get()})
    if (negotiation && (negotiation == done_.get() || negotiation == pending_.get())) advance_one(*negotiation, now);
  pump(now);
  finish_if_done(now);
}

void Session::advance_one(Negotiation& negotiation, Now now) {
  Channel& channel = negotiation.channel;
  if (channel.progress() == Channel::Progress::kFailed) {
    if (&negotiation != pending_.get()) return;
    pump_channel(negotiation, now);  // the alert tells the peer why
    std::string text = channel.broken() ? "peer sent a malformed reset" : channel.tls().error();
    bool closed = channel.tls().status() == crypto::TlsStatus::kClosed;
    fail_pending(EndReason::kTlsFailed, closed ? "peer closed the TLS session" : std::move(text), now);
    return;
  }
  if (channel.progress() != Channel::Progress::kEstablished) return;
  const uint8_t key_id = channel.key_id();
  if (!negotiation.sent_keys) on_established(negotiation, now);
  if (find(key_id) == &negotiation) read_records(negotiation, now);
}

void Session::read_records(Negotiation& negotiation, Now now) {
  const uint8_t key_id = negotiation.channel.key_id();
  for (;;) {
    std::vector<uint8_t> record = negotiation.channel.tls().read();
    if (record.empty()) return;
    if (!negotiation.got_keys) {
      auto message = parse_key_method2(record, side_ == Side::kServer ? Side::kClient : Side::kServer);
      crypto::wipe(record);
      if (!message) {
        if (&negotiation == pending_.get()) fail_pending(EndReason::kProtocolError, message.error(), now);
        return;
      }
      negotiation.got_keys = true;
      negotiation.peer_source = (*message).source;
      on_key_method2(negotiation, std::move(*message), now);
    } else {
      for (const ControlMessage& message : parse_messages(record)) on_message(message, now);
    }
    // What the role did may have ended this negotiation.
    if (find(key_id) != &negotiation) return;
  }
}

void Session::send_key_method2(Negotiation& negotiation, KeyMethod2 message, Now now) {
  message.source = negotiation.own_source;
  if (negotiation.installed) negotiation.own_source = {};
  auto bytes = write_key_method2(message, side_);
  negotiation.sent_keys = true;
  // Without our key message the peer can't have a key of this number: it counts on from the one before (ssl.c,
  // key_state_soft_reset), and would take another for a mistake.
  attempted_key_id_ = negotiation.channel.key_id();
  bool written = bytes && negotiation.channel.tls().write(*bytes);
  negotiation.channel.mark();
  std::string error = bytes ? "TLS refused to send the key message" : bytes.error();
  if (bytes) crypto::wipe(*bytes);
  if (!written) fail_pending(EndReason::kProtocolError, std::move(error), now);  // `negotiation` may be gone now
}

bool Session::make_dynamic_wrap(const Negotiation& negotiation) {
  if (!agreement_.dynamic_tls_crypt || dynamic_wrap_) return true;
  dynamic_key_ = derive_dynamic_tls_crypt(negotiation.channel.tls(), wrap_key_ ? &*wrap_key_ : nullptr);
  if (!dynamic_key_) return false;
  dynamic_wrap_.emplace(WrapKey::tls_crypt(*dynamic_key_, side_));
  return true;
}

bool Session::install_keys(Negotiation& negotiation) {
  std::optional<KeyBlock> block;
  if (agreement_.tls_key_export) {
    block = derive_with_exporter(negotiation.channel.tls());
  } else {
    bool server = side_ == Side::kServer;
    const KeySource& client_source = server ? negotiation.peer_source : negotiation.own_source;
    const KeySource& server_source = server ? negotiation.own_source : negotiation.peer_source;
    block = derive_with_prf(client_source, server_source, server ? ids_.remote : ids_.local,
                            server ? ids_.local : ids_.remote);
  }
  negotiation.peer_source = {};
  if (negotiation.sent_keys) negotiation.own_source = {};  // else it is still to be said
  if (!block) return false;
  KeyRing::Key key;
  key.id = negotiation.channel.key_id();
  key.cipher = agreement_.cipher;
  key.format = agreement_.key_format();
  key.digest = agreement_.digest;
  key.keys = split_key_block(*block, side_);
  Commands commands;
  // How long depends on the peer's own settings; this is what they are if nobody has changed them.
  const MonoTime peer_leaves = negotiation.started + std::max(settings_.hand_window, kUsualHandWindow);
  ring_.install(std::move(key), {peer_leaves, negotiation.started + settings_.tran_window}, commands);
  send_commands(commands);
  negotiation.installed = true;
  return true;
}

std::chrono::nanoseconds Session::resend_after() const {
  // TCP repeats by itself. What it can't repeat is a packet that found a full queue on its way into the stream.
  constexpr std::chrono::seconds kOverTcp{10};
  if (path_.remote.transport == abi::Transport::kUdp) return settings_.tls_timeout;
  return std::max<std::chrono::nanoseconds>(settings_.tls_timeout, kOverTcp);
}

std::chrono::nanoseconds Session::switch_delay() const {
  // ssl.c, auth_deferred_expire_window: how long the reference itself goes on with the key before.
  std::chrono::seconds window = settings_.hand_window;
  if (settings_.reneg_sec.count() > 0) window = std::min(window, settings_.reneg_sec / 2);
  return window;
}

void Session::finish_if_done(Now now) {
  if (pending_ && pending_->sent_keys && pending_->got_keys && pending_->channel.mark_delivered() &&
      (pending_->installed || !ever_finished_)) {
    bool again = ever_finished_;
    pending_->finished = true;
    ever_finished_ = true;
    newest_key_id_ = attempted_key_id_ = pending_->channel.key_id();
    ring_.negotiated(newest_key_id_,
                     std::max(pending_->started + switch_delay(), now.mono + 2 * settings_.tls_timeout));
    done_ = std::move(pending_);
    must_rekey_by_.reset();
    if (again) {
      ++renegotiations_;
      engine_.tally.add(abi::Counter::renegotiations);
    }
    if (is_connected()) schedule_renegotiation(now);
    // The peer leaves the key before the newest as soon as another negotiation begins (ssl.c, key_state_soft_reset).
    if (std::exchange(renegotiation_wanted_, false) || ring_.peer_may_send_with_lost()) renegotiate_at_ = now.mono;
    on_changed();
  }
  // A stock server takes a key into use when it has our acknowledgement of its message, which nothing tells us; so as a
  // client we wait for its first packet under the key.
  if (side_ == Side::kServer && done_ && done_->installed && done_->channel.mark_delivered() &&
      done_->channel.acknowledgements_delivered()) {
    Commands commands;
    ring_.peer_has(done_->channel.key_id(), commands);
    if (!commands.empty()) {
      send_commands(commands);
      on_changed();
    }
  }
}

void Session::fail_pending(EndReason reason, std::string text, Now now) {
  if (!ever_finished_ || !is_connected()) {
    pending_->deadline = MonoTime::max();
    on_failed(reason, std::move(text), now);
    return;
  }
  engine_.outputs.push_back(LogLine{LogLevel::kWarning, path_.remote,
                                    "renegotiation failed, the running key stays until its time is over: " + text});
  Commands commands;
  if (pending_->installed) ring_.abandon(pending_->channel.key_id(), commands);
  send_commands(commands);
  if (!must_rekey_by_) must_rekey_by_ = pending_->started + settings_.tran_window;
  pending_.reset();
  renegotiate_at_ = now.mono + settings_.hand_window / 2;
}

void Session::schedule_renegotiation(Now now) {
  renegotiate_at_.reset();
  if (settings_.reneg_sec.count() <= 0) return;
  auto longest = std::chrono::duration_cast<std::chrono::milliseconds>(settings_.reneg_sec).count();
  auto shortest = std::chrono::duration_cast<std::chrono::milliseconds>(settings_.reneg_sec_min).count();
  if (shortest <= 0) shortest = side_ == Side::kServer ? longest * 9 / 10 : longest;
  shortest = std::min(shortest, longest);
  renegotiate_at_ = now.mono + std::chrono::milliseconds(shortest + random_below(longest - shortest));
}

int64_t Session::random_below(int64_t limit) {
  std::array<uint8_t, 4> random{};
  engine_.random->fill(random);
  uint32_t draw = uint32_t{random[0]} << 24 | uint32_t{random[1]} << 16 | uint32_t{random[2]} << 8 | random[3];
  return static_cast<int64_t>(static_cast<double>(limit) * draw / 0x1p32);
}

void Session::adopt_keys(uint8_t current, std::optional<uint8_t> previous, abi::Cipher cipher, Now now) {
  newest_key_id_ = attempted_key_id_ = current;
  ever_finished_ = true;
  ring_.adopt(current, cipher, previous, now.mono + switch_delay(), now.mono + settings_.tran_window);
  // Messages (EXIT, our goodbye) need a TLS channel, and the old one went with the process that held it.
  renegotiate_soon(now);
}

}  // namespace culvert::openvpn
