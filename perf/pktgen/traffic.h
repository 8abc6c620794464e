// Makes bursts of packets for both ports, takes in what arrives there, and hands each packet to who it is for: the
// judge, or the clients' engines.
#pragma once

#include <rte_mempool.h>

#include <array>
#include <span>
#include <string>
#include <vector>

#include "control/io/clock.h"
#include "perf/pktgen/clients.h"
#include "perf/pktgen/judge.h"
#include "perf/pktgen/net_port.h"
#include "perf/pktgen/options.h"
#include "perf/pktgen/outer_frame.h"

namespace culvert::pktgen {

/// What Traffic works with; all of it outlives it.
struct TrafficParts {
  NetPort& outer;
  NetPort& inner;
  Clients& clients;
  Judge& judge;
  aead::Engine& engine;
  rte_mempool* packets;
};

class Traffic {
 public:
  /// Both ports know the gateway's MAC address. `gateway` is where its OpenVPN listens. With options.loopback the
  /// frames carry the addresses of what would come back.
  Traffic(const TrafficParts& parts, const Options& options, const ClientGrid& grid, const OuterEnd& gateway);

  /// The tunnels know their inner addresses by now: packets can be made.
  void prepare_packets();
  /// Inner packets have this size from now on (or kImix).
  void set_size(uint32_t size) { size_ = size; }
  /// Makes and offers up to NetPort::kBurst packets; returns how many were offered.
  uint32_t send(Way way, uint32_t count);
  /// Takes one burst from each port. True: there was something.
  bool receive();
  /// A control packet, or a keepalive.
  void send_payload(uint32_t client, std::span<const uint8_t> payload);

 private:
  uint16_t next_size();
  uint32_t fill_in(std::span<rte_mbuf*> frames);
  uint32_t fill_out(std::span<rte_mbuf*> frames);
  void take_outer(std::span<rte_mbuf*> frames, uint64_t now_tsc);
  void take_inner(std::span<rte_mbuf*> frames, uint64_t now_tsc);
  /// Sorts one frame; true: `job` is to be opened.
  bool sort_outer(rte_mbuf* frame, uint32_t& client, aead::Job& job);
  void take_opened(const aead::Job& job, uint32_t client, uint64_t now_tsc);

  TrafficParts parts_;
  ClientGrid grid_;
  OuterEnd gateway_;
  uint32_t flows_;
  bool udp_checksum_;
  Way outer_brings_;  ///< what comes out of clients' tunnels; in a loop it is what went in
  Way inner_brings_;
  Ip4 host_;
  uint32_t size_ = 64;
  uint64_t made_ = 0;                   ///< packets, for the mix of sizes
  std::array<uint32_t, kWays> turn_{};  ///< next client
  uint32_t received_ = 0;
  std::vector<std::pair<uint32_t, std::span<uint8_t>>> control_;  ///< of the burst at hand: client, payload
  std::vector<OuterTemplate> outer_;
  std::vector<InnerPackets> packets_of_;
  wire::EthernetHeader inner_ethernet_{};
};

}  // namespace culvert::pktgen
