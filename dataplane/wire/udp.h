// UDP header (RFC 768) and the sum over the pseudo-header that UDP and TCP share (RFC 768, RFC 8200 section 8.1).
#pragma once

#include <cstdint>

#include "dataplane/wire/byte_order.h"
#include "dataplane/wire/checksum.h"
#include "dataplane/wire/ip.h"

namespace culvert::wire {

inline constexpr uint8_t kProtocolUdp = 17;

struct UdpHeader {
  be16 source;
  be16 destination;
  be16 length;  ///< with this header
  be16 checksum;
};
static_assert(sizeof(UdpHeader) == 8 && alignof(UdpHeader) == 1);

/// Sum over addresses, protocol and `length` (bytes of the transport header and what follows), for add_to_checksum().
inline uint32_t pseudo_header_sum(uint8_t version, const uint8_t* source, const uint8_t* destination, uint8_t protocol,
                                  uint32_t length) {
  size_t size = version == 4 ? 4 : 16;
  uint32_t sum = add_to_checksum({source, size});
  sum = add_to_checksum({destination, size}, sum);
  return sum + protocol + (length >> 16) + (length & 0xFFFF);
}

}  // namespace culvert::wire
