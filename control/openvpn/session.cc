#include "control/openvpn/session.h"

#include <algorithm>

#include "control/openvpn/tls_crypt_v2.h"

namespace culvert::openvpn {

using abi::DropReason;
using wire::Opcode;

namespace {

/// A peer that asks for new keys more often waits: each handshake costs us signatures. Its retransmission gets in.
constexpr std::chrono::milliseconds kBetweenSoftResets{1000};

/// Earlier of two deadlines of which either may be missing.
std::optional<MonoTime> earlier(std::optional<MonoTime> a, std::optional<MonoTime> b) {
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

}  // namespace

Session::Session(Side side, Engine& engine, const CommonSettings& settings, abi::SessionRef ref, const Path& path,
                 const Ids& ids, Wrap wrap, const StaticKey* wrap_key)
    : side_(side), engine_(engine), settings_(settings), ref_(ref), path_(path), ids_(ids), wrap_(std::move(wrap)) {
  if (wrap_key) wrap_key_ = *wrap_key;
}

Session::~Session() {
  if (wrap_key_) crypto::wipe(*wrap_key_);
  if (dynamic_key_) crypto::wipe(*dynamic_key_);
}

std::optional<DropReason> Session::check_opcode(wire::OpcodeByte first) const {
  bool first_key = first.key_id == 0;
  switch (first.opcode) {
    case Opcode::kControl:
    case Opcode::kAck:
      return std::nullopt;
    case Opcode::kSoftReset:
      return first_key ? std::optional(DropReason::control_wrong_key_id) : std::nullopt;
    case Opcode::kHardResetServerV2:
      if (side_ == Side::kClient && first_key) return std::nullopt;
      break;
    case Opcode::kHardResetClientV2:
    case Opcode::kHardResetClientV3:
    case Opcode::kControlWkc:
      if (side_ == Side::kServer && first_key) return std::nullopt;
      break;
    default:
      break;
  }
  return DropReason::control_unexpected_opcode;
}

std::optional<DropReason> Session::receive(const Datagram& datagram, Now now) {
  auto first = wire::read_opcode(datagram.bytes);
  if (!first) return DropReason::control_malformed;
  if (auto reason = check_opcode(*first)) return reason;
  std::span<const uint8_t> packet = datagram.bytes;
  if (packet.size() < 1 + wire::kSessionIdSize) return DropReason::control_malformed;
  // Before the wrap is opened: others who hold the same wrap key must not move our replay window.
  bool ours = std::equal(ids_.remote.begin(), ids_.remote.end(), packet.begin() + 1);
  if (!ours && ids_.remote != wire::SessionId{}) return DropReason::control_wrong_session_id;
  if (first->opcode == Opcode::kHardResetClientV3 || first->opcode == Opcode::kControlWkc) {
    // Ends with the wrapped client key, which is known by now.
    if (settings_.wrap.kind != WrapKind::kTlsCryptV2) return DropReason::control_unexpected_opcode;
    auto split = split_wrapped_key(packet);
    if (!split) return DropReason::control_bad_client_key;
    packet = split->packet;
  }
  OpenResult opened = wrap_for(first->key_id).unwrap(packet, now);
  if (auto* reason = std::get_if<DropReason>(&opened)) return *reason;
  const OpenedPacket& plain = std::get<OpenedPacket>(opened);
  if (ids_.remote == wire::SessionId{} && first->opcode == Opcode::kHardResetServerV2) {
    // The client learns the server's session ID from its first packet, which must answer ours.
    auto reset = parse_control(first->opcode, plain.payload);
    if (!reset) return DropReason::control_malformed;
    if (!reset->acks.count || reset->acked_session != ids_.local) return DropReason::control_wrong_session_id;
    ids_.remote = plain.header.session_id;
  }
  if (plain.header.session_id != ids_.remote) return DropReason::control_wrong_session_id;
  Negotiation* negotiation = find(first->key_id);
  if (!negotiation && first->opcode == Opcode::kSoftReset) {
    // Its client repeats it, and the next control answers. What a TCP connection has taken is not repeated soon.
    if (engine_.leaving && path_.remote.transport == abi::Transport::kUdp) return DropReason::control_stopping;
    if (answered_at_ && now.mono < *answered_at_ + kBetweenSoftResets) return DropReason::control_rate_limited;
    negotiation = answer_soft_reset(first->key_id, now);
    if (negotiation) answered_at_ = now.mono;
  }
  if (!negotiation) return DropReason::control_wrong_key_id;
  auto reason = negotiation->channel.receive(first->opcode, plain.payload, ids_.local);
  advance(now);
  return reason;
}

void Session::tick(Now now) {
  Commands commands;
  ring_.tick(now.mono, commands);
  if (!commands.empty()) send_commands(commands);
  if (pending_ && now.mono >= pending_->deadline) {
    std::string text = "TLS handshake did not finish within " + std::to_string(settings_.hand_window.count()) + " s";
    fail_pending(EndReason::kHandshakeTimeout, std::move(text), now);
  }
  if (must_rekey_by_ && now.mono >= *must_rekey_by_) {
    must_rekey_by_.reset();
    on_failed(EndReason::kLimit, "no renegotiation succeeded before the key's time was over", now);
  }
  if (renegotiate_at_ && now.mono >= *renegotiate_at_) renegotiate(now);
  on_tick(now);
  advance(now);
}

std::optional<MonoTime> Session::next_deadline() const {
  std::optional<MonoTime> at = ring_.next_deadline();
  for (const Negotiation* negotiation : {done_.get(), pending_.get()})
    if (negotiation) at = earlier(at, negotiation->channel.next_deadline());
  if (pending_) at = earlier(at, pending_->deadline);
  return earlier(earlier(at, must_rekey_by_), earlier(renegotiate_at_, role_deadline()));
}

SessionInfo Session::common_info() const {
  SessionInfo info;
  info.session = ref_;
  info.connected = is_connected();
  info.remote = path_.remote;
  info.cipher = agreement_.cipher;
  info.key_id = ring_.sending().value_or(0);
  info.renegotiations = renegotiations_;
  info.connected_since = connected_since_;
  info.wrap = settings_.wrap.kind;
  info.dynamic_tls_crypt = dynamic_wrap_.has_value();
  info.tls_key_export = agreement_.tls_key_export;
  return info;
}

void Session::on_key_first_use(uint8_t key_id, Now now) {
  Commands commands;
  ring_.peer_has(key_id, commands);
  if (commands.empty()) return;
  send_commands(commands);
  on_changed();
  (void)now;
}

void Session::send_command(abi::Command command) {
  command.session = ref_;
  engine_.outputs.push_back(SendCommand{command});
}

void Session::send_commands(Commands& commands) {
  for (abi::Command& command : commands) {
    send_command(command);
    // A command may hold a key; the copy in the outputs is the caller's to wipe.
    crypto::wipe({reinterpret_cast<uint8_t*>(&command), sizeof command});
  }
  commands.clear();
}

void Session::say(std::vector<uint8_t> record) {
  to_say_.push_back(std::move(record));
}

Session::Negotiation* Session::speaking_channel() const {
  auto ready = [](const Negotiation* n) { return n && n->sent_keys && n->got_keys; };
  if (ready(pending_.get())) return pending_.get();
  // The reference listens to its newest key only, from the moment a renegotiation begins.
  if (pending_ && pending_->channel.heard_reset()) return nullptr;
  return ready(done_.get()) ? done_.get() : nullptr;
}

void Session::write_messages() {
  Negotiation* channel = to_say_.empty() ? nullptr : speaking_channel();
  if (!channel) return;
  for (auto& record : to_say_) channel->channel.tls().write(record);
  to_say_.clear();
}

bool Session::all_said() const {
  if (!to_say_.empty()) return false;
  for (const Negotiation* negotiation : {done_.get(), pending_.get()})
    if (negotiation && !negotiation->channel.all_delivered()) return false;
  return true;
}

bool Session::congested() const {
  size_t waiting = 0;
  for (const auto& record : to_say_) waiting += record.size();
  const Negotiation* channel = speaking_channel();
  return waiting > kMostUnsent || (channel && channel->channel.congested());
}

void Session::pump(Now now) {
  write_messages();
  for (Negotiation* negotiation : {done_.get(), pending_.get()})
    if (negotiation) pump_channel(*negotiation, now);
  on_changed();
}

void Session::pump_channel(Negotiation& negotiation, Now now) {
  Channel& channel = negotiation.channel;
  Wrap& wrap = wrap_for(channel.key_id());
  size_t overhead = wrap.key().overhead() + control_overhead(kMaxPiggybackAcks);
  size_t room = settings_.max_packet_size > overhead + 64 ? settings_.max_packet_size - overhead : 64;
  // Sending one lets the window move only when the peer answers, so this ends; the bound is for a clock that stands
  // still.
  for (size_t i = 0; i < 2 * kSendWindow + 2; ++i) {
    channel.fill(room, wrap.key().wrapped_client_key_size(), now.mono);
    auto packet = channel.next_packet(ids_.remote, now.mono);
    if (!packet) break;
    auto bytes = wrap.wrap({{packet->opcode, channel.key_id()}, ids_.local}, packet->plaintext, now);
    if (!bytes) break;
    if (packet->retransmission) engine_.tally.add(abi::Counter::control_retransmits);
    engine_.outputs.push_back(SendPacket{path_.remote, path_.local, path_.port, std::move(*bytes)});
  }
}

}  // namespace culvert::openvpn
