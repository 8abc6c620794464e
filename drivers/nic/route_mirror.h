// The kernel's routes and neighbours, turned into prefixes and next hops for the forwarding table. No netlink in it:
// what the kernel says comes as calls.
//
// Rules:
// - A packet takes the fast path only where the kernel's answer is plain: to an address of ours, into the TUN, or to a
//   neighbour behind a NIC whose MAC address the kernel knows. All else is kHopKernel: the kernel resolves, forwards,
//   refuses or answers.
// - A network that is directly connected is kHopKernel; each neighbour known in it has a host entry of its own.
// - Several routes to one prefix: the local table first, then the lowest metric (ip-route(8)).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "drivers/nic/route_sink.h"

namespace culvert::drivers {

/// One route as the kernel has it.
struct KernelRoute {
  enum class Type : uint8_t { kUnicast, kLocal, kOther };
  IpPrefix prefix;
  Type type = Type::kUnicast;
  bool is_local_table = false;
  uint32_t metric = 0;
  int interface = 0;       ///< of the next hop; 0: none
  abi::IpAddress gateway;  ///< family kNone: directly connected

  /// Would the kernel let `other` take this one's place (ip route replace)?
  bool competes(const KernelRoute& other) const {
    return prefix == other.prefix && is_local_table == other.is_local_table && metric == other.metric;
  }
  friend bool operator==(const KernelRoute&, const KernelRoute&) = default;
};

class RouteMirror {
 public:
  /// `sink` outlives the mirror.
  explicit RouteMirror(RouteSink& sink) : sink_(sink) {}

  /// Interface `index` of the kernel is the twin of `nic`. Before routes.
  void add_nic(int index, uint8_t nic);
  /// The twin at `index` was deleted, and is made again as `next`, which the mirror may have heard of already.
  void replace_nic(int index, int next);
  /// Interface of the TUN; 0: none. It may change at any time.
  void set_tun(int index);

  /// `replaces`: routes that compete with it are gone (NLM_F_REPLACE).
  void add_route(const KernelRoute& route, bool replaces);
  void remove_route(const KernelRoute& route);
  /// An address that the kernel would send to now. `stale`: it would check it first.
  void set_neighbour(int interface, const abi::IpAddress& address, const wire::MacAddress& mac, bool stale);
  void remove_neighbour(int interface, const abi::IpAddress& address);

  /// The kernel sends to `address` from now on, whatever its routes are: it knows more of the path. At most
  /// kMaxDetours at a time: one more takes the place of the one that ends first. (Routers say it again, forgers can
  /// say a lot.)
  void add_detour(const abi::IpAddress& address, uint64_t until_ns);
  /// Ends those whose time is over. `now_ns`: CLOCK_MONOTONIC.
  void end_detours(uint64_t now_ns);
  static constexpr size_t kMaxDetours = 1024;

  /// Everything the kernel has follows; what is not said again until end_dump() is gone.
  void begin_dump();
  void end_dump();

  struct Neighbour {
    int interface;
    abi::IpAddress address;
    friend auto operator<=>(const Neighbour&, const Neighbour&) = default;
  };
  /// Neighbours that are in use and that the kernel has not heard of for a while: it should be asked to check them.
  std::vector<Neighbour> to_probe();

  size_t routes() const { return installed_.size(); }
  size_t neighbours() const { return neighbours_.size(); }
  /// Routes that found no room: while there are some, the family's packets all take the kernel's way.
  bool is_full() const { return !refused_.empty(); }
  /// Tries them again, if others have gone since the last call. Now and then: it goes through all of them.
  void try_refused();

 private:
  struct Known {
    KernelRoute route;
    uint32_t seen;  ///< dump in which it was said last
  };
  struct Resolved {
    wire::MacAddress mac;
    bool stale;
    uint32_t seen;
  };
  struct Hop {
    uint16_t number;
    uint32_t users;
  };

  /// What a prefix leads to: a number, or a neighbour.
  struct Target {
    uint16_t hop = kHopKernel;
    std::optional<Neighbour> through;
    friend bool operator==(const Target&, const Target&) = default;
  };

  const KernelRoute* best(const IpPrefix& prefix) const;
  const KernelRoute* covering(const abi::IpAddress& address) const;
  Target target_of(const KernelRoute& route) const;
  std::optional<Target> wanted(const IpPrefix& prefix) const;
  void refresh(const IpPrefix& prefix);
  void refresh_with_hosts(const IpPrefix& prefix);
  void refresh_all();
  uint16_t use_hop(const Neighbour& neighbour);
  void release_hop(const Neighbour& neighbour);
  void point(const Neighbour& neighbour);

  RouteSink& sink_;
  std::map<int, uint8_t> nics_;
  int tun_ = 0;
  uint32_t dump_ = 0;
  std::map<IpPrefix, std::vector<Known>> routes_;
  std::map<Neighbour, Resolved> neighbours_;
  std::map<Neighbour, Hop> hops_;
  std::vector<uint16_t> free_hops_;
  uint16_t next_hop_ = kFirstNeighbourHop;
  std::map<IpPrefix, Target> installed_;
  std::set<IpPrefix> refused_;
  bool has_freed_ = false;                ///< an entry was removed since try_refused()
  std::map<IpPrefix, uint64_t> detours_;  ///< hosts, with the time of their end
};

}  // namespace culvert::drivers
