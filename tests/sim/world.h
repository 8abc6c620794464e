// One server engine and any number of client engines, each with the model of a worker, joined by a lossy wire. The
// world does what control does: it carries outputs out in order, and calls tick() when a deadline has passed.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "control/openvpn/client.h"
#include "control/openvpn/server.h"
#include "tests/sim/wire.h"
#include "tests/sim/worker_model.h"

namespace culvert::sim {

/// Peer-ids 0..size-1, the one freed longest ago first.
class SimplePeerIds final : public openvpn::PeerIds {
 public:
  explicit SimplePeerIds(uint32_t size);
  std::optional<abi::SessionRef> take(Now now) override;
  void give_back(abi::SessionRef session, Now now) override;
  std::optional<abi::SessionRef> take_again(abi::SessionRef session) override;
  size_t taken() const { return taken_; }
  bool misused() const { return misused_; }

 private:
  std::deque<uint32_t> free_;
  std::vector<uint32_t> generation_;
  std::vector<bool> out_;
  size_t taken_ = 0;
  bool misused_ = false;
};

openvpn::ServerSettings server_settings();
openvpn::ClientSettings client_settings(const std::string& name);
abi::Endpoint endpoint(uint32_t host, uint16_t port);

class World {
 public:
  struct Options {
    uint64_t seed = 1;
    Weather weather;
    openvpn::ServerSettings server = server_settings();
    uint32_t peer_ids = 4096;
  };
  struct Peer {
    std::unique_ptr<openvpn::Client> engine;
    abi::Endpoint address;
    WorkerModel worker;
    std::vector<openvpn::SessionEnded> ended;
    std::vector<std::string> pushed;
    std::optional<MonoTime> planned;
    uint64_t sent = 0, received = 0, undecryptable = 0;              ///< data, towards this client
    uint64_t own_sent = 0, own_received = 0, own_undecryptable = 0;  ///< data, from this client
  };

  explicit World(Options options);

  /// A client at host number `host`; not started.
  Peer& add_client(openvpn::ClientSettings settings, uint32_t host);
  void start(Peer& peer);
  /// Forgets a client without a word, as if its machine was switched off.
  void vanish(Peer& peer);
  /// A numbered data packet of each direction, if both have a key.
  void exchange_data(Peer& peer);
  /// Runs an operation on the server engine and carries out what it wants.
  void with_server(const std::function<void(openvpn::Server&, Now)>& operation);
  void with_client(Peer& peer, const std::function<void(openvpn::Client&, Now)>& operation);
  void server_receives(const abi::Endpoint& from, std::span<const uint8_t> bytes);
  /// Runs until `condition` holds; false when `limit` passed first.
  bool run_until(const std::function<bool()>& condition, std::chrono::nanoseconds limit);
  std::optional<uint32_t> peer_id_of(const Peer& peer) const;

  Clock clock;
  SeededRandom random;
  Wire wire;
  SimplePeerIds peer_ids;
  std::unique_ptr<openvpn::Server> server;
  WorkerModel worker;
  std::map<uint32_t, std::unique_ptr<Peer>> clients;  ///< by host
  std::map<uint32_t, abi::ControlRecord> records;
  std::vector<openvpn::SessionEnded> ended;
  std::vector<openvpn::SessionConnected> connected;
  std::vector<openvpn::LogLine> logs;
  size_t challenge_responses = 0;
  std::vector<std::pair<abi::Endpoint, std::vector<uint8_t>>> server_sent;  ///< kept when keep_sent
  bool keep_sent = false;
  /// Answer to a ConnectRequest; by default an address is granted.
  std::function<void(openvpn::Server&, const openvpn::ConnectRequest&, Now)> decide;

 private:
  void carry_out_server();
  void carry_out_client(Peer& peer);
  void plan_server();
  void plan_client(Peer& peer);
  void deliver_to_client(const openvpn::SendPacket& packet);

  std::optional<MonoTime> server_planned_;
};

}  // namespace culvert::sim
