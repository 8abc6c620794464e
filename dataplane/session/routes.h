// Inner routes: longest-prefix match whose next hop is a session. What has no entry belongs to the TUN.
//
// One hash table; a look-up tries the prefix lengths that exist, longest first. Nearly all entries are the sessions'
// own addresses (/32, /128), so the first try answers. DPDK's tables (rte_fib, rte_fib6, rte_lpm6) take 64 MiB per
// family however few routes there are, which a small VM without hugepages can't spare; when a gateway carries a routing
// table, its next hops that are no sessions will live in one of those.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "dataplane/abi/endpoint.h"
#include "dataplane/session/flat_map.h"

namespace culvert::session {

/// A prefix with the bits behind its length zero: make it with make_prefix().
struct Prefix {
  uint64_t high = 0;  ///< network order as a host integer; IPv4 in the upper half of `high`
  uint64_t low = 0;
  uint32_t length = 0;
  uint32_t version = 0;  ///< 4 or 6

  friend bool operator==(const Prefix&, const Prefix&) = default;
};

/// `address`: 4 or 16 bytes, network order; `length` 0..32 or 0..128.
Prefix make_prefix(uint8_t version, const uint8_t* address, uint8_t length);

class Routes {
 public:
  static constexpr uint32_t kNone = FlatMap<Prefix>::kNone;

  explicit Routes(size_t capacity) : map_(capacity) {}
  bool ok() const { return map_.ok(); }

  /// Session of the longest prefix that covers `address` (4 or 16 bytes, by `version`), or kNone.
  uint32_t find(uint8_t version, const uint8_t* address) const;
  /// Brings the entry that find() will look at first into the cache.
  void prefetch(uint8_t version, const uint8_t* address) const;
  /// Session that has exactly this prefix, or kNone.
  uint32_t owner(const Prefix& prefix) const { return map_.find(prefix); }

  /// Adds or replaces; false when the table is full.
  bool add(const Prefix& prefix, uint32_t peer_id);
  void remove(const Prefix& prefix);
  size_t size() const { return map_.size(); }
  size_t free() const { return map_.capacity() - map_.size(); }

 private:
  /// Prefix lengths of one family that have entries.
  struct Lengths {
    std::array<uint32_t, 129> entries{};
    std::vector<uint8_t> longest_first;
  };
  Lengths& lengths(uint32_t version) { return lengths_[version == 6]; }
  const Lengths& lengths(uint32_t version) const { return lengths_[version == 6]; }

  FlatMap<Prefix> map_;
  std::array<Lengths, 2> lengths_;
};

}  // namespace culvert::session
