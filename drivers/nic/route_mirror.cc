#include "drivers/nic/route_mirror.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace culvert::drivers {
namespace {

/// Scoped to their link, so that a table without interfaces can't hold them, and no tunnel packet goes there.
bool is_on_link_only(const abi::IpAddress& address) {
  if (address.family == abi::Family::kIpv4) return (address.bytes[0] & 0xF0) == 0xE0;
  return address.bytes[0] == 0xFF || (address.bytes[0] == 0xFE && (address.bytes[1] & 0xC0) == 0x80);
}

}  // namespace

void RouteMirror::add_nic(int index, uint8_t nic) {
  nics_[index] = nic;
}

void RouteMirror::replace_nic(int index, int next) {
  auto nic = nics_.extract(index);
  if (nic.empty()) return;
  nic.key() = next;
  nics_.insert(std::move(nic));
  std::vector<Neighbour> gone;
  for (const auto& [neighbour, resolved] : neighbours_)
    if (neighbour.interface == index) gone.push_back(neighbour);
  for (const Neighbour& neighbour : gone) remove_neighbour(neighbour.interface, neighbour.address);
  refresh_all();
}

void RouteMirror::set_tun(int index) {
  if (std::exchange(tun_, index) != index) refresh_all();
}

void RouteMirror::add_route(const KernelRoute& route, bool replaces) {
  if (is_on_link_only(route.prefix.address)) return;
  std::vector<Known>& known = routes_[route.prefix];
  if (replaces) std::erase_if(known, [&](const Known& one) { return one.route.competes(route); });
  auto same = std::ranges::find(known, route, &Known::route);
  if (same != known.end()) {
    same->seen = dump_;
    return;
  }
  known.push_back({route, dump_});
  refresh_with_hosts(route.prefix);
}

void RouteMirror::remove_route(const KernelRoute& route) {
  auto found = routes_.find(route.prefix);
  if (found == routes_.end()) return;
  // IPv4 has one route per metric, but for those that were appended (ip route append); which next hop of several was
  // ours may have changed since it was added.
  bool is_ip4 = route.prefix.address.family == abi::Family::kIpv4;
  bool is_known = std::ranges::find(found->second, route, &Known::route) != found->second.end();
  auto is_meant = [&](const Known& one) {
    return is_ip4 && !is_known ? one.route.competes(route) : one.route == route;
  };
  if (std::erase_if(found->second, is_meant) == 0) return;
  if (found->second.empty()) routes_.erase(found);
  refresh_with_hosts(route.prefix);
}

void RouteMirror::set_neighbour(int interface, const abi::IpAddress& address, const wire::MacAddress& mac, bool stale) {
  if (!nics_.contains(interface)) return;
  Neighbour neighbour{interface, address};
  auto [entry, is_new] = neighbours_.try_emplace(neighbour);
  bool moved = is_new || entry->second.mac != mac;
  entry->second = {mac, stale, dump_};
  if (moved) point(neighbour);
  if (is_new) refresh(host_prefix(address));
}

void RouteMirror::remove_neighbour(int interface, const abi::IpAddress& address) {
  Neighbour neighbour{interface, address};
  if (neighbours_.erase(neighbour) == 0) return;
  point(neighbour);
  refresh(host_prefix(address));
}

void RouteMirror::add_detour(const abi::IpAddress& address, uint64_t until_ns) {
  IpPrefix host = host_prefix(address);
  if (detours_.size() >= kMaxDetours && !detours_.contains(host)) {
    IpPrefix first = std::ranges::min_element(detours_, {}, [](const auto& one) { return one.second; })->first;
    detours_.erase(first);
    refresh(first);
  }
  detours_[host] = until_ns;
  refresh(host);
}

void RouteMirror::end_detours(uint64_t now_ns) {
  std::vector<IpPrefix> ended;
  for (const auto& [host, until_ns] : detours_)
    if (now_ns >= until_ns) ended.push_back(host);
  for (const IpPrefix& host : ended) {
    detours_.erase(host);
    refresh(host);
  }
}

void RouteMirror::begin_dump() {
  ++dump_;
}

void RouteMirror::end_dump() {
  std::vector<IpPrefix> changed;
  for (auto& [prefix, known] : routes_)
    if (std::erase_if(known, [&](const Known& one) { return one.seen != dump_; }) > 0) changed.push_back(prefix);
  std::erase_if(routes_, [](const auto& entry) { return entry.second.empty(); });
  for (const IpPrefix& prefix : changed) refresh_with_hosts(prefix);
  std::vector<Neighbour> gone;
  for (const auto& [neighbour, resolved] : neighbours_)
    if (resolved.seen != dump_) gone.push_back(neighbour);
  for (const Neighbour& neighbour : gone) remove_neighbour(neighbour.interface, neighbour.address);
}

std::vector<RouteMirror::Neighbour> RouteMirror::to_probe() {
  std::vector<Neighbour> list;
  for (const auto& [neighbour, hop] : hops_) {
    bool used = sink_.take_used(hop.number);
    auto found = neighbours_.find(neighbour);
    if (used && found != neighbours_.end() && found->second.stale) list.push_back(neighbour);
  }
  return list;
}

/// The route that the kernel uses for exactly this prefix; null: none.
const KernelRoute* RouteMirror::best(const IpPrefix& prefix) const {
  auto found = routes_.find(prefix);
  if (found == routes_.end()) return nullptr;
  auto rank = [](const Known& one) { return std::tuple(!one.route.is_local_table, one.route.metric); };
  return &std::ranges::min_element(found->second, {}, rank)->route;
}

