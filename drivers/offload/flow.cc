#include "drivers/offload/flow.h"

#include <cstring>

#include "dataplane/wire/checksum.h"
#include "dataplane/wire/tcp.h"
#include "dataplane/wire/udp.h"
#include "drivers/offload/at.h"
#include "drivers/offload/sum.h"
#include "drivers/offload/vnet_header.h"

namespace culvert::drivers::offload {
namespace {

using wire::Ipv4Header;
using wire::Ipv6Header;
using wire::kTcpAck;
using wire::kTcpEce;
using wire::kTcpPush;
using wire::TcpHeader;
using wire::UdpHeader;

constexpr uint8_t kReservedBits = 0x0F;  // beside the header length; one of them is AccECN's
constexpr uint16_t kMoreFragments = 0x2000;
constexpr uint8_t kPlainIpv4 = 0x45;  // no options

bool same_bytes(std::span<const uint8_t> a, std::span<const uint8_t> b, size_t from, size_t to) {
  return std::memcmp(a.data() + from, b.data() + from, to - from) == 0;
}

/// Finds the transport header. False: no ports can be read. `alone`: the IP header says that it must go alone.
bool read_network(std::span<const uint8_t> packet, FlowView& view, uint8_t& protocol, bool& alone) {
  auto ip = wire::read_ip(packet);
  if (!ip) return false;
  protocol = ip->protocol;
  view.transport = ip->header_length;
  view.free_identification = true;
  if (ip->version == 6) return true;  // an extension header is no protocol that we know
  const auto& header = at<Ipv4Header>(packet);
  uint16_t fragment = header.fragment.get();
  if ((fragment & (wire::kFragmentOffsetMask | kMoreFragments)) != 0) return false;
  alone = header.version_and_words != kPlainIpv4 || (fragment & ~wire::kDontFragment) != 0;
  view.identification = header.identification.get();
  view.free_identification = (fragment & wire::kDontFragment) != 0;
  return true;
}

void read_tcp(std::span<const uint8_t> packet, FlowView& view) {
  if (packet.size() < view.transport + sizeof(TcpHeader)) return;
  view.joinable = Joinable::kNo;
  const auto& tcp = at<TcpHeader>(packet, view.transport);
  size_t length = (tcp.words >> 4) * size_t{4};
  if (length < sizeof(TcpHeader) || view.transport + length >= packet.size()) return;
  view.headers = static_cast<uint16_t>(view.transport + length);
  view.payload = static_cast<uint16_t>(packet.size() - view.headers);
  view.sequence = tcp.sequence.get();
  view.closes = (tcp.flags & kTcpPush) != 0;
  bool plain = (tcp.flags & ~(kTcpPush | kTcpEce)) == kTcpAck && (tcp.words & kReservedBits) == 0;
  if (plain) view.joinable = Joinable::kTcp;
}

void read_udp(std::span<const uint8_t> packet, FlowView& view) {
  if (packet.size() < view.transport + sizeof(UdpHeader)) return;
  view.joinable = Joinable::kNo;
  const auto& udp = at<UdpHeader>(packet, view.transport);
  view.headers = static_cast<uint16_t>(view.transport + sizeof(UdpHeader));
  view.payload = static_cast<uint16_t>(packet.size() - view.headers);
  bool whole = udp.length.get() == packet.size() - view.transport;
  if (whole && view.payload > 0 && udp.checksum.get() != 0) view.joinable = Joinable::kUdp;
}

bool same_network(std::span<const uint8_t> first, std::span<const uint8_t> packet) {
  if (first[0] != packet[0]) return false;
  if (packet[0] >> 4 == 6)
    return same_bytes(first, packet, 0, offsetof(Ipv6Header, payload_length)) &&
           same_bytes(first, packet, offsetof(Ipv6Header, next_header), sizeof(Ipv6Header));
  const auto& a = at<Ipv4Header>(first);
  const auto& b = at<Ipv4Header>(packet);
  return a.traffic_class == b.traffic_class && a.fragment == b.fragment && a.ttl == b.ttl && a.protocol == b.protocol &&
         a.source == b.source && a.destination == b.destination;
}

}  // namespace

FlowView read_flow(std::span<const uint8_t> packet) {
  FlowView view;
  uint8_t protocol = 0;
  bool alone = false;
  if (!read_network(packet, view, protocol, alone)) return view;
  if (protocol == wire::kProtocolTcp)
    read_tcp(packet, view);
  else if (protocol == wire::kProtocolUdp)
    read_udp(packet, view);
  if (alone && view.joinable != Joinable::kUnknownFlow) view.joinable = Joinable::kNo;
  return view;
}

uint32_t flow_hash(const FlowView& view, std::span<const uint8_t> packet) {
  constexpr uint64_t kOdd = 0x9E37'79B9'7F4A'7C15;
  bool is_ip6 = packet[0] >> 4 == 6;
  size_t from = is_ip6 ? offsetof(Ipv6Header, source) : offsetof(Ipv4Header, source);
  size_t addresses = is_ip6 ? 32 : 8;
  uint64_t hash = 0;
  auto mix = [&](size_t offset, size_t size) {
    uint64_t word = 0;
    std::memcpy(&word, packet.data() + offset, size);
    hash = (hash ^ word) * kOdd;
    hash ^= hash >> 32;
  };
  for (size_t i = 0; i < addresses; i += 8) mix(from + i, 8);
  mix(view.transport, 4);
  return static_cast<uint32_t>(hash);
}

bool continues(const FlowView& first_view, std::span<const uint8_t> first, uint32_t sequence, const FlowView& view,
               std::span<const uint8_t> packet) {
  if (first_view.headers != view.headers || !same_network(first, packet)) return false;
  size_t transport = view.transport;
  if (view.joinable == Joinable::kUdp)
    return same_bytes(first, packet, transport, transport + offsetof(UdpHeader, length));
  const auto& a = at<TcpHeader>(first, transport);
  const auto& b = at<TcpHeader>(packet, transport);
  return view.sequence == sequence && same_bytes(first, packet, transport, transport + offsetof(TcpHeader, sequence)) &&
         a.acknowledgment == b.acknowledgment && a.words == b.words && ((a.flags ^ b.flags) & ~kTcpPush) == 0 &&
         a.window == b.window && a.urgent == b.urgent &&
         same_bytes(first, packet, transport + sizeof(TcpHeader), view.headers);
}

bool has_right_checksums(const FlowView& view, std::span<const uint8_t> packet) {
  auto ip = wire::read_ip(packet);
  if (!ip) return false;
  if (ip->version == 4 && wire::finish_checksum(sum_of(packet.first(view.transport))) != 0) return false;
  auto covered = packet.subspan(view.transport);
  uint32_t sum = wire::pseudo_header_sum(ip->version, ip->source, ip->destination, ip->protocol,
                                         static_cast<uint32_t>(covered.size()));
  return wire::finish_checksum(sum + sum_of(covered)) == 0;
}

}  // namespace culvert::drivers::offload
