#include "drivers/nic/nic_udp.h"

#include <algorithm>

#include "dataplane/packet.h"
#include "drivers/nic/outer_headers.h"

namespace culvert::drivers {

void look_up_all(const ForwardingTable& table, std::span<const Destination> destinations, NextHop* hops) {
  for (uint8_t version : {4, 6}) {
    std::array<const uint8_t*, ForwardingTable::kBurst> addresses;
    std::array<uint8_t, ForwardingTable::kBurst> indices;
    std::array<NextHop, ForwardingTable::kBurst> found;
    size_t count = 0;
    for (size_t i = 0; i < destinations.size(); ++i) {
      if (destinations[i].version != version) continue;
      indices[count] = static_cast<uint8_t>(i);
      addresses[count++] = destinations[i].address;
    }
    if (count == 0) continue;
    table.look_up(version, {addresses.data(), count}, found.data());
    for (size_t i = 0; i < count; ++i) hops[indices[i]] = found[i];
  }
}

/// False: the kernel's socket must send it.
bool NicUdpPort::send(rte_mbuf* packet, NextHop hop, abi::Tally& tally) {
  const PacketMeta& to = meta(packet);  // in front of the buffer, so that no header is written over it
  if (hop.kind() != NextHop::Kind::kNic || to.local.address.family != to.remote.address.family) return false;
  NicPort& nic = *nics_[hop.nic()];
  uint16_t headers = udp_headers_size(to.remote.address.family);
  uint16_t payload = packet->data_len;
  if (payload + headers > nic.mtu()) return false;
  if (rte_pktmbuf_headroom(packet) < headers + sizeof(wire::EthernetHeader)) return false;
  bool is_ip4 = to.remote.address.family == abi::Family::kIpv4;
  bool ip_offload = is_ip4 && nic.device().checks_ip();
  bool udp_offload = nic.device().checks_udp();
  write_udp_headers({rte_pktmbuf_mtod(packet, uint8_t*), payload}, {to.local, to.remote, !ip_offload, !udp_offload});
  rte_pktmbuf_prepend(packet, headers);
  packet->ol_flags = 0;
  if (ip_offload || udp_offload) {
    packet->l2_len = sizeof(wire::EthernetHeader);
    packet->l3_len = is_ip4 ? 20 : 40;
    packet->ol_flags = (is_ip4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6) | (ip_offload ? RTE_MBUF_F_TX_IP_CKSUM : 0) |
                       (udp_offload ? RTE_MBUF_F_TX_UDP_CKSUM : 0);
  }
  nic.send(packet, hop.neighbour(), Side::kOuter, payload, tally);
  return true;
}

void NicUdpPort::tx_burst(std::span<rte_mbuf*> packets, abi::Tally& tally) {
  while (!packets.empty()) {
    std::span<rte_mbuf*> now = packets.first(std::min(packets.size(), ForwardingTable::kBurst));
    packets = packets.subspan(now.size());
    std::array<Destination, ForwardingTable::kBurst> destinations;
    std::array<NextHop, ForwardingTable::kBurst> hops;
    for (size_t i = 0; i < now.size(); ++i) {
      const abi::IpAddress& address = meta(now[i]).remote.address;
      uint8_t version = address.family == abi::Family::kIpv4 ? 4 : address.family == abi::Family::kIpv6 ? 6 : 0;
      destinations[i] = {version, address.bytes.data()};
    }
    look_up_all(table_, {destinations.data(), now.size()}, hops.data());
    size_t left = 0;
    for (size_t i = 0; i < now.size(); ++i)
      if (!send(now[i], hops[i], tally)) now[left++] = now[i];
    if (left > 0) socket_->tx_burst(now.first(left), tally);
  }
}

}  // namespace culvert::drivers
