#include "drivers/nic/outer_headers.h"

#include <cstring>

#include "dataplane/wire/checksum.h"
#include "dataplane/wire/udp.h"

namespace culvert::drivers {
namespace {

constexpr uint8_t kHops = 64;  // RFC 1700, assigned numbers

void write_ip4(uint8_t* at, uint16_t total, const OuterHeaders& headers) {
  auto& ip = *reinterpret_cast<wire::Ipv4Header*>(at);
  ip.version_and_words = 0x45;
  ip.traffic_class = 0;
  ip.total_length.set(total);
  ip.identification.set(0);  // means nothing in a packet that can't be fragmented (RFC 6864)
  ip.fragment.set(wire::kDontFragment);
  ip.ttl = kHops;
  ip.protocol = wire::kProtocolUdp;
  ip.checksum.set(0);
  std::memcpy(ip.source.data(), headers.source.address.bytes.data(), 4);
  std::memcpy(ip.destination.data(), headers.destination.address.bytes.data(), 4);
  if (headers.ip_checksum) ip.checksum.set(wire::finish_checksum(wire::add_to_checksum({at, sizeof ip})));
}

void write_ip6(uint8_t* at, uint16_t payload, const OuterHeaders& headers) {
  auto& ip = *reinterpret_cast<wire::Ipv6Header*>(at);
  ip.version_class_flow.set(0x60000000);
  ip.payload_length.set(payload);
  ip.next_header = wire::kProtocolUdp;
  ip.hop_limit = kHops;
  ip.source = headers.source.address.bytes;
  ip.destination = headers.destination.address.bytes;
}

}  // namespace

void write_udp_headers(std::span<uint8_t> payload, const OuterHeaders& headers) {
  uint8_t* udp_at = payload.data() - sizeof(wire::UdpHeader);
  auto length = static_cast<uint16_t>(payload.size() + sizeof(wire::UdpHeader));
  auto& udp = *reinterpret_cast<wire::UdpHeader*>(udp_at);
  udp.source.set(headers.source.port);
  udp.destination.set(headers.destination.port);
  udp.length.set(length);
  udp.checksum.set(0);
  bool is_ip4 = headers.destination.address.family == abi::Family::kIpv4;
  if (is_ip4) {
    write_ip4(udp_at - sizeof(wire::Ipv4Header), static_cast<uint16_t>(length + sizeof(wire::Ipv4Header)), headers);
  } else {
    write_ip6(udp_at - sizeof(wire::Ipv6Header), length, headers);
  }
  uint16_t pseudo = wire::fold_checksum(wire::pseudo_header_sum(is_ip4 ? 4 : 6, headers.source.address.bytes.data(),
                                                                headers.destination.address.bytes.data(),
                                                                wire::kProtocolUdp, length));
  if (!headers.udp_checksum) return udp.checksum.set(pseudo);
  uint16_t sum = wire::finish_checksum(wire::add_to_checksum({udp_at, length}, pseudo));
  udp.checksum.set(sum == 0 ? 0xFFFF : sum);
}

void write_ethernet(uint8_t* ip, const wire::MacAddress& destination, const wire::MacAddress& source) {
  auto& header = *reinterpret_cast<wire::EthernetHeader*>(ip - sizeof(wire::EthernetHeader));
  header.destination = destination;
  header.source = source;
  header.type.set(*ip >> 4 == 4 ? wire::kEtherIpv4 : wire::kEtherIpv6);
}

}  // namespace culvert::drivers
