// Inner addresses for clients: one IPv4 and one IPv6 address per slot, or one of the two. Both come from the same slot,
// so an operator who knows one knows the other.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "control/now.h"
#include "dataplane/abi/endpoint.h"

namespace culvert::pool {

using Ipv4 = std::array<uint8_t, 4>;
using Ipv6 = std::array<uint8_t, 16>;

struct AddressRanges {
  struct V4 {
    Ipv4 first{};
    Ipv4 last{};  ///< inclusive; network, gateway and broadcast address lie outside
    /// A slot is four addresses, of which the third is the client's and the second its other end (topology net30).
    bool in_fours = false;
  };
  struct V6 {
    Ipv6 first{};  ///< slot n has first + n
  };
  std::optional<V4> v4;
  std::optional<V6> v6;
  std::vector<abi::IpAddress> reserved;  ///< never given out, nor the other family's address of the same slot
  uint32_t max_slots = 1u << 20;         ///< when there is no IPv4 to set the size
};

struct Lease {
  uint32_t slot = 0;
  Ipv4 ip4{};   ///< 0.0.0.0 when the pool has no IPv4
  Ipv4 peer{};  ///< in_fours: the other end of the client's tunnel
  Ipv6 ip6{};
};

class AddressPool {
 public:
  explicit AddressPool(const AddressRanges& ranges);

  /// An address for the client called `name`: that of slot `before`, which it has just given back, if it is free; else
  /// the one it had last if that is free, else one never used, else the one that has been free longest and at least
  /// `rest` (a packet for its last owner must not reach the next). Nothing: exhausted.
  std::optional<Lease> take(std::string_view name, MonoTime now, std::optional<uint32_t> before = {});
  /// For an address that an operator set for a client (ifconfig-push).
  struct Exact {
    bool inside = false;         ///< the pool holds this address
    std::optional<Lease> lease;  ///< its slot, now taken; nothing when it lies outside, is reserved or taken
  };
  Exact take_exact(std::string_view name, const abi::IpAddress& address);
  void give_back(const Lease& lease, MonoTime now);
  /// Marks the addresses of a session that is alive already as taken by `name`. Nothing: not of this pool, or taken.
  std::optional<Lease> adopt(std::string_view name, const Ipv4& ip4, const Ipv6& ip6);

  /// `name` had `address` in an earlier run: it gets it again as long as nobody else needs it, or with `fixed` nobody
  /// else ever gets it (ifconfig-pool-persist with 0). False: not of this pool, reserved, or somebody's already.
  bool remember(std::string_view name, const abi::IpAddress& address, bool fixed, MonoTime now);
  /// Calls visit(name, first IPv4 address of the slot, IPv6 address) for every slot that has, or last had, a name; in
  /// their order.
  template <class Visit>
  void each_remembered(Visit visit) const {
    for (uint32_t number : remembered())
      visit(std::string_view(slots_.at(number).name), base_of(number), lease_of(number).ip6);
  }

  size_t capacity() const { return capacity_; }
  size_t taken() const { return taken_; }

  static constexpr MonoClock::duration kRest = std::chrono::seconds(5);

 private:
  struct Slot {
    bool taken = false;
    bool reserved = false;
    bool fixed = false;  ///< only for the client that `name` says
    MonoTime free_since{};
    std::string name;  ///< of the client that has it, or had it last
  };

  Lease lease_of(uint32_t slot) const;
  Ipv4 base_of(uint32_t slot) const;
  std::vector<uint32_t> remembered() const;
  std::optional<uint32_t> slot_of(const abi::IpAddress& address) const;
  Lease occupy(uint32_t slot, std::string_view name);
  std::optional<uint32_t> next_unused();

  AddressRanges ranges_;
  uint32_t size_ = 0;    ///< slots, reserved ones included
  size_t capacity_ = 0;  ///< slots that can be given out
  size_t taken_ = 0;
  uint32_t next_unused_ = 0;
  std::unordered_map<uint32_t, Slot> slots_;      ///< those that were ever taken, and reserved ones
  std::set<std::pair<MonoTime, uint32_t>> free_;  ///< given back, longest ago first
  std::unordered_map<std::string, uint32_t> last_slot_of_;
};

}  // namespace culvert::pool
