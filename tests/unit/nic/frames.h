// Ethernet frames and UDP packets as the tests of NIC ports need them.
#pragma once

#include <algorithm>
#include <string>

#include "dataplane/abi/endpoint_text.h"
#include "dataplane/wire/ethernet.h"
#include "dataplane/wire/udp.h"
#include "tests/unit/support/inner_packets.h"

namespace culvert::testing {

inline constexpr wire::MacAddress kOurs = {0x02, 0, 0, 0, 0, 1};
inline constexpr wire::MacAddress kNeighbour = {0x02, 0, 0, 0, 0, 2};

inline abi::Endpoint endpoint_of(const std::string& address, uint16_t port) {
  abi::Endpoint made;
  made.address = *abi::parse_ip(address);
  made.port = port;
  return made;
}

/// A UDP packet over IPv4 or IPv6, by the look of the addresses, with its checksum.
inline Bytes udp_packet(const abi::Endpoint& from, const abi::Endpoint& to, const Bytes& payload) {
  bool is_ip4 = from.address.family == abi::Family::kIpv4;
  size_t size = sizeof(wire::UdpHeader) + payload.size();
  Bytes packet = is_ip4 ? ipv4_packet(abi::to_text(from.address), abi::to_text(to.address), size)
                        : ipv6_packet(abi::to_text(from.address), abi::to_text(to.address), size);
  uint8_t* at = packet.data() + packet.size() - size;
  auto& udp = *reinterpret_cast<wire::UdpHeader*>(at);
  udp.source.set(from.port);
  udp.destination.set(to.port);
  udp.length.set(static_cast<uint16_t>(size));
  udp.checksum.set(0);
  std::copy(payload.begin(), payload.end(), at + sizeof udp);
  uint32_t sum = wire::pseudo_header_sum(is_ip4 ? 4 : 6, from.address.bytes.data(), to.address.bytes.data(), 17,
                                         static_cast<uint32_t>(size));
  udp.checksum.set(wire::finish_checksum(wire::add_to_checksum({at, size}, sum)));
  return packet;
}

inline Bytes ethernet(const Bytes& packet, wire::MacAddress to = kOurs, wire::MacAddress from = kNeighbour) {
  Bytes frame(sizeof(wire::EthernetHeader) + packet.size());
  auto& header = *reinterpret_cast<wire::EthernetHeader*>(frame.data());
  header.destination = to;
  header.source = from;
  header.type.set(packet[0] >> 4 == 4 ? wire::kEtherIpv4 : wire::kEtherIpv6);
  std::copy(packet.begin(), packet.end(), frame.begin() + sizeof header);
  return frame;
}

}  // namespace culvert::testing
