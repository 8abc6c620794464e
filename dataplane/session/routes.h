// Inner routes: longest-prefix match whose next hop is a session. What has no entry belongs to the TUN.
//
// One hash table; a look-up tries the prefix lengths that exist, longest first. Nearly all entries are the sessions'
// own addresses (/32, /128), so the first try answers. DPDK's tables (rte_fib, rte_fib6, rte_lpm6) take 64 MiB per
// family however few routes there are, which a small VM without hugepages can't spare; when a gateway carries a routing
// table, its next hops that are no sessions will live in one of those.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
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

inline Prefix whole_ip4(const uint8_t* address) {
  uint32_t word;
  std::memcpy(&word, address, sizeof word);
  return {uint64_t{__builtin_bswap32(word)} << 32, 0, 32, 4};
}
inline Prefix whole_ip6(const uint8_t* address) {
  uint64_t high, low;
  std::memcpy(&high, address, 8);
  std::memcpy(&low, address + 8, 8);
  return {__builtin_bswap64(high), __builtin_bswap64(low), 128, 6};
}

/// `address`: 4 or 16 bytes, network order; `length` 0..32 or 0..128.
Prefix make_prefix(uint8_t version, const uint8_t* address, uint8_t length);

class Routes {
 public:
  static constexpr uint32_t kNone = 0xFFFFFFFF;

  /// Room for `capacity` prefixes of each family.
  explicit Routes(size_t capacity) : ip4_(capacity), ip6_(capacity) {}
  bool ok() const { return ip4_.entries.ok() && ip6_.entries.ok(); }

  /// Session of the longest prefix that covers `address` (4 or 16 bytes, by `version`), or kNone.
  uint32_t find(uint8_t version, const uint8_t* address) const {
    return version == 4 ? ip4_.find(whole_ip4(address)) : ip6_.find(whole_ip6(address));
  }
  /// The same in two parts: first brings the entry that it will look at into the cache, and then goes on from there, if
  /// nothing was added or removed in between.
  [[gnu::always_inline]] uint32_t begin_find(uint8_t version, const uint8_t* address) const {
    return version == 4 ? ip4_.begin_find(whole_ip4(address)) : ip6_.begin_find(whole_ip6(address));
  }
  uint32_t finish_find(uint32_t begun, uint8_t version, const uint8_t* address) const {
    return version == 4 ? ip4_.finish_find(begun, whole_ip4(address)) : ip6_.finish_find(begun, whole_ip6(address));
  }
  /// Session that has exactly this prefix, or kNone.
  uint32_t owner(const Prefix& prefix) const;

  /// Adds or replaces; false when the table is full.
  bool add(const Prefix& prefix, uint32_t peer_id);
  void remove(const Prefix& prefix);
  size_t size() const { return ip4_.entries.size() + ip6_.entries.size(); }
  /// Entries that can be added in any case.
  size_t free() const;

 private:
  /// The prefixes of one family by key, and the lengths that have entries.
  template <class Key>
  struct Family {
    explicit Family(size_t capacity) : entries(capacity) {}
    uint32_t find(const Prefix& whole) const { return outside(whole) ? kNone : finish_find(begin_find(whole), whole); }
    [[gnu::always_inline]] uint32_t begin_find(const Prefix& whole) const {
      if (outside(whole)) return kNone;
      uint32_t start = entries.start_of(Key(whole));  // nearly all entries are whole addresses
      entries.prefetch(start);
      return start;
    }
    uint32_t finish_find(uint32_t begun, const Prefix& whole) const {
      if (begun == kNone) return kNone;
      uint32_t host = entries.find_from(begun, Key(whole));
      return host != kNone ? host : find_shorter(whole);
    }
    uint32_t find_shorter(const Prefix& whole) const;
    /// Certainly covered by no prefix: what goes to the internet is answered without a look at the table.
    bool outside(const Prefix& whole) const { return whole.high < lowest || whole.high > highest; }
    bool add(const Prefix& prefix, uint32_t peer_id);
    void remove(const Prefix& prefix);

    FlatMap<Key> entries;
    uint64_t lowest = ~uint64_t{0};  ///< Prefix::high of the addresses that the prefixes cover lies between these;
    uint64_t highest = 0;            ///< they only widen, until there is no prefix left
    std::array<uint32_t, 129> count_by_length{};
    std::vector<uint8_t> longest_first;
  };
  /// Half an address is enough for IPv4, and one word makes a cheap hash.
  struct Key4 {
    uint64_t address_and_length;
    explicit Key4(const Prefix& prefix) : address_and_length(prefix.high | prefix.length) {}
  };
  struct Key6 {
    uint64_t high, low, length;
    explicit Key6(const Prefix& prefix) : high(prefix.high), low(prefix.low), length(prefix.length) {}
  };

  Family<Key4> ip4_;
  Family<Key6> ip6_;
};

}  // namespace culvert::session
