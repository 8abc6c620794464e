#include "control/openvpn/channel.h"

#include <algorithm>

#include "control/openvpn/tls_crypt_v2.h"

namespace culvert::openvpn {

using abi::DropReason;
using wire::Opcode;

Channel::Channel(const Settings& settings, std::unique_ptr<crypto::TlsStream> tls, MonoTime now)
    : settings_(settings),
      tls_(std::move(tls)),
      sends_(settings.tls_timeout, settings.resets_done ? 1 : 0),
      received_(settings.resets_done ? 1 : 0) {
  if (!settings.resets_done) sends_.push(settings.reset, {}, now);
}

std::optional<DropReason> Channel::receive(Opcode opcode, std::span<const uint8_t> plaintext,
                                           const wire::SessionId& own) {
  auto packet = parse_control(opcode, plaintext);
  if (!packet) return DropReason::control_malformed;
  if (packet->acks.count && packet->acked_session != own) return DropReason::control_wrong_session_id;
  for (uint32_t id : packet->acks.view())
    if (!id_before(id, sends_.next_id())) return DropReason::control_bad_ack;
  take_acknowledgements(*packet);
  if (opcode != Opcode::kAck) {
    // Only a server: two ends that both wait for the other to read would wait forever.
    if (settings_.side == Side::kServer && congested()) return DropReason::control_unacknowledged;
    bool reset = opcode != Opcode::kControl && opcode != Opcode::kControlWkc;
    if (reset && packet->id != 0) return DropReason::control_window;
    // What comes behind the peer's soft reset says as much as that, which may never come again: the control before us
    // acknowledged it and was killed.
    if (settings_.reset == Opcode::kSoftReset && packet->id > 0 && received_.judge(0) == Arrival::kNew)
      received_.insert(0, Opcode::kSoftReset, {});
    Arrival arrival = received_.judge(packet->id);
    if (arrival == Arrival::kOutsideWindow) return DropReason::control_window;
    acks_.add(packet->id);
    if (arrival == Arrival::kNew) {
      received_.insert(packet->id, opcode, packet->payload);
      // The peer never has more than its window under way, so it knows of all before that.
      std::erase_if(unconfirmed_, [&](uint32_t id) { return id_before(id + kReceiveWindow, packet->id); });
      unconfirmed_.push_back(packet->id);
    }
  }
  deliver();
  return std::nullopt;
}

void Channel::take_acknowledgements(const ControlPacket& packet) {
  for (uint32_t id : packet.acks.view()) {
    Outgoing delivered;
    if (sends_.acknowledge(id, &delivered) != AckOutcome::kDelivered) continue;
    for (uint32_t known : delivered.carried.view()) std::erase(unconfirmed_, known);
  }
}

void Channel::deliver() {
  while (auto packet = received_.pop()) {
    bool reset = packet->opcode != Opcode::kControl && packet->opcode != Opcode::kControlWkc;
    if (reset) {
      auto flags = parse_early_negotiation(packet->payload);
      if (!flags)
        broken_ = true;
      else if (settings_.side == Side::kClient)
        resend_client_key_ = flags->resend_wrapped_key;
    } else if (!packet->payload.empty() && tls_->status() != crypto::TlsStatus::kFailed) {
      tls_->feed(packet->payload);
    }
  }
  if (settings_.side == Side::kClient && !tls_started_ && heard_reset() && sends_.empty()) {
    tls_started_ = true;
    tls_->start();
  }
}

void Channel::fill(size_t max_payload, size_t wrapped_key_size, MonoTime now) {
  while (sends_.room() > 0 && tls_->has_output()) {
    bool with_key = resend_client_key_ && sends_.next_id() == 1;
    size_t room = max_payload;
    if (with_key) room = max_payload > wrapped_key_size + 16 ? max_payload - wrapped_key_size : 16;
    std::vector<uint8_t> piece = tls_->drain(room);
    if (piece.empty()) break;
    sends_.push(with_key ? Opcode::kControlWkc : Opcode::kControl, std::move(piece), now);
  }
  if (mark_ == Mark::kWritten && !tls_->has_output()) {
    mark_ = Mark::kQueued;
    mark_id_ = sends_.next_id();
  }
}

std::optional<Channel::Packet> Channel::next_packet(const wire::SessionId& peer, MonoTime now) {
  if (Outgoing* packet = sends_.due(now)) {
    AckList acks = acks_.take(kMaxPiggybackAcks);
    SendQueue::carried(*packet, acks);
    return Packet{packet->opcode, build_control(packet->opcode, acks, peer, packet->id, packet->payload),
                  packet->transmissions > 1};
  }
  if (!acks_.pending()) return std::nullopt;
  return Packet{Opcode::kAck, build_control(Opcode::kAck, acks_.take(kMaxAcks), peer, 0, {}), false};
}

std::optional<MonoTime> Channel::next_deadline() const {
  return sends_.next_deadline();
}

Channel::Progress Channel::progress() const {
  if (broken_) return Progress::kFailed;
  switch (tls_->status()) {
    case crypto::TlsStatus::kHandshaking:
      return Progress::kWaiting;
    case crypto::TlsStatus::kEstablished:
      return Progress::kEstablished;
    case crypto::TlsStatus::kFailed:
    case crypto::TlsStatus::kClosed:
      break;
  }
  return Progress::kFailed;
}

}  // namespace culvert::openvpn
