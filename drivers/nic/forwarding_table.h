// Longest-prefix match of the kernel's routes for the workers (rte_fib, rte_fib6). The main thread writes, any number
// of workers read, without a lock: a look-up gives a number, the number an atomic word.
//
// rte_fib may hand a freed group of 256 long prefixes to another network while a look-up stands between its two loads;
// that one packet can then take a next hop that is some microseconds too new. Next hops themselves are never torn.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <span>
#include <vector>

#include "dataplane/abi/result.h"
#include "drivers/nic/ip_prefix.h"
#include "drivers/nic/next_hop.h"
#include "drivers/nic/route_sink.h"

struct rte_fib;
struct rte_fib6;

namespace culvert::drivers {

class ForwardingTable final : public RouteSink {
 public:
  static constexpr uint32_t kMaxRoutes = 1 << 17;  ///< of each family, as many as rte_fib gets nodes for
  static constexpr size_t kBurst = 64;

  /// Link-local addresses are the kernel's, whatever routes there are. Takes some 100 MB of DPDK memory. `max_routes`:
  /// of each family. Error: not enough memory.
  static Result<std::unique_ptr<ForwardingTable>> make(const std::string& name, uint32_t max_routes = kMaxRoutes);
  ~ForwardingTable() override;
  ForwardingTable(const ForwardingTable&) = delete;
  ForwardingTable& operator=(const ForwardingTable&) = delete;

  // Main thread.

  bool set_route(const IpPrefix& prefix, uint16_t hop) override;
  void remove_route(const IpPrefix& prefix) override;
  void set_next_hop(uint16_t hop, NextHop to) override;
  void set_complete(bool complete) override { complete_.store(complete, std::memory_order_relaxed); }
  bool take_used(uint16_t hop) override;
  /// MTU of the TUN in bytes: larger packets for it are the kernel's, which answers them.
  void set_tun_mtu(uint32_t mtu) { tun_mtu_.store(mtu, std::memory_order_relaxed); }

  // Workers.

  /// `version` 4 or 6, `addresses`: each points to 4 or 16 bytes. At most kBurst.
  void look_up(uint8_t version, std::span<const uint8_t* const> addresses, NextHop* hops) const;
  NextHop look_up(uint8_t version, const uint8_t* address) const;
  uint32_t tun_mtu() const { return tun_mtu_.load(std::memory_order_relaxed); }

 private:
  ForwardingTable() = default;
  NextHop at(uint64_t hop) const;

  rte_fib* ip4_ = nullptr;
  rte_fib6* ip6_ = nullptr;
  std::vector<std::atomic<uint64_t>> hops_ = std::vector<std::atomic<uint64_t>>(kMaxHops);
  /// Set by workers when they send through it, taken back by the main thread: who is in use is worth probing.
  mutable std::vector<std::atomic<uint8_t>> used_ = std::vector<std::atomic<uint8_t>>(kMaxHops);
  std::atomic<uint32_t> tun_mtu_{1500};
  std::atomic<bool> complete_{true};
};

}  // namespace culvert::drivers
