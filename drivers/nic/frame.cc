#include "drivers/nic/frame.h"

#include <algorithm>

#include "dataplane/wire/checksum.h"
#include "dataplane/wire/tcp.h"
#include "dataplane/wire/udp.h"

namespace culvert::drivers {
namespace {

using wire::EthernetHeader;
using wire::Ipv4Header;
using wire::Ipv6Header;
using wire::UdpHeader;

/// Length of the IP packet by its header; 0: no IPv4 or IPv6 header of the version that `type` names.
size_t length_by_header(uint16_t type, std::span<const uint8_t> packet) {
  if (type == wire::kEtherIpv4 && packet.size() >= sizeof(Ipv4Header) && packet[0] >> 4 == 4)
    return reinterpret_cast<const Ipv4Header*>(packet.data())->total_length.get();
  if (type == wire::kEtherIpv6 && packet.size() >= sizeof(Ipv6Header) && packet[0] >> 4 == 6)
    return sizeof(Ipv6Header) + reinterpret_cast<const Ipv6Header*>(packet.data())->payload_length.get();
  return 0;
}

/// IPv4 without options or fragmentation; IPv6 whose transport header stands right behind its own.
bool is_plain_packet(std::span<const uint8_t> packet, const wire::IpView& ip) {
  if (ip.version == 4) {
    constexpr uint16_t kMoreFragments = 0x2000;
    uint16_t fragment = reinterpret_cast<const Ipv4Header*>(packet.data())->fragment.get();
    return ip.header_length == sizeof(Ipv4Header) && (fragment & (kMoreFragments | wire::kFragmentOffsetMask)) == 0;
  }
  constexpr uint8_t kHopByHop = 0, kRouting = 43, kFragment = 44, kDestinationOptions = 60;
  return ip.protocol != kHopByHop && ip.protocol != kRouting && ip.protocol != kFragment &&
         ip.protocol != kDestinationOptions;
}

void read_udp(std::span<const uint8_t> packet, Frame& frame) {
  frame.is_udp = false;
  frame.source_port = frame.destination_port = 0;
  if (frame.ip.protocol != wire::kProtocolUdp) return;
  std::span<const uint8_t> segment = packet.subspan(frame.ip.header_length);
  if (segment.size() < sizeof(UdpHeader)) return;
  const auto& udp = *reinterpret_cast<const UdpHeader*>(segment.data());
  // Shorter is allowed (RFC 9868, options behind the text), and rare: the checksum then covers less than the packet.
  if (udp.length.get() != segment.size()) return;
  frame.is_udp = true;
  frame.source_port = udp.source.get();
  frame.destination_port = udp.destination.get();
}

/// The packet's transport part.
std::span<const uint8_t> segment_of(std::span<const uint8_t> bytes, const Frame& frame) {
  return bytes.subspan(kIpOffset + frame.ip.header_length, size_t{frame.ip_length} - frame.ip.header_length);
}

/// Offset of the checksum in the transport header; 0: the protocol has none that we know, or there is no room for it.
size_t checksum_offset(const Frame& frame) {
  size_t room = size_t{frame.ip_length} - frame.ip.header_length;
  constexpr size_t kUdpOffset = 6, kTcpOffset = 16;
  if (frame.is_udp) return kUdpOffset;
  return frame.ip.protocol == wire::kProtocolTcp && room >= sizeof(wire::TcpHeader) ? kTcpOffset : 0;
}

uint32_t pseudo_sum(const Frame& frame) {
  uint32_t length = uint32_t{frame.ip_length} - frame.ip.header_length;
  return wire::pseudo_header_sum(frame.ip.version, frame.ip.source, frame.ip.destination, frame.ip.protocol, length);
}

uint16_t read_word(std::span<const uint8_t> bytes, size_t offset) {
  return static_cast<uint16_t>(bytes[offset] << 8 | bytes[offset + 1]);
}

}  // namespace

FrameKind read_frame(std::span<const uint8_t> bytes, bool ip_checksum_known, Frame& frame) {
  if (bytes.size() < sizeof(EthernetHeader)) return FrameKind::kMalformed;
  uint16_t type = reinterpret_cast<const EthernetHeader*>(bytes.data())->type.get();
  if (type != wire::kEtherIpv4 && type != wire::kEtherIpv6) return FrameKind::kOther;
  std::span<const uint8_t> packet = bytes.subspan(sizeof(EthernetHeader));
  size_t length = length_by_header(type, packet);
  if (length == 0 || length > packet.size()) return FrameKind::kMalformed;
  packet = packet.first(length);
  auto ip = wire::read_ip(packet);
  if (!ip) return FrameKind::kMalformed;
  if (!is_plain_packet(packet, *ip)) return FrameKind::kOther;
  if (ip->version == 4 && !ip_checksum_known &&
      wire::finish_checksum(wire::add_to_checksum(packet.first(sizeof(Ipv4Header)))) != 0)
    return FrameKind::kMalformed;
  frame.ip = *ip;
  frame.ip_length = static_cast<uint16_t>(length);
  frame.hops = ip->version == 4 ? reinterpret_cast<const Ipv4Header*>(packet.data())->ttl
                                : reinterpret_cast<const Ipv6Header*>(packet.data())->hop_limit;
  read_udp(packet, frame);
  return FrameKind::kIp;
}

bool has_partial_checksum(std::span<const uint8_t> bytes, const Frame& frame) {
  size_t offset = checksum_offset(frame);
  return offset != 0 && read_word(segment_of(bytes, frame), offset) == wire::fold_checksum(pseudo_sum(frame));
}

Checksum check_transport(std::span<const uint8_t> bytes, const Frame& frame) {
  size_t offset = checksum_offset(frame);
  if (offset == 0) return Checksum::kRight;
  std::span<const uint8_t> segment = segment_of(bytes, frame);
  uint16_t stored = read_word(segment, offset);
  if (stored == 0 && frame.is_udp && frame.ip.version == 4) return Checksum::kRight;
  uint32_t pseudo = pseudo_sum(frame);
  if (wire::finish_checksum(wire::add_to_checksum(segment, wire::fold_checksum(pseudo))) == 0) return Checksum::kRight;
  return stored == wire::fold_checksum(pseudo) ? Checksum::kPartial : Checksum::kWrong;
}

void complete_checksum(std::span<uint8_t> bytes, const Frame& frame) {
  size_t offset = checksum_offset(frame);
  if (offset == 0) return;
  std::span<uint8_t> segment =
      bytes.subspan(kIpOffset + frame.ip.header_length, size_t{frame.ip_length} - frame.ip.header_length);
  segment[offset] = segment[offset + 1] = 0;
  uint16_t sum = wire::finish_checksum(wire::add_to_checksum(segment, wire::fold_checksum(pseudo_sum(frame))));
  if (sum == 0 && frame.is_udp) sum = 0xFFFF;  // 0 says "none" (RFC 768)
  segment[offset] = static_cast<uint8_t>(sum >> 8);
  segment[offset + 1] = static_cast<uint8_t>(sum);
}

std::optional<Refused> read_too_big(std::span<const uint8_t> bytes, const Frame& frame) {
  bool is_ip4 = frame.ip.version == 4;
  constexpr size_t kIcmpHeader = 8;
  size_t inner_header = is_ip4 ? sizeof(Ipv4Header) : sizeof(Ipv6Header);
  std::span<const uint8_t> message = segment_of(bytes, frame);
  if (message.size() < kIcmpHeader + inner_header + sizeof(UdpHeader)) return std::nullopt;
  bool too_big = is_ip4 ? frame.ip.protocol == wire::kProtocolIcmp && message[0] == 3 && message[1] == 4
                        : frame.ip.protocol == wire::kProtocolIcmpv6 && message[0] == 2;
  if (!too_big) return std::nullopt;
  std::span<const uint8_t> packet = message.subspan(kIcmpHeader);
  Refused refused{};
  const uint8_t* destination = nullptr;
  uint8_t protocol = 0;
  if (is_ip4) {
    const auto& ip = *reinterpret_cast<const Ipv4Header*>(packet.data());
    if (ip.version_and_words != 0x45) return std::nullopt;  // what we send has no options
    destination = ip.destination.data();
    protocol = ip.protocol;
  } else {
    const auto& ip = *reinterpret_cast<const Ipv6Header*>(packet.data());
    destination = ip.destination.data();
    protocol = ip.next_header;
  }
  if (protocol != wire::kProtocolUdp || packet[0] >> 4 != frame.ip.version) return std::nullopt;
  refused.destination.family = is_ip4 ? abi::Family::kIpv4 : abi::Family::kIpv6;
  std::copy_n(destination, is_ip4 ? 4 : 16, refused.destination.bytes.begin());
  refused.source_port = reinterpret_cast<const UdpHeader*>(packet.data() + inner_header)->source.get();
  return refused;
}

bool is_link_local(const wire::IpView& ip) {
  auto is = [](const uint8_t* address) { return address[0] == 0xFE && (address[1] & 0xC0) == 0x80; };
  return ip.version == 6 && (is(ip.source) || is(ip.destination));
}

bool may_be_forwarded(const wire::IpView& ip) {
  constexpr uint8_t kFirstGroup = 0xE0, kGroup6 = 0xFF;  // behind 224.0.0.0/4 is what nobody may have, and broadcast
  if (ip.version == 4) return ip.source[0] != 0 && ip.source[0] < kFirstGroup;
  bool unspecified = std::all_of(ip.source, ip.source + 16, [](uint8_t byte) { return byte == 0; });
  return !unspecified && ip.source[0] != kGroup6 && !is_link_local(ip);
}

void take_hop(uint8_t* ip) {
  if (*ip >> 4 == 6) {
    --reinterpret_cast<Ipv6Header*>(ip)->hop_limit;
    return;
  }
  auto& header = *reinterpret_cast<Ipv4Header*>(ip);
  auto word = static_cast<uint16_t>(header.ttl << 8 | header.protocol);
  --header.ttl;
  header.checksum.set(wire::adjust_checksum(header.checksum.get(), word, static_cast<uint16_t>(word - 0x100)));
}

}  // namespace culvert::drivers
