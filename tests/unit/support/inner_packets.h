// IP packets as tests need them, with right lengths and checksums.
#pragma once

#include <arpa/inet.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "dataplane/wire/checksum.h"
#include "dataplane/wire/ip.h"
#include "dataplane/wire/tcp.h"

namespace culvert::testing {

using Bytes = std::vector<uint8_t>;

inline Bytes ipv4_packet(const std::string& from, const std::string& to, size_t payload = 20, uint8_t protocol = 17) {
  Bytes packet(sizeof(wire::Ipv4Header) + payload, 0xAB);
  auto& ip = *reinterpret_cast<wire::Ipv4Header*>(packet.data());
  ip = {};
  ip.version_and_words = 0x45;
  ip.total_length.set(static_cast<uint16_t>(packet.size()));
  ip.ttl = 64;
  ip.protocol = protocol;
  inet_pton(AF_INET, from.c_str(), ip.source.data());
  inet_pton(AF_INET, to.c_str(), ip.destination.data());
  ip.checksum.set(wire::finish_checksum(wire::add_to_checksum({packet.data(), sizeof ip})));
  return packet;
}

inline Bytes ipv6_packet(const std::string& from, const std::string& to, size_t payload = 20, uint8_t protocol = 17) {
  Bytes packet(sizeof(wire::Ipv6Header) + payload, 0xAB);
  auto& ip = *reinterpret_cast<wire::Ipv6Header*>(packet.data());
  ip = {};
  ip.version_class_flow.set(6u << 28);
  ip.payload_length.set(static_cast<uint16_t>(payload));
  ip.next_header = protocol;
  ip.hop_limit = 64;
  inet_pton(AF_INET6, from.c_str(), ip.source.data());
  inet_pton(AF_INET6, to.c_str(), ip.destination.data());
  return packet;
}

/// Sum over pseudo header, TCP header and options; 0 after finish when the packet's checksum is right.
inline uint16_t tcp_checksum(std::span<const uint8_t> packet) {
  auto ip = *wire::read_ip(packet);
  size_t address = ip.version == 4 ? 4 : 16;
  uint32_t sum = wire::add_to_checksum({ip.source, 2 * address});
  sum += static_cast<uint32_t>(packet.size() - ip.header_length) + wire::kProtocolTcp;
  return wire::finish_checksum(wire::add_to_checksum(packet.subspan(ip.header_length), sum));
}

/// A SYN from 10.8.0.2 (or fd00::2) with these TCP options (padded to whole words with option end).
inline Bytes tcp_syn(uint8_t version, Bytes options, uint8_t flags = wire::kTcpSyn) {
  while (options.size() % 4 != 0) options.push_back(wire::kTcpOptionEnd);
  size_t size = sizeof(wire::TcpHeader) + options.size();
  Bytes packet = version == 4 ? ipv4_packet("10.8.0.2", "192.0.2.9", size, wire::kProtocolTcp)
                              : ipv6_packet("fd00::2", "2001:db8::9", size, wire::kProtocolTcp);
  size_t at = packet.size() - size;
  auto& tcp = *reinterpret_cast<wire::TcpHeader*>(packet.data() + at);
  tcp = {};
  tcp.words = static_cast<uint8_t>(size / 4 << 4);
  tcp.flags = flags;
  std::copy(options.begin(), options.end(), packet.begin() + static_cast<std::ptrdiff_t>(at + sizeof tcp));
  tcp.checksum.set(tcp_checksum(packet));
  return packet;
}

}  // namespace culvert::testing
