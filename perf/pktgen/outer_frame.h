// Ethernet, IPv4 and UDP around a tunnel packet of one client; Ethernet around a packet of the host.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "dataplane/wire/ethernet.h"
#include "dataplane/wire/ip.h"
#include "dataplane/wire/udp.h"
#include "perf/pktgen/addresses.h"

namespace culvert::pktgen {

struct OuterHeaders {
  wire::EthernetHeader ethernet;
  wire::Ipv4Header ip;
  wire::UdpHeader udp;
};
inline constexpr size_t kOuterHeaders = sizeof(OuterHeaders);
static_assert(kOuterHeaders == 42 && alignof(OuterHeaders) == 1);

/// The headers of one client's packets to the gateway, all but what depends on the payload.
class OuterTemplate {
 public:
  OuterTemplate(const OuterEnd& source, const OuterEnd& destination, const wire::MacAddress& own,
                const wire::MacAddress& gateway);

  /// Writes kOuterHeaders bytes in front of the payload of `length` bytes, which stands behind them. Without
  /// `udp_checksum` that field is 0 (RFC 768: none).
  void write(uint8_t* at, uint16_t length, bool udp_checksum) const;

 private:
  OuterHeaders headers_{};
  uint32_t ip_sum_ = 0;      ///< of the IP header without length
  uint32_t pseudo_sum_ = 0;  ///< of addresses, protocol and ports
};

/// A received outer frame.
struct OuterView {
  OuterEnd source;
  OuterEnd destination;
  std::span<uint8_t> payload;
};
/// Nothing when `frame` is no whole IPv4/UDP packet without options, or its IP header checksum is wrong.
std::optional<OuterView> read_outer(std::span<uint8_t> frame);
/// Is the UDP checksum of a frame that read_outer() took right (or 0)?
bool udp_checksum_is_right(std::span<const uint8_t> frame, size_t payload_length);

}  // namespace culvert::pktgen
