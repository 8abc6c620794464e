// The clients: an engine each, their handshakes, and what keeps their sessions alive. No I/O: datagrams go out through
// a function, time comes in as an argument.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "control/openvpn/client.h"
#include "perf/pktgen/addresses.h"
#include "perf/pktgen/tunnel.h"

namespace culvert::pktgen {

class Clients {
 public:
  /// Takes an outer UDP payload of client `client` to the gateway.
  using Send = std::function<void(uint32_t client, std::span<const uint8_t> payload)>;

  /// `engine` and `random` outlive it. Nothing is started yet.
  Clients(openvpn::ClientSettings settings, const ClientGrid& grid, aead::Engine& engine, Random& random, Send send);

  /// Sessions without handshakes whose two directions have the same key: what is sent can be opened by its sender.
  void invent_sessions(abi::Cipher cipher);

  /// Begins handshakes so that at most kUnderWay run at once, and runs what is due for the next `most` clients.
  void service(Now now, uint32_t most);
  /// A control packet for a client.
  void receive(uint32_t client, std::span<const uint8_t> payload, Now now);
  /// An authentic data packet under `key_id` has come.
  void note_use(uint32_t client, uint8_t key_id, Now now) {
    if (members_[client].tunnel.note_use(key_id)) tell_first_use(client, key_id, now);
  }
  /// All are to say goodbye: service() does it, until gone().
  void leave() { leaving_ = true; }
  bool gone() const;

  uint32_t count() const { return static_cast<uint32_t>(members_.size()); }
  uint32_t connected() const { return connected_; }
  /// What ended a session that should not have ended, or what the generator can't do; empty: all is well.
  const std::string& trouble() const { return trouble_; }
  Tunnel& tunnel(uint32_t client) { return members_[client].tunnel; }

  static constexpr uint32_t kUnderWay = 64;

 private:
  struct Member {
    std::unique_ptr<openvpn::Client> engine;
    Tunnel tunnel;
    MonoTime next_ping{};
    bool limit_told = false;
  };

  void carry_out(uint32_t client);
  void tend(uint32_t client, Now now);
  void say_goodbyes(Now now);
  void send_data(uint32_t client, std::span<const uint8_t> text);
  void tell_first_use(uint32_t client, uint8_t key_id, Now now);
  void tell(uint32_t client, abi::EventKind kind, uint8_t key_id, Now now);
  abi::Endpoint endpoint_of(uint32_t client) const;

  openvpn::ClientSettings settings_;
  ClientGrid grid_;
  aead::Engine& engine_;
  Random& random_;
  Send send_;
  std::vector<Member> members_;
  uint32_t started_ = 0;
  uint32_t connected_ = 0;
  uint32_t turn_ = 0;  ///< the next to tend
  bool leaving_ = false;
  uint32_t left_ = 0;  ///< clients that have said goodbye
  std::string trouble_;
};

}  // namespace culvert::pktgen
