#include "drivers/nic/nic_inner.h"

#include <algorithm>

#include "dataplane/packet.h"
#include "dataplane/wire/ip.h"
#include "drivers/nic/nic_udp.h"

namespace culvert::drivers {
namespace {

/// The path has checked that the packet is whole.
Destination destination_of(const uint8_t* ip) {
  if (*ip >> 4 == 4) return {4, reinterpret_cast<const wire::Ipv4Header*>(ip)->destination.data()};
  return {6, reinterpret_cast<const wire::Ipv6Header*>(ip)->destination.data()};
}

uint8_t hops_left(const uint8_t* ip) {
  return *ip >> 4 == 4 ? reinterpret_cast<const wire::Ipv4Header*>(ip)->ttl
                       : reinterpret_cast<const wire::Ipv6Header*>(ip)->hop_limit;
}

/// A header that the kernel may have to act on, such as IPv4 options.
bool has_options(const uint8_t* ip) {
  return *ip >> 4 == 4 ? (*ip & 15) != 5 : reinterpret_cast<const wire::Ipv6Header*>(ip)->next_header == 0;
}

}  // namespace

/// False: the TUN must have it.
bool NicInnerPort::send(rte_mbuf* packet, NextHop hop, abi::Tally& tally) {
  if (hop.kind() != NextHop::Kind::kNic) return false;
  NicPort& nic = *nics_[hop.nic()];
  auto* ip = rte_pktmbuf_mtod(packet, uint8_t*);
  uint16_t length = packet->data_len;
  if (hops_left(ip) <= 1 || has_options(ip) || length > nic.mtu()) return false;
  if (rte_pktmbuf_headroom(packet) < sizeof(wire::EthernetHeader)) return false;
  take_hop(ip);
  packet->ol_flags = 0;
  nic.send(packet, hop.neighbour(), Side::kInner, length, tally);
  return true;
}

void NicInnerPort::tx_burst(std::span<rte_mbuf*> packets, abi::Tally& tally) {
  while (!packets.empty()) {
    std::span<rte_mbuf*> now = packets.first(std::min(packets.size(), ForwardingTable::kBurst));
    packets = packets.subspan(now.size());
    std::array<Destination, ForwardingTable::kBurst> destinations;
    std::array<NextHop, ForwardingTable::kBurst> hops;
    for (size_t i = 0; i < now.size(); ++i) destinations[i] = destination_of(rte_pktmbuf_mtod(now[i], uint8_t*));
    look_up_all(table_, {destinations.data(), now.size()}, hops.data());
    size_t left = 0;
    for (size_t i = 0; i < now.size(); ++i)
      if (!send(now[i], hops[i], tally)) now[left++] = now[i];
    if (left > 0) tun_->tx_burst(now.first(left), tally);
  }
}

}  // namespace culvert::drivers
