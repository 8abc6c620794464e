#include "control/openvpn/key_ring.h"

#include <algorithm>

namespace culvert::openvpn {
namespace {

void emit_key_command(abi::CommandKind kind, uint8_t id, Commands& out) {
  abi::Command command{};
  command.kind = kind;
  command.body.key.key_id = id;
  out.push_back(command);
}

}  // namespace

KeyRing::Progress KeyRing::at_start(const Held& key) {
  constexpr uint64_t kEpoch1 = uint64_t{1} << abi::kEpochShift;
  return key.format == abi::KeyFormat::kEpoch ? Progress{kEpoch1 + 1, kEpoch1} : Progress{};
}

std::optional<KeyRing::Progress> KeyRing::going_on(const Held& key, std::optional<std::pair<uint64_t, uint64_t>> at) {
  if (!at) return std::nullopt;
  Progress start = at_start(key);
  Progress now{std::max(at->first, start.first_to_send), std::max(at->second, start.seen)};
  bool fits = key.format == abi::KeyFormat::kEpoch || (now.first_to_send <= UINT32_MAX && now.seen <= UINT32_MAX);
  return fits ? std::optional(now) : std::nullopt;
}

bool KeyRing::emit_install(const Held& key, bool send_at_once, const Progress& at, Commands& out) {
  abi::Command command{};
  command.kind = abi::CommandKind::kInstallKey;
  abi::InstallKey& body = command.body.install_key;
  body = {};
  body.key_id = key.id;
  body.cipher = key.cipher;
  body.format = key.format;
  body.digest = key.digest;
  body.send_at_once = send_at_once ? 1 : 0;
  body.first_packet_id = at.first_to_send;
  body.replay_floor = at.seen;
  body.send = key.keys.send;
  body.receive = key.keys.receive;
  bool whole = true;
  if (key.format == abi::KeyFormat::kEpoch)
    whole = advance_epoch(body.send.key, abi::epoch_of(at.first_to_send)) &&
            advance_epoch(body.receive.key, abi::epoch_of(at.seen));
  if (whole) out.push_back(command);
  crypto::wipe({reinterpret_cast<uint8_t*>(&command), sizeof command});
  return whole;
}

void KeyRing::install(Key key, const Overlap& before, Commands& out) {
  if (!switched_) start_sending(out);
  remove_previous(out);
  if (current_) lost_in_use_ = false;
  previous_ = std::move(current_);
  current_ = Held{std::move(key), true};
  switched_ = !previous_;
  switch_at_.reset();
  peer_leaves_previous_ = before.peer_leaves;
  previous_dies_ = before.dies;
  emit_install(*current_, switched_, at_start(*current_), out);
}

void KeyRing::negotiated(uint8_t id, MonoTime switch_at) {
  if (current_ && current_->id == id && !switched_) switch_at_ = switch_at;
}

void KeyRing::peer_has(uint8_t id, Commands& out) {
  if (current_ && current_->id == id && !switched_) start_sending(out);
}

void KeyRing::abandon(uint8_t id, Commands& out) {
  // Not once we send with it: then the peer has it, whatever became of the handshake's last packets.
  if (!current_ || current_->id != id || !previous_ || switched_) return;
  emit_key_command(abi::CommandKind::kRemoveKey, id, out);
  current_ = std::move(previous_);
  previous_.reset();
  switched_ = true;
}

void KeyRing::next_negotiation(Commands& out) {
  if (current_ && !switched_) start_sending(out);
}

void KeyRing::tick(MonoTime now, Commands& out) {
  if (!switched_ && switch_at_ && now >= *switch_at_) start_sending(out);
  if (previous_ && now >= previous_dies_) {
    if (!switched_) start_sending(out);
    remove_previous(out);
  }
}

std::optional<MonoTime> KeyRing::next_deadline() const {
  if (!previous_) return std::nullopt;
  return switched_ || !switch_at_ ? previous_dies_ : std::min(*switch_at_, previous_dies_);
}

void KeyRing::adopt(uint8_t current, abi::Cipher cipher, std::optional<uint8_t> previous, MonoTime switch_at,
                    MonoTime previous_dies) {
  auto bare = [cipher](uint8_t id) {
    Held held;
    held.id = id;
    held.cipher = cipher;
    held.known = false;
    return held;
  };
  current_ = bare(current);
  previous_.reset();
  if (previous) previous_ = bare(*previous);
  peer_leaves_previous_ = MonoTime::max();
  // The switch may have been decided before the restart or not; to say it (again) does no harm.
  switched_ = !previous_;
  switch_at_ = switch_at;
  previous_dies_ = previous_dies;
}

void KeyRing::start_sending(Commands& out) {
  switched_ = true;
  emit_key_command(abi::CommandKind::kSendWithKey, current_->id, out);
}

void KeyRing::remove_previous(Commands& out) {
  if (!previous_) return;
  emit_key_command(abi::CommandKind::kRemoveKey, previous_->id, out);
  previous_.reset();
}

}  // namespace culvert::openvpn
