// Ethernet, IP and UDP headers in front of a tunnel packet that leaves through a NIC.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "dataplane/abi/endpoint.h"
#include "dataplane/wire/ethernet.h"

namespace culvert::drivers {

/// Bytes of IP and UDP header for peers of this family.
constexpr uint16_t udp_headers_size(abi::Family family) {
  return family == abi::Family::kIpv4 ? 20 + 8 : 40 + 8;
}

struct OuterHeaders {
  abi::Endpoint source;  ///< of the same family as `destination`
  abi::Endpoint destination;
  bool ip_checksum;   ///< false: the device fills it in (RTE_MBUF_F_TX_IP_CKSUM)
  bool udp_checksum;  ///< false: the device completes it, over the pseudo-header's sum that is written here
};

/// Writes IP and UDP header in front of `payload`, where udp_headers_size() bytes are free. Hop limit 64; IPv4 has DF
/// set as the kernel's UDP sockets do, so that a path with a smaller MTU says so instead of losing fragments.
void write_udp_headers(std::span<uint8_t> payload, const OuterHeaders& headers);

/// Writes the Ethernet header in front of `ip`.
void write_ethernet(uint8_t* ip, const wire::MacAddress& destination, const wire::MacAddress& source);

}  // namespace culvert::drivers
