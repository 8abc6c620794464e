#include "tests/sim/handmade_client.h"

#include <algorithm>
#include <utility>

#include "control/openvpn/key_method2.h"
#include "control/openvpn/negotiate.h"

namespace culvert::sim {

using Opcode = culvert::wire::Opcode;

HandmadeClient::HandmadeClient(World& world, openvpn::ClientSettings settings, const abi::Endpoint& address)
    : world_(world), settings_(std::move(settings)), address_(address) {
  world_.random.fill(id_);
}

void HandmadeClient::begin() {
  tls_ = settings_.tls->open(world_.clock.now().wall);
  tls_->start();
  begin_with(tls_->drain(1000));
}

void HandmadeClient::begin_with(const Bytes& payload) {
  send(craft(Opcode::kHardResetClientV2, 0, id_, {}, {}, 0, {}));
  listen();
  send(craft(Opcode::kControl, 0, id_, take_owed(1), server_, next_id_++, payload));
}

void HandmadeClient::connect() {
  shake_hands();
  say(key_message());
}

void HandmadeClient::shake_hands() {
  begin();
  acknowledge();
  write();
}

Bytes HandmadeClient::key_message() const {
  openvpn::KeyMethod2 own;
  own.source = openvpn::KeySource::make(world_.random, openvpn::Side::kClient);
  own.options = openvpn::options_string(settings_, false, address_, "");
  own.peer_info = openvpn::client_peer_info(settings_, 0);
  return *openvpn::write_key_method2(own, openvpn::Side::kClient);
}

void HandmadeClient::say(const Bytes& record) {
  tls_->write(record);
  write();
}

void HandmadeClient::write() {
  while (tls_->has_output()) {
    listen();
    const std::vector<uint32_t> acks = acknowledging ? take_owed(4) : std::vector<uint32_t>();
    last_ = craft(Opcode::kControl, 0, id_, acks, server_, next_id_++, tls_->drain(1000));
    send(last_);
    if (acknowledging) acknowledge();
  }
}

void HandmadeClient::acknowledge() {
  for (listen(); !owed_.empty(); listen()) send(craft(Opcode::kAck, 0, id_, take_owed(8), server_, 0, {}));
}

std::vector<uint32_t> HandmadeClient::take_owed(size_t most) {
  std::vector<uint32_t> some;
  while (!owed_.empty() && some.size() < most) some.push_back(owed_.extract(owed_.begin()).value());
  return some;
}

void HandmadeClient::listen() {
  for (; read_ < world_.server_sent.size(); ++read_) {
    const auto& [to, bytes] = world_.server_sent[read_];
    auto first = culvert::wire::read_opcode(bytes);
    if (to != address_ || !first || first->opcode == Opcode::kAck) continue;
    std::copy_n(bytes.begin() + 1, server_.size(), server_.begin());
    auto packet = openvpn::parse_control(first->opcode, std::span(bytes).subspan(1 + server_.size()));
    if (!packet) continue;
    owed_.insert(packet->id);
    if (packet->id >= taken_) arrived_.emplace(packet->id, Bytes(packet->payload.begin(), packet->payload.end()));
  }
  for (auto next = arrived_.find(taken_); next != arrived_.end(); next = arrived_.find(++taken_)) {
    if (tls_ && !next->second.empty()) tls_->feed(next->second);
    arrived_.erase(next);
  }
}

size_t HandmadeClient::heard(openvpn::MessageKind kind) {
  listen();
  for (Bytes record = tls_->read(); !record.empty(); record = tls_->read()) {
    if (!std::exchange(key_message_read_, true)) continue;
    for (const openvpn::ControlMessage& message : openvpn::parse_messages(record)) heard_.push_back(message);
  }
  return static_cast<size_t>(std::ranges::count(heard_, kind, &openvpn::ControlMessage::kind));
}

}  // namespace culvert::sim
