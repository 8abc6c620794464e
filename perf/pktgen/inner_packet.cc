#include "perf/pktgen/inner_packet.h"

#include <cstring>

#include "dataplane/wire/checksum.h"

namespace culvert::pktgen {
namespace {

constexpr uint16_t kFirstFlowPort = 30000;
constexpr uint16_t kHostPort = 9;  // discard
constexpr uint8_t kHops = 64;
constexpr size_t kLongest = 2048;

/// What stands behind the stamp: bytes without a period that a shifted packet could fall into.
const std::array<uint8_t, kLongest>& filler() {
  static const std::array<uint8_t, kLongest> bytes = [] {
    std::array<uint8_t, kLongest> made;
    uint32_t state = 0x9E3779B9;
    for (uint8_t& byte : made) {
      state = state * 1664525 + 1013904223;
      byte = static_cast<uint8_t>(state >> 24);
    }
    return made;
  }();
  return bytes;
}

/// Any changed bit changes it: multiplication by odd numbers loses none, the shifts bring the high ones down.
uint32_t check_of(const Stamp& stamp) {
  uint64_t sum = (uint64_t{stamp.magic} << 32 | stamp.trial) * 0x9E3779B97F4A7C15;
  sum = (sum ^ sum >> 32 ^ stamp.client) * 0xBF58476D1CE4E5B9;
  sum = (sum ^ sum >> 32 ^ stamp.number) * 0x94D049BB133111EB;
  sum = (sum ^ sum >> 32 ^ stamp.sent_tsc) * 0x9E3779B97F4A7C15;
  return static_cast<uint32_t>(sum >> 32);
}

}  // namespace

InnerPackets::InnerPackets(const Ip4& client, const Ip4& host, uint32_t flows) : headers_{}, sums_{}, flows_(flows) {
  for (Way way : {Way::kIn, Way::kOut}) {
    Headers& headers = headers_[static_cast<size_t>(way)];
    headers.ip.version_and_words = 0x45;
    headers.ip.ttl = kHops;
    headers.ip.protocol = wire::kProtocolUdp;
    headers.ip.source = way == Way::kIn ? client : host;
    headers.ip.destination = way == Way::kIn ? host : client;
    headers.udp.destination.set(kHostPort);
    sums_[static_cast<size_t>(way)] =
        wire::add_to_checksum({reinterpret_cast<const uint8_t*>(&headers.ip), sizeof headers.ip});
  }
  (void)filler();
}

uint16_t InnerPackets::flow_port(uint64_t number) const {
  return static_cast<uint16_t>(kFirstFlowPort + number % flows_);
}

void InnerPackets::write(uint8_t* at, uint16_t size, Way way, const Stamp& stamp) const {
  Headers headers = headers_[static_cast<size_t>(way)];
  headers.ip.total_length.set(size);
  headers.ip.checksum.set(wire::finish_checksum(sums_[static_cast<size_t>(way)] + size));
  headers.udp.source.set(flow_port(stamp.number));
  headers.udp.length.set(static_cast<uint16_t>(size - sizeof headers.ip));
  // The UDP checksum stays 0, which IPv4 allows: the path does not look at it, and the filler is compared anyway.
  std::memcpy(at, &headers, sizeof headers);
  Stamp checked = stamp;
  checked.check = check_of(stamp);
  std::memcpy(at + kInnerHeaders, &checked, sizeof checked);
  std::memcpy(at + kSmallestInner, filler().data(), size - kSmallestInner);
}

bool InnerPackets::matches(std::span<const uint8_t> packet, Way way, const Stamp& stamp) const {
  if (packet.size() < kSmallestInner || packet.size() > kLongest) return false;
  const Headers& wanted = headers_[static_cast<size_t>(way)];
  Headers found;
  std::memcpy(&found, packet.data(), sizeof found);
  uint32_t sum = wire::add_to_checksum(packet.first(sizeof found.ip));
  bool headers_match = found.ip.version_and_words == wanted.ip.version_and_words &&
                       found.ip.total_length.get() == packet.size() && found.ip.protocol == wanted.ip.protocol &&
                       found.ip.fragment.get() == 0 && found.ip.source == wanted.ip.source &&
                       found.ip.destination == wanted.ip.destination && wire::finish_checksum(sum) == 0 &&
                       found.udp.source.get() == flow_port(stamp.number) && found.udp.destination.get() == kHostPort &&
                       found.udp.checksum.get() == 0 && found.udp.length.get() == packet.size() - sizeof found.ip;
  std::span<const uint8_t> rest = packet.subspan(kSmallestInner);
  return headers_match && std::memcmp(rest.data(), filler().data(), rest.size()) == 0;
}

Origin read_stamp(std::span<const uint8_t> packet, Way way, Stamp& stamp) {
  wire::Ipv4Header ip;
  wire::UdpHeader udp;
  if (packet.size() < kInnerHeaders) return Origin::kForeign;
  std::memcpy(&ip, packet.data(), sizeof ip);
  std::memcpy(&udp, packet.data() + sizeof ip, sizeof udp);
  if (packet.size() >= kSmallestInner) {
    std::memcpy(&stamp, packet.data() + kInnerHeaders, sizeof stamp);
    if (stamp.magic == magic_of(way) && stamp.check == check_of(stamp)) return Origin::kOurs;
  }
  bool our_ports = ip.version_and_words == 0x45 && ip.protocol == wire::kProtocolUdp &&
                   udp.destination.get() == kHostPort && udp.source.get() >= kFirstFlowPort;
  return our_ports ? Origin::kDamaged : Origin::kForeign;
}

}  // namespace culvert::pktgen
