#include "drivers/nic/forwarding_table.h"

#include <rte_fib.h>
#include <rte_fib6.h>
#include <rte_memory.h>

#include <algorithm>
#include <cstring>

#include "dataplane/abi/endpoint_text.h"

namespace culvert::drivers {
namespace {

uint32_t host_order(const uint8_t* address) {
  uint32_t word;
  std::memcpy(&word, address, sizeof word);
  return __builtin_bswap32(word);
}

constexpr uint32_t kGroups4 = 1 << 13;        // of 256 prefixes longer than /24
constexpr uint32_t kGroups6 = (1 << 15) - 2;  // a /64 takes up to five, a host up to thirteen

}  // namespace

Result<std::unique_ptr<ForwardingTable>> ForwardingTable::make(const std::string& name, uint32_t max_routes) {
  std::unique_ptr<ForwardingTable> table(new ForwardingTable);
  rte_fib_conf conf4{};
  conf4.type = RTE_FIB_DIR24_8;
  conf4.default_nh = kHopKernel;
  conf4.max_routes = static_cast<int>(max_routes);
  conf4.dir24_8.nh_sz = RTE_FIB_DIR24_8_2B;
  conf4.dir24_8.num_tbl8 = kGroups4;
  table->ip4_ = rte_fib_create((name + "4").c_str(), SOCKET_ID_ANY, &conf4);
  rte_fib6_conf conf6{};
  conf6.type = RTE_FIB6_TRIE;
  conf6.default_nh = kHopKernel;
  conf6.max_routes = static_cast<int>(max_routes) + 1;
  conf6.trie.nh_sz = RTE_FIB6_TRIE_2B;
  conf6.trie.num_tbl8 = kGroups6;
  table->ip6_ = rte_fib6_create((name + "6").c_str(), SOCKET_ID_ANY, &conf6);
  if (table->ip4_ == nullptr || table->ip6_ == nullptr)
    return Error{"no memory for the routing tables (" + std::to_string(max_routes) + " routes of each family)"};
  table->set_next_hop(kHopKernel, NextHop(NextHop::Kind::kKernel));
  table->set_next_hop(kHopLocal, NextHop(NextHop::Kind::kLocal));
  table->set_next_hop(kHopTun, NextHop(NextHop::Kind::kTun));
  // Each link has its own: no default route leads there.
  if (!table->set_route({*abi::parse_ip("fe80::"), 10}, kHopKernel)) return Error{"no room in the routing table"};
  return table;
}

ForwardingTable::~ForwardingTable() {
  rte_fib_free(ip4_);
  rte_fib6_free(ip6_);
}

bool ForwardingTable::set_route(const IpPrefix& prefix, uint16_t hop) {
  if (prefix.address.family == abi::Family::kIpv4)
    return rte_fib_add(ip4_, host_order(prefix.address.bytes.data()), prefix.length, hop) == 0;
  return rte_fib6_add(ip6_, prefix.address.bytes.data(), prefix.length, hop) == 0;
}

void ForwardingTable::remove_route(const IpPrefix& prefix) {
  if (prefix.address.family == abi::Family::kIpv4)
    rte_fib_delete(ip4_, host_order(prefix.address.bytes.data()), prefix.length);
  else
    rte_fib6_delete(ip6_, prefix.address.bytes.data(), prefix.length);
}

void ForwardingTable::set_next_hop(uint16_t hop, NextHop to) {
  hops_[hop].store(to.word(), std::memory_order_release);
}

bool ForwardingTable::take_used(uint16_t hop) {
  return used_[hop].exchange(0, std::memory_order_relaxed) != 0;
}

NextHop ForwardingTable::at(uint64_t hop) const {
  auto found = NextHop::from_word(hops_[hop].load(std::memory_order_acquire));
  // Written once per round of the main thread, not once per packet.
  if (found.kind() == NextHop::Kind::kNic && used_[hop].load(std::memory_order_relaxed) == 0)
    used_[hop].store(1, std::memory_order_relaxed);
  return found;
}

void ForwardingTable::look_up(uint8_t version, std::span<const uint8_t* const> addresses, NextHop* hops) const {
  if (!complete_.load(std::memory_order_relaxed)) {
    std::fill_n(hops, addresses.size(), NextHop(NextHop::Kind::kKernel));
    return;
  }
  std::array<uint64_t, kBurst> numbers;
  if (version == 4) {
    std::array<uint32_t, kBurst> words;
    for (size_t i = 0; i < addresses.size(); ++i) words[i] = host_order(addresses[i]);
    rte_fib_lookup_bulk(ip4_, words.data(), numbers.data(), static_cast<int>(addresses.size()));
  } else {
    uint8_t whole[kBurst][RTE_FIB6_IPV6_ADDR_SIZE];
    for (size_t i = 0; i < addresses.size(); ++i) std::memcpy(whole[i], addresses[i], RTE_FIB6_IPV6_ADDR_SIZE);
    rte_fib6_lookup_bulk(ip6_, whole, numbers.data(), static_cast<int>(addresses.size()));
  }
  for (size_t i = 0; i < addresses.size(); ++i) hops[i] = at(numbers[i]);
}

NextHop ForwardingTable::look_up(uint8_t version, const uint8_t* address) const {
  NextHop hop;
  look_up(version, {&address, 1}, &hop);
  return hop;
}

}  // namespace culvert::drivers
