// What the swarm sends through the tunnel: UDP over IPv4 with a stamp and known bytes behind it, so that whoever
// receives it can judge it alone.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace culvert::swarm {

using Ip4 = std::array<uint8_t, 4>;

inline constexpr uint16_t kDataPort = 5201;  ///< both ends of data
inline constexpr uint16_t kEchoPort = 5202;  ///< of the echo behind the gateway
inline constexpr size_t kInnerHeaders = 28;  ///< IPv4 and UDP

/// First bytes of the UDP payload; both ends are one process, so it stands in this machine's byte order.
struct [[gnu::packed]] Stamp {
  uint32_t magic;
  uint32_t phase;  ///< packets left over from an earlier phase do not count
  uint32_t client;
  uint64_t number;  ///< of this client's packets this way in this phase, from 0
  uint64_t sent_ns;
  uint64_t echo_wait_ns;  ///< an echo: how long it was with the host that returned it
};
inline constexpr uint32_t kMagic = 0x53574D31;
inline constexpr size_t kSmallestInner = kInnerHeaders + sizeof(Stamp);
inline constexpr size_t kLargestInner = 1500;

/// Writes stamp and known bytes as a payload of `payload.size()` bytes, at least sizeof(Stamp).
void write_payload(std::span<uint8_t> payload, const Stamp& stamp);
/// Reads a payload. False: not one that write_payload made.
bool read_payload(std::span<const uint8_t> payload, Stamp& stamp);

/// Writes the headers of an inner packet of `size` bytes as Linux would for a UDP socket: with DF. The UDP checksum is
/// for write_checksum(), behind the payload.
void write_headers(uint8_t* at, size_t size, const Ip4& source, uint16_t source_port, const Ip4& destination,
                   uint16_t destination_port);
/// Writes the UDP checksum of the inner packet that stands at `at`: kernels leave it out for nobody, and a gateway may
/// join only packets that it can verify.
void write_checksum(uint8_t* at, size_t size);
/// The UDP payload of an inner packet with its checksums in order; empty: damaged, or not IPv4 with UDP.
/// `source_port`: the packet's, 0 when it is not IPv4 with UDP.
std::span<const uint8_t> udp_payload(std::span<const uint8_t> packet, uint16_t& source_port);

}  // namespace culvert::swarm
