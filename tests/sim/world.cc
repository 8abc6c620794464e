#include "tests/sim/world.h"

namespace culvert::sim {

using namespace openvpn;

namespace {
constexpr uint16_t kServerPort = 1194;
abi::Endpoint server_endpoint() {
  return endpoint(0, kServerPort);
}
}  // namespace

SimplePeerIds::SimplePeerIds(uint32_t size) : generation_(size), out_(size) {
  for (uint32_t i = 0; i < size; ++i) free_.push_back(i);
}

std::optional<abi::SessionRef> SimplePeerIds::take(Now) {
  if (free_.empty()) return std::nullopt;
  uint32_t id = free_.front();
  free_.pop_front();
  out_[id] = true;
  ++taken_;
  return abi::SessionRef{id, ++generation_[id]};
}

void SimplePeerIds::give_back(abi::SessionRef session, Now) {
  if (session.peer_id >= out_.size() || !out_[session.peer_id] || generation_[session.peer_id] != session.generation) {
    misused_ = true;
    return;
  }
  out_[session.peer_id] = false;
  --taken_;
  free_.push_back(session.peer_id);
}

std::optional<abi::SessionRef> SimplePeerIds::take_again(abi::SessionRef session) {
  if (free_.empty() || free_.back() != session.peer_id) return std::nullopt;
  free_.pop_back();
  out_[session.peer_id] = true;
  ++taken_;
  return abi::SessionRef{session.peer_id, ++generation_[session.peer_id]};
}

abi::Endpoint endpoint(uint32_t host, uint16_t port) {
  abi::Endpoint at;
  at.address.family = abi::Family::kIpv4;
  at.address.bytes = {10, static_cast<uint8_t>(host >> 16), static_cast<uint8_t>(host >> 8),
                      static_cast<uint8_t>(host)};
  at.port = port;
  return at;
}

ServerSettings server_settings() {
  static const auto tls = authority().server();
  ServerSettings settings;
  settings.name = "sim.conf";
  settings.tls = tls;
  settings.cookie_secret.fill(0x5a);
  settings.ping = std::chrono::seconds(10);
  settings.ping_restart = std::chrono::seconds(120);
  return settings;
}

ClientSettings client_settings(const std::string& name) {
  static std::map<std::string, std::shared_ptr<const crypto::TlsContext>> contexts;
  auto& tls = contexts[name];
  if (!tls) tls = authority().client(name);
  ClientSettings settings;
  settings.name = name;
  settings.tls = tls;
  settings.remote = server_endpoint();
  return settings;
}

World::World(Options options) : random(options.seed), wire(clock, random, options.weather), peer_ids(options.peer_ids) {
  server = std::make_unique<Server>(options.server, peer_ids, random);
  decide = [](Server& engine, const ConnectRequest& request, Now now) {
    ClientGrant grant;
    grant.ip4 = {10, 8, static_cast<uint8_t>(request.session.peer_id >> 8),
                 static_cast<uint8_t>(request.session.peer_id)};
    grant.ip4_gateway = {10, 8, 255, 254};
    grant.ip4_prefix = 16;
    engine.accept(request.session, grant, now);
  };
}

World::Peer& World::add_client(ClientSettings settings, uint32_t host) {
  auto peer = std::make_unique<Peer>();
  peer->address = endpoint(host, 40000);
  peer->engine = std::make_unique<Client>(std::move(settings), abi::SessionRef{0, 1}, random);
  Peer& added = *peer;
  clients[host] = std::move(peer);
  return added;
}

void World::start(Peer& peer) {
  with_client(peer, [](Client& client, Now now) { client.start(now); });
}

void World::vanish(Peer& peer) {
  std::erase_if(clients, [&](const auto& entry) { return entry.second.get() == &peer; });
}

void World::with_server(const std::function<void(Server&, Now)>& operation) {
  operation(*server, clock.now());
  carry_out_server();
  plan_server();
}

void World::with_client(Peer& peer, const std::function<void(Client&, Now)>& operation) {
  operation(*peer.engine, clock.now());
  carry_out_client(peer);
  plan_client(peer);
}

void World::server_receives(const abi::Endpoint& from, std::span<const uint8_t> bytes) {
  with_server([&](Server& engine, Now now) { engine.receive({from, server_endpoint(), 0, bytes}, now); });
}

void World::carry_out_server() {
  for (Outputs outputs = server->take_outputs(); !outputs.empty(); outputs = server->take_outputs()) {
    for (Output& output : outputs) {
      if (auto* packet = std::get_if<SendPacket>(&output)) {
        if (keep_sent) server_sent.emplace_back(packet->remote, packet->bytes);
        deliver_to_client(*packet);
      } else if (auto* command = std::get_if<SendCommand>(&output)) {
        worker.carry_out(command->command);
      } else if (auto* commit = std::get_if<CommitRecord>(&output)) {
        if (commit->record.state == abi::RecordState::kFree)
          records.erase(commit->peer_id);
        else
          records[commit->peer_id] = commit->record;
      } else if (auto* request = std::get_if<ConnectRequest>(&output)) {
        if (decide) decide(*server, *request, clock.now());
      } else if (std::holds_alternative<ChallengeResponse>(output)) {
        ++challenge_responses;
      } else if (auto* end = std::get_if<SessionEnded>(&output)) {
        ended.push_back(*end);
      } else if (auto* up = std::get_if<SessionConnected>(&output)) {
        connected.push_back(*up);
      } else if (auto* line = std::get_if<LogLine>(&output)) {
        logs.push_back(*line);
      }
    }
  }
}

void World::deliver_to_client(const SendPacket& packet) {
  wire.send(packet.bytes, [this, to = packet.remote](std::span<const uint8_t> bytes) {
    for (auto& [host, peer] : clients) {
      if (peer->address != to) continue;
      abi::Endpoint from = server_endpoint();
      from.transport = to.transport;
      with_client(*peer, [&](Client& client, Now now) { client.receive({from, to, 0, bytes}, now); });
      return;
    }
  });
}

void World::carry_out_client(Peer& peer) {
  for (Output& output : peer.engine->take_outputs()) {
    if (auto* packet = std::get_if<SendPacket>(&output)) {
      wire.send(packet->bytes,
                [this, from = peer.address](std::span<const uint8_t> bytes) { server_receives(from, bytes); });
    } else if (auto* command = std::get_if<SendCommand>(&output)) {
      peer.worker.carry_out(command->command);
    } else if (auto* end = std::get_if<SessionEnded>(&output)) {
      peer.ended.push_back(*end);
    } else if (auto* push = std::get_if<PushReceived>(&output)) {
      peer.pushed = push->options;
    } else if (auto* line = std::get_if<LogLine>(&output)) {
      logs.push_back(*line);
    }
  }
}

void World::plan_server() {
  auto deadline = server->next_deadline();
  if (!deadline || (server_planned_ && *server_planned_ <= *deadline)) return;
  server_planned_ = *deadline;
  clock.at(*deadline, [this] {
    server_planned_.reset();
    with_server([](Server& engine, Now now) { engine.tick(now); });
  });
}

void World::plan_client(Peer& peer) {
  auto deadline = peer.engine->next_deadline();
  if (!deadline || (peer.planned && *peer.planned <= *deadline)) return;
  peer.planned = *deadline;
  clock.at(*deadline, [this, address = peer.address, engine = peer.engine.get()] {
    for (auto& [host, other] : clients) {
      if (other->engine.get() != engine) continue;
      other->planned.reset();
      with_client(*other, [](Client& client, Now now) { client.tick(now); });
      return;
    }
  });
}

std::optional<uint32_t> World::peer_id_of(const Peer& peer) const {
  auto session = peer.worker.sessions().find(0);
  if (session == peer.worker.sessions().end()) return std::nullopt;
  return session->second.settings.remote_peer_id;
}

void World::exchange_data(Peer& peer) {
  auto id = peer_id_of(peer);
  if (!id) return;
  abi::Endpoint address = peer.address;
  if (auto packet = peer.worker.seal(0, peer.own_sent)) {
    ++peer.own_sent;
    wire.send({}, [this, address, packet = *packet, id = *id](auto) {
      for (auto& [host, from] : clients) {
        if (from->address != address) continue;
        std::optional<abi::Event> event;
        ++(worker.open(id, packet, &event) ? from->own_received : from->own_undecryptable);
        if (event) with_server([&](Server& engine, Now now) { engine.on_event(*event, now); });
        return;
      }
    });
  }
  if (auto packet = worker.seal(*id, peer.sent)) {
    ++peer.sent;
    wire.send({}, [this, address, packet = *packet](auto) {
      for (auto& [host, to] : clients) {
        if (to->address != address) continue;
        std::optional<abi::Event> event;
        ++(to->worker.open(0, packet, &event) ? to->received : to->undecryptable);
        if (event) with_client(*to, [&](Client& client, Now now) { client.on_event(*event, now); });
        return;
      }
    });
  }
}

bool World::run_until(const std::function<bool()>& condition, std::chrono::nanoseconds limit) {
  MonoTime end = clock.now().mono + limit;
  while (!condition()) {
    if (clock.now().mono >= end) return false;
    clock.run_for(std::chrono::milliseconds(10));
  }
  return true;
}

}  // namespace culvert::sim
