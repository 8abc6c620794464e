// The packets inside the tunnel: UDP over IPv4 between a client and the host behind the gateway, with a stamp that says
// who sent it when, and known bytes behind it, so that whatever comes back can be judged by itself.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "dataplane/wire/ip.h"
#include "dataplane/wire/udp.h"
#include "perf/pktgen/addresses.h"

namespace culvert::pktgen {

/// Which way through the gateway.
enum class Way : uint8_t { kIn = 0, kOut = 1 };  ///< client to host (decrypted); host to client (encrypted)
inline constexpr size_t kWays = 2;

/// In front of the payload, in this machine's byte order: sender and receiver are one process.
struct [[gnu::packed]] Stamp {
  uint32_t magic;
  uint32_t trial;  ///< what is left over from an earlier trial must not count in this one
  uint32_t client;
  uint64_t number;    ///< of this client's packets that way, from 0
  uint64_t sent_tsc;  ///< time-stamp counter when the packet was made
  uint32_t check;     ///< written by InnerPackets::write: a hash of the fields above
};

inline constexpr size_t kInnerHeaders = sizeof(wire::Ipv4Header) + sizeof(wire::UdpHeader);
inline constexpr size_t kSmallestInner = kInnerHeaders + sizeof(Stamp);
static_assert(kSmallestInner == 60);

/// What one client's inner packets look like.
class InnerPackets {
 public:
  /// `flows`: UDP flows that a client's packets are spread over, by their numbers.
  InnerPackets(const Ip4& client, const Ip4& host, uint32_t flows);

  /// Writes a packet of `size` bytes (at least kSmallestInner, at most 2048).
  void write(uint8_t* at, uint16_t size, Way way, const Stamp& stamp) const;
  /// True when `packet`, whose stamp is `stamp`, is exactly what write() made, but for hops on its way.
  bool matches(std::span<const uint8_t> packet, Way way, const Stamp& stamp) const;

 private:
  uint16_t flow_port(uint64_t number) const;

  struct Headers {
    wire::Ipv4Header ip;
    wire::UdpHeader udp;
  };
  std::array<Headers, kWays> headers_;
  std::array<uint32_t, kWays> sums_;  ///< of the IP header without its length
  uint32_t flows_;
};

/// Whose a packet is.
enum class Origin : uint8_t {
  kOurs,     ///< with a readable stamp
  kDamaged,  ///< ours by its ports, but not with a stamp that we wrote
  kForeign,
};
/// Reads what may be a packet of ours that went `way`. `stamp` is filled for kOurs.
Origin read_stamp(std::span<const uint8_t> packet, Way way, Stamp& stamp);

constexpr uint32_t magic_of(Way way) {
  return 0x434C5650u + static_cast<uint32_t>(way);
}

}  // namespace culvert::pktgen
