// What a received Ethernet frame is, as far as the fast path wants to know. Whatever is not plain (VLAN tags, IP
// options, extension headers, fragments, ARP) is the kernel's: the twin gets it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "dataplane/abi/endpoint.h"
#include "dataplane/wire/ethernet.h"
#include "dataplane/wire/ip.h"

namespace culvert::drivers {

enum class FrameKind : uint8_t {
  kIp,         ///< untagged, one whole IPv4 or IPv6 packet behind a header without options
  kOther,      ///< anything else: the kernel's
  kMalformed,  ///< shorter than its headers say, or an IPv4 header checksum that is wrong
};

struct Frame {
  wire::IpView ip;
  uint16_t ip_length;         ///< bytes of the IP packet, without padding of the frame
  uint8_t hops;               ///< TTL or hop limit
  bool is_udp;                ///< with a whole UDP header, whose length is that of the packet's rest
  uint16_t destination_port;  ///< of UDP, else 0
  uint16_t source_port;
};

/// Reads `bytes`, a frame from its Ethernet header on. `ip_checksum_known`: the device has checked the IPv4 header.
/// `frame` is filled for kIp only, and points into `bytes`.
FrameKind read_frame(std::span<const uint8_t> bytes, bool ip_checksum_known, Frame& frame);

/// Offset of the IP packet in an untagged frame.
inline constexpr uint16_t kIpOffset = sizeof(wire::EthernetHeader);

enum class Checksum : uint8_t { kRight, kWrong, kPartial };
/// The UDP or TCP checksum of a frame that read_frame found to be IP: kRight also for protocols without one, and for
/// UDP over IPv4 that sent none. kPartial: it covers the pseudo-header only, as the kernel leaves it to a device that
/// is to finish it; frames of virtual interfaces (veth, TAP) arrive like that.
Checksum check_transport(std::span<const uint8_t> bytes, const Frame& frame);
/// Is it kPartial? Without reading the packet.
bool has_partial_checksum(std::span<const uint8_t> bytes, const Frame& frame);
/// Writes the whole UDP or TCP checksum into a frame whose checksum is partial.
void complete_checksum(std::span<uint8_t> bytes, const Frame& frame);

/// The UDP packet that a router refused because it was too long.
struct Refused {
  abi::IpAddress destination;
  uint16_t source_port;
};
/// Reads an ICMP "fragmentation needed" (RFC 792, RFC 1191) or ICMPv6 "packet too big" (RFC 4443, 3.2) about a UDP
/// packet; nothing when the frame, which read_frame found to be IP, is none.
std::optional<Refused> read_too_big(std::span<const uint8_t> bytes, const Frame& frame);

/// fe80::/10, as source or destination: what it means depends on the interface, which sockets know.
bool is_link_local(const wire::IpView& ip);
/// May a packet with this source be forwarded? Not from addresses that mean "this host", a group or a link (RFC 1812,
/// 5.3.7; RFC 4291, 2.5.2, 2.5.6, 2.7): the kernel drops it, or answers. It also knows which are its own.
bool may_be_forwarded(const wire::IpView& ip);

/// Takes one hop off the packet that starts at `ip`, and corrects the IPv4 header checksum. Its hops are at least 1.
void take_hop(uint8_t* ip);

}  // namespace culvert::drivers
