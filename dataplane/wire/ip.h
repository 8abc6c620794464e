// IPv4 (RFC 791) and IPv6 (RFC 8200) headers of inner packets, as checked views.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "dataplane/wire/byte_order.h"

namespace culvert::wire {

inline constexpr uint8_t kProtocolTcp = 6;
inline constexpr uint8_t kProtocolIcmp = 1;
inline constexpr uint8_t kProtocolIcmpv6 = 58;

struct Ipv4Header {
  uint8_t version_and_words;  ///< version in the high four bits, header length in 32-bit words in the low
  uint8_t traffic_class;
  be16 total_length;
  be16 identification;
  be16 fragment;  ///< flags in the high three bits, offset in 8-byte units in the rest
  uint8_t ttl;
  uint8_t protocol;
  be16 checksum;
  std::array<uint8_t, 4> source;
  std::array<uint8_t, 4> destination;
};
static_assert(sizeof(Ipv4Header) == 20 && alignof(Ipv4Header) == 1);

inline constexpr uint16_t kDontFragment = 0x4000;
inline constexpr uint16_t kFragmentOffsetMask = 0x1FFF;

struct Ipv6Header {
  be32 version_class_flow;
  be16 payload_length;
  uint8_t next_header;
  uint8_t hop_limit;
  std::array<uint8_t, 16> source;
  std::array<uint8_t, 16> destination;
};
static_assert(sizeof(Ipv6Header) == 40 && alignof(Ipv6Header) == 1);

/// What the path needs to know of an inner packet. Points into the packet.
struct IpView {
  uint8_t version;         ///< 4 or 6
  uint8_t protocol;        ///< of what follows the header; IPv6: the first next-header field, extensions are not walked
  uint16_t header_length;  ///< bytes, with IPv4 options
  bool later_fragment;     ///< IPv4 fragment that does not begin with the transport header
  const uint8_t* source;   ///< 4 or 16 bytes
  const uint8_t* destination;
};

/// Reads the header of a packet that must fill `packet` exactly. Nothing when the version is neither 4 nor 6, the
/// header does not fit, or its length field names another length than the packet has.
inline std::optional<IpView> read_ip(std::span<const uint8_t> packet) {
  if (packet.size() < sizeof(Ipv4Header)) return std::nullopt;
  uint8_t version = packet[0] >> 4;
  if (version == 4) {
    const auto& header = *reinterpret_cast<const Ipv4Header*>(packet.data());
    uint16_t header_length = static_cast<uint16_t>((header.version_and_words & 15) * 4);
    if (header_length < sizeof(Ipv4Header) || header_length > packet.size()) return std::nullopt;
    if (header.total_length.get() != packet.size()) return std::nullopt;
    return IpView{4,
                  header.protocol,
                  header_length,
                  (header.fragment.get() & kFragmentOffsetMask) != 0,
                  header.source.data(),
                  header.destination.data()};
  }
  if (version != 6 || packet.size() < sizeof(Ipv6Header)) return std::nullopt;
  const auto& header = *reinterpret_cast<const Ipv6Header*>(packet.data());
  if (header.payload_length.get() + sizeof(Ipv6Header) != packet.size()) return std::nullopt;
  return IpView{6, header.next_header, sizeof(Ipv6Header), false, header.source.data(), header.destination.data()};
}

/// True for a destination that a routed tunnel does not carry: multicast, IPv4 limited broadcast, link-local.
inline bool stays_on_link(const IpView& ip) {
  const uint8_t* to = ip.destination;
  if (ip.version == 4) {
    be32 address;
    std::memcpy(&address, to, sizeof address);
    uint32_t host = address.get();
    bool multicast = host >> 28 == 0xE;
    bool link_local = host >> 16 == 0xA9FE;
    bool broadcast = host == 0xFFFFFFFF;
    return multicast || link_local || broadcast;
  }
  return to[0] == 0xFF || (to[0] == 0xFE && (to[1] & 0xC0) == 0x80);
}

/// Nearly every packet in one look: whole IPv4 without options, to a unicast address that a routed tunnel carries.
/// Nothing: ask read_ip() and stays_on_link(), which have nothing else to say of a packet that is one.
inline const Ipv4Header* read_usual_ipv4(std::span<const uint8_t> packet) {
  constexpr uint8_t kWithoutOptions = 0x45;
  constexpr uint32_t kMulticast = 0xE0000000, kLinkLocal = 0xA9FE;
  if (packet.size() < sizeof(Ipv4Header)) return nullptr;
  const auto& header = *reinterpret_cast<const Ipv4Header*>(packet.data());
  uint32_t to = std::bit_cast<be32>(header.destination).get();
  if (header.version_and_words != kWithoutOptions || header.total_length.get() != packet.size()) return nullptr;
  if (to >= kMulticast || to >> 16 == kLinkLocal) return nullptr;
  return &header;
}

}  // namespace culvert::wire
