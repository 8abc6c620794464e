#include "control/pool/address_pool.h"

#include <algorithm>

namespace culvert::pool {
namespace {

uint32_t value(const Ipv4& a) {
  return uint32_t{a[0]} << 24 | uint32_t{a[1]} << 16 | uint32_t{a[2]} << 8 | a[3];
}

Ipv4 plus(const Ipv4& base, uint32_t n) {
  uint32_t sum = value(base) + n;
  return {static_cast<uint8_t>(sum >> 24), static_cast<uint8_t>(sum >> 16), static_cast<uint8_t>(sum >> 8),
          static_cast<uint8_t>(sum)};
}

Ipv6 plus(Ipv6 base, uint32_t n) {
  uint64_t carry = n;
  for (size_t i = base.size(); i-- > 0 && carry != 0;) {
    carry += base[i];
    base[i] = static_cast<uint8_t>(carry);
    carry >>= 8;
  }
  return base;
}

/// b - a when that is in 0 .. 2^32 - 1.
std::optional<uint32_t> distance(const Ipv6& a, const Ipv6& b) {
  Ipv6 difference{};
  int borrow = 0;
  for (size_t i = a.size(); i-- > 0;) {
    int d = int{b[i]} - int{a[i]} - borrow;
    borrow = d < 0 ? 1 : 0;
    difference[i] = static_cast<uint8_t>(d);
  }
  if (borrow != 0 || std::any_of(difference.begin(), difference.begin() + 12, [](uint8_t byte) { return byte != 0; }))
    return std::nullopt;
  return value({difference[12], difference[13], difference[14], difference[15]});
}

}  // namespace

AddressPool::AddressPool(const AddressRanges& ranges) : ranges_(ranges) {
  if (ranges_.v4 && ranges_.v4->in_fours) ranges_.v4->first[3] &= 0xFC;
  if (ranges.v4 && value(ranges.v4->last) >= value(ranges.v4->first)) {
    uint64_t span = uint64_t{value(ranges.v4->last)} - value(ranges_.v4->first) + 1;
    if (ranges.v4->in_fours) span = (span + 3) / 4;  // pool.c, ifconfig_pool_init
    size_ = static_cast<uint32_t>(std::min<uint64_t>(span, ranges.max_slots));
  } else if (!ranges.v4 && ranges.v6) {
    size_ = ranges.max_slots;
  }
  size_t reserved = 0;
  for (const abi::IpAddress& address : ranges.reserved) {
    auto slot = slot_of(address);
    if (!slot || slots_[*slot].reserved) continue;
    slots_[*slot].reserved = true;
    ++reserved;
  }
  capacity_ = size_ - reserved;
}

std::optional<uint32_t> AddressPool::slot_of(const abi::IpAddress& address) const {
  std::optional<uint32_t> slot;
  if (address.family == abi::Family::kIpv4 && ranges_.v4) {
    Ipv4 ip4{address.bytes[0], address.bytes[1], address.bytes[2], address.bytes[3]};
    if (value(ip4) >= value(ranges_.v4->first))
      slot = (value(ip4) - value(ranges_.v4->first)) / (ranges_.v4->in_fours ? 4 : 1);
  } else if (address.family == abi::Family::kIpv6 && ranges_.v6) {
    slot = distance(ranges_.v6->first, address.bytes);
  }
  return slot && *slot < size_ ? slot : std::nullopt;
}

Lease AddressPool::lease_of(uint32_t slot) const {
  Lease lease;
  lease.slot = slot;
  if (ranges_.v4 && ranges_.v4->in_fours) {
    lease.peer = plus(ranges_.v4->first, slot * 4 + 1);
    lease.ip4 = plus(ranges_.v4->first, slot * 4 + 2);
  } else if (ranges_.v4) {
    lease.ip4 = plus(ranges_.v4->first, slot);
  }
  if (ranges_.v6) lease.ip6 = plus(ranges_.v6->first, slot);
  return lease;
}

Ipv4 AddressPool::base_of(uint32_t slot) const {
  if (!ranges_.v4) return {};
  return plus(ranges_.v4->first, slot * (ranges_.v4->in_fours ? 4 : 1));
}

std::vector<uint32_t> AddressPool::remembered() const {
  std::vector<uint32_t> numbers;
  for (const auto& [number, slot] : slots_)
    if (!slot.name.empty()) numbers.push_back(number);
  std::ranges::sort(numbers);
  return numbers;
}

bool AddressPool::remember(std::string_view name, const abi::IpAddress& address, bool fixed, MonoTime now) {
  auto number = slot_of(address);
  if (!number || slots_.contains(*number)) return false;
  Slot& slot = slots_[*number];
  slot.name = name;
  slot.fixed = fixed;
  slot.free_since = now - kRest;
  if (!fixed) free_.insert({slot.free_since, *number});
  // Of several addresses the lowest counts (pool.c, ifconfig_pool_find).
  auto [last, fresh] = last_slot_of_.try_emplace(slot.name, *number);
  if (!fresh) last->second = std::min(last->second, *number);
  return true;
}

Lease AddressPool::occupy(uint32_t number, std::string_view name) {
  Slot& slot = slots_[number];
  free_.erase({slot.free_since, number});
  auto last = last_slot_of_.find(slot.name);
  if (last != last_slot_of_.end() && last->second == number) last_slot_of_.erase(last);
  slot.taken = true;
  slot.fixed = slot.fixed && slot.name == name;
  slot.name = name;
  last_slot_of_.insert_or_assign(slot.name, number);
  ++taken_;
  return lease_of(number);
}

std::optional<uint32_t> AddressPool::next_unused() {
  while (next_unused_ < size_ && slots_.contains(next_unused_)) ++next_unused_;
  return next_unused_ < size_ ? std::optional(next_unused_) : std::nullopt;
}

std::optional<Lease> AddressPool::take(std::string_view name, MonoTime now, std::optional<uint32_t> before) {
  auto given_back = before ? slots_.find(*before) : slots_.end();
  if (given_back != slots_.end() && !given_back->second.taken && given_back->second.name == name)
    return occupy(*before, name);
  auto last = last_slot_of_.find(std::string(name));
  if (last != last_slot_of_.end() && !slots_.at(last->second).taken) return occupy(last->second, name);
  if (auto unused = next_unused()) return occupy(*unused, name);
  if (free_.empty() || now - free_.begin()->first < kRest) return std::nullopt;
  return occupy(free_.begin()->second, name);
}

AddressPool::Exact AddressPool::take_exact(std::string_view name, const abi::IpAddress& address) {
  auto slot = slot_of(address);
  if (!slot) return {};
  auto found = slots_.find(*slot);
  if (found != slots_.end() && (found->second.taken || found->second.reserved)) return {true, std::nullopt};
  return {true, occupy(*slot, name)};
}

void AddressPool::give_back(const Lease& lease, MonoTime now) {
  auto found = slots_.find(lease.slot);
  if (found == slots_.end() || !found->second.taken) return;
  found->second.taken = false;
  found->second.free_since = now;
  if (!found->second.fixed) free_.insert({now, lease.slot});
  --taken_;
}

std::optional<Lease> AddressPool::adopt(std::string_view name, const Ipv4& ip4, const Ipv6& ip6) {
  abi::IpAddress address;
  if (ranges_.v4) {
    std::copy(ip4.begin(), ip4.end(), address.bytes.begin());
    address.family = abi::Family::kIpv4;
  } else {
    address = {.bytes = ip6, .family = abi::Family::kIpv6};
  }
  auto slot = slot_of(address);
  if (!slot) return std::nullopt;
  auto found = slots_.find(*slot);
  if (found != slots_.end() && (found->second.taken || found->second.reserved)) return std::nullopt;
  Lease lease = lease_of(*slot);
  if (lease.ip4 != ip4 || lease.ip6 != ip6) return std::nullopt;
  return occupy(*slot, name);
}

}  // namespace culvert::pool