/// The longest route that `address` takes; null: none.
const KernelRoute* RouteMirror::covering(const abi::IpAddress& address) const {
  for (int length = address_bits(address.family); length >= 0; --length)
    if (const KernelRoute* route = best(make_ip_prefix(address, static_cast<uint8_t>(length)))) return route;
  return nullptr;
}

RouteMirror::Target RouteMirror::target_of(const KernelRoute& route) const {
  if (route.type == KernelRoute::Type::kLocal) return {kHopLocal, {}};
  if (route.type != KernelRoute::Type::kUnicast) return {kHopKernel, {}};
  if (route.interface != 0 && route.interface == tun_) return {kHopTun, {}};
  if (!nics_.contains(route.interface)) return {kHopKernel, {}};
  if (route.gateway.family != abi::Family::kNone) return {kHopKernel, Neighbour{route.interface, route.gateway}};
  if (route.prefix == host_prefix(route.prefix.address))
    return {kHopKernel, Neighbour{route.interface, route.prefix.address}};
  return {kHopKernel, {}};
}

/// What the forwarding table should have for this prefix; nothing: no entry.
std::optional<RouteMirror::Target> RouteMirror::wanted(const IpPrefix& prefix) const {
  const KernelRoute* own = best(prefix);
  bool is_local = own != nullptr && own->type == KernelRoute::Type::kLocal;
  if (!is_local && detours_.contains(prefix)) return Target{};
  if (own != nullptr) return target_of(*own);
  if (prefix != host_prefix(prefix.address)) return std::nullopt;
  const KernelRoute* network = covering(prefix.address);
  bool connected = network != nullptr && network->type == KernelRoute::Type::kUnicast &&
                   network->gateway.family == abi::Family::kNone;
  if (!connected || !neighbours_.contains({network->interface, prefix.address})) return std::nullopt;
  return Target{kHopKernel, Neighbour{network->interface, prefix.address}};
}

/// Brings the forwarding table's entry for this prefix to what it should be.
void RouteMirror::refresh(const IpPrefix& prefix) {
  if (is_on_link_only(prefix.address)) return;
  auto present = installed_.find(prefix);
  std::optional<Target> target = wanted(prefix);
  bool was_full = is_full();
  refused_.erase(prefix);
  if (present != installed_.end() && target == present->second) return;
  std::optional<Neighbour> released = present != installed_.end() ? present->second.through : std::nullopt;
  if (target) {
    uint16_t hop = target->through ? use_hop(*target->through) : target->hop;
    if (hop == kHopKernel) target->through.reset();  // out of numbers: it has none to give back
    if (sink_.set_route(prefix, hop)) {
      installed_[prefix] = *target;
    } else {
      if (target->through) release_hop(*target->through);
      if (present != installed_.end()) installed_.erase(present);
      refused_.insert(prefix);
    }
  } else if (present != installed_.end()) {
    sink_.remove_route(prefix);
    installed_.erase(present);
    has_freed_ = true;
  }
  if (released) release_hop(*released);
  if (was_full != is_full()) sink_.set_complete(!is_full());
}

void RouteMirror::try_refused() {
  if (!std::exchange(has_freed_, false)) return;
  for (const IpPrefix& prefix : std::vector<IpPrefix>(refused_.begin(), refused_.end())) refresh(prefix);
}

/// Also the host entries inside, which hang on the network that covers them.
void RouteMirror::refresh_with_hosts(const IpPrefix& prefix) {
  refresh(prefix);
  for (const auto& [neighbour, resolved] : neighbours_)
    if (covers(prefix, neighbour.address)) refresh(host_prefix(neighbour.address));
}

void RouteMirror::refresh_all() {
  for (const auto& [prefix, known] : routes_) refresh(prefix);
  for (const auto& [neighbour, resolved] : neighbours_) refresh(host_prefix(neighbour.address));
}

/// The number of a neighbour's next hop, with one more user. Out of numbers: the kernel's.
uint16_t RouteMirror::use_hop(const Neighbour& neighbour) {
  auto found = hops_.find(neighbour);
  if (found != hops_.end()) {
    ++found->second.users;
    return found->second.number;
  }
  uint16_t number = kHopKernel;
  if (!free_hops_.empty()) {
    number = free_hops_.back();
    free_hops_.pop_back();
  } else if (next_hop_ < kMaxHops) {
    number = next_hop_++;
  } else {
    return kHopKernel;
  }
  hops_[neighbour] = {number, 1};
  point(neighbour);
  return number;
}

void RouteMirror::release_hop(const Neighbour& neighbour) {
  auto found = hops_.find(neighbour);
  if (found == hops_.end() || --found->second.users > 0) return;
  sink_.set_next_hop(found->second.number, NextHop(NextHop::Kind::kKernel));
  free_hops_.push_back(found->second.number);
  hops_.erase(found);
}

/// Writes what a neighbour's number means now.
void RouteMirror::point(const Neighbour& neighbour) {
  auto hop = hops_.find(neighbour);
  if (hop == hops_.end()) return;
  auto resolved = neighbours_.find(neighbour);
  auto nic = nics_.find(neighbour.interface);
  bool known = resolved != neighbours_.end() && nic != nics_.end();
  sink_.set_next_hop(hop->second.number,
                     known ? NextHop::through(nic->second, resolved->second.mac) : NextHop(NextHop::Kind::kKernel));
}

}  // namespace culvert::drivers
