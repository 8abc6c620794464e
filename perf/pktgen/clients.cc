#include "perf/pktgen/clients.h"

#include <algorithm>
#include <cstring>

#include "control/io/secrets.h"
#include "dataplane/session/key_limits.h"

namespace culvert::pktgen {
namespace {

/// The session that an engine's commands and events name. Each engine's are kept apart, so that all may be the same.
constexpr abi::SessionRef kOnly{0, 1};
constexpr uint32_t kGoodbyesAtOnce = 8;

}  // namespace

Clients::Clients(openvpn::ClientSettings settings, const ClientGrid& grid, aead::Engine& engine, Random& random,
                 Send send)
    : settings_(std::move(settings)),
      grid_(grid),
      engine_(engine),
      random_(random),
      send_(std::move(send)),
      members_(grid.clients) {}

void Clients::invent_sessions(abi::Cipher cipher) {
  for (uint32_t client = 0; client < count(); ++client) {
    abi::Command command{};
    command.kind = abi::CommandKind::kInstallSession;
    command.body.install_session = {};
    command.body.install_session.format = abi::DataFormat::kV2;
    command.body.install_session.remote_peer_id = client;
    uint32_t inner = 0x0A080000 + 2 + client;  // 10.8.0.2 …
    command.body.install_session.ip4 = to_ip4(inner);
    (void)members_[client].tunnel.carry_out(command, engine_);
    command.kind = abi::CommandKind::kInstallKey;
    command.body.install_key = {};
    abi::InstallKey& key = command.body.install_key;
    key.cipher = cipher;
    key.send_at_once = 1;
    key.first_packet_id = 1;
    random_.fill(key.send.key);
    random_.fill(key.send.implicit_iv);
    key.receive = key.send;
    (void)members_[client].tunnel.carry_out(command, engine_);
  }
  started_ = connected_ = count();
}

abi::Endpoint Clients::endpoint_of(uint32_t client) const {
  OuterEnd end = grid_.end_of(client);
  abi::Endpoint made;
  made.address = abi::IpAddress{{}, abi::Family::kIpv4};
  Ip4 bytes = to_ip4(end.address);
  std::copy(bytes.begin(), bytes.end(), made.address.bytes.begin());
  made.port = end.port;
  return made;
}

void Clients::service(Now now, uint32_t most) {
  while (!leaving_ && trouble_.empty() && started_ < count() && started_ - connected_ < kUnderWay) {
    uint32_t client = started_++;
    members_[client].engine = std::make_unique<openvpn::Client>(settings_, kOnly, random_);
    members_[client].engine->start(now);
    carry_out(client);
  }
  if (leaving_) say_goodbyes(now);
  most = std::min(most, started_);
  for (uint32_t i = 0; i < most; ++i) {
    turn_ = turn_ + 1 < started_ ? turn_ + 1 : 0;
    tend(turn_, now);
  }
}

void Clients::tend(uint32_t client, Now now) {
  Member& member = members_[client];
  if (!member.engine) return;
  if (auto deadline = member.engine->next_deadline(); deadline && *deadline <= now.mono) {
    member.engine->tick(now);
    carry_out(client);
  }
  if (!member.tunnel.can_send() || leaving_) return;
  if (uint16_t interval = member.tunnel.ping_interval(); interval > 0 && now.mono >= member.next_ping) {
    // Whether other packets went out meanwhile does not matter: it is one more in each interval.
    if (member.next_ping != MonoTime{}) send_data(client, wire::kPingMagic);
    member.next_ping = now.mono + std::chrono::seconds(interval);
  }
  if (member.tunnel.next_id() > session::kNearPacketId) {
    if (!member.limit_told) tell(client, abi::EventKind::kKeyNearLimit, member.tunnel.sending_key_id(), now);
    member.limit_told = true;
  } else {
    member.limit_told = false;
  }
}

void Clients::receive(uint32_t client, std::span<const uint8_t> payload, Now now) {
  Member& member = members_[client];
  if (!member.engine) return;
  member.engine->receive({settings_.remote, endpoint_of(client), 0, payload}, now);
  carry_out(client);
}

void Clients::carry_out(uint32_t client) {
  Member& member = members_[client];
  for (openvpn::Output& output : member.engine->take_outputs()) {
    if (auto* packet = std::get_if<openvpn::SendPacket>(&output)) {
      send_(client, packet->bytes);
    } else if (auto* command = std::get_if<openvpn::SendCommand>(&output)) {
      Status done = member.tunnel.carry_out(command->command, engine_);
      io::wipe_if_secret(command->command);
      if (!done && trouble_.empty()) trouble_ = done.error();
    } else if (std::get_if<openvpn::SessionConnected>(&output)) {
      ++connected_;
    } else if (auto* end = std::get_if<openvpn::SessionEnded>(&output)) {
      connected_ -= end->was_connected ? 1 : 0;
      if (!leaving_ && trouble_.empty()) trouble_ = "client " + std::to_string(client) + ": " + end->text;
    }
  }
}

void Clients::send_data(uint32_t client, std::span<const uint8_t> text) {
  std::array<uint8_t, 64> packet;
  std::copy(text.begin(), text.end(), packet.begin() + kTunnelHeader);
  aead::Job job = members_[client].tunnel.seal_job(packet.data(), static_cast<uint32_t>(text.size()));
  engine_.seal({&job, 1});
  send_(client, std::span(packet).first(kTunnelHeader + text.size()));
}

void Clients::tell_first_use(uint32_t client, uint8_t key_id, Now now) {
  tell(client, abi::EventKind::kKeyFirstUse, key_id, now);
}

void Clients::tell(uint32_t client, abi::EventKind kind, uint8_t key_id, Now now) {
  if (!members_[client].engine) return;
  abi::Event event{};
  event.kind = kind;
  event.key_id = key_id;
  event.session = kOnly;
  members_[client].engine->on_event(event, now);
  carry_out(client);
}

/// A few at a time: a gateway's control process has to answer each.
void Clients::say_goodbyes(Now now) {
  for (uint32_t i = 0; i < kGoodbyesAtOnce && left_ < started_; ++i, ++left_) {
    if (!members_[left_].engine) continue;
    members_[left_].engine->exit(now);
    carry_out(left_);
  }
}

bool Clients::gone() const {
  return left_ == started_ && std::ranges::all_of(members_, [](const Member& member) {
           return !member.engine || !member.engine->next_deadline();
         });
}

}  // namespace culvert::pktgen
