#include "control/openvpn/key_ring.h"

namespace culvert::openvpn {
namespace {

void emit_key_command(abi::CommandKind kind, uint8_t id, Commands& out) {
  abi::Command command{};
  command.kind = kind;
  command.body.key.key_id = id;
  out.push_back(command);
}

}  // namespace

void KeyRing::emit_install(const Held& key, bool send_at_once, uint32_t first_id, uint32_t floor, Commands& out) {
  abi::Command command{};
  command.kind = abi::CommandKind::kInstallKey;
  abi::InstallKey& body = command.body.install_key;
  body = {};
  body.key_id = key.id;
  body.cipher = key.cipher;
  body.format = key.format;
  body.digest = key.digest;
  body.send_at_once = send_at_once ? 1 : 0;
  body.first_packet_id = first_id;
  body.replay_floor = floor;
  body.send = key.keys.send;
  body.receive = key.keys.receive;
  out.push_back(command);
}

void KeyRing::install(Key key, MonoTime old_dies, Commands& out) {
  if (!switched_) start_sending(out);
  remove_previous(out);
  previous_ = std::move(current_);
  current_ = Held{std::move(key), true};
  switched_ = !previous_;
  switch_at_.reset();
  previous_dies_ = old_dies;
  emit_install(*current_, switched_, 1, 0, out);
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
