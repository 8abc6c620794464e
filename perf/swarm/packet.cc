#include "perf/swarm/packet.h"

#include <cstring>

#include "dataplane/wire/checksum.h"
#include "dataplane/wire/ip.h"
#include "dataplane/wire/udp.h"
#include "drivers/offload/sum.h"

namespace culvert::swarm {
namespace {

constexpr uint8_t kHops = 64;

/// Bytes without a period that a shifted packet could fall into.
const std::array<uint8_t, kLargestInner>& filler() {
  static const std::array<uint8_t, kLargestInner> bytes = [] {
    std::array<uint8_t, kLargestInner> made{};
    uint32_t state = 0x2545F491;
    for (uint8_t& byte : made) {
      state ^= state << 13;
      state ^= state >> 17;
      state ^= state << 5;
      byte = static_cast<uint8_t>(state);
    }
    return made;
  }();
  return bytes;
}

}  // namespace

void write_payload(std::span<uint8_t> payload, const Stamp& stamp) {
  std::memcpy(payload.data(), &stamp, sizeof stamp);
  std::memcpy(payload.data() + sizeof stamp, filler().data(), payload.size() - sizeof stamp);
}

bool read_payload(std::span<const uint8_t> payload, Stamp& stamp) {
  if (payload.size() < sizeof stamp || payload.size() > kLargestInner) return false;
  std::memcpy(&stamp, payload.data(), sizeof stamp);
  return stamp.magic == kMagic &&
         std::memcmp(payload.data() + sizeof stamp, filler().data(), payload.size() - sizeof stamp) == 0;
}

void write_headers(uint8_t* at, size_t size, const Ip4& source, uint16_t source_port, const Ip4& destination,
                   uint16_t destination_port) {
  wire::Ipv4Header ip{};
  ip.version_and_words = 0x45;
  ip.total_length.set(static_cast<uint16_t>(size));
  ip.fragment.set(wire::kDontFragment);
  ip.ttl = kHops;
  ip.protocol = wire::kProtocolUdp;
  ip.source = source;
  ip.destination = destination;
  ip.checksum.set(wire::finish_checksum(wire::add_to_checksum({reinterpret_cast<const uint8_t*>(&ip), sizeof ip})));
  wire::UdpHeader udp{};
  udp.source.set(source_port);
  udp.destination.set(destination_port);
  udp.length.set(static_cast<uint16_t>(size - sizeof ip));
  std::memcpy(at, &ip, sizeof ip);
  std::memcpy(at + sizeof ip, &udp, sizeof udp);
}

void write_checksum(uint8_t* at, size_t size) {
  auto& ip = *reinterpret_cast<wire::Ipv4Header*>(at);
  auto& udp = *reinterpret_cast<wire::UdpHeader*>(at + sizeof ip);
  auto datagram = std::span<const uint8_t>(at, size).subspan(sizeof ip);
  udp.checksum.set(0);
  uint32_t sum = wire::pseudo_header_sum(4, ip.source.data(), ip.destination.data(), wire::kProtocolUdp,
                                         static_cast<uint32_t>(datagram.size()));
  uint16_t checksum = wire::finish_checksum(sum + drivers::offload::sum_of(datagram));
  udp.checksum.set(checksum == 0 ? 0xFFFF : checksum);  // 0 says that there is none (RFC 768)
}

std::span<const uint8_t> udp_payload(std::span<const uint8_t> packet, uint16_t& source_port) {
  source_port = 0;
  auto view = wire::read_ip(packet);
  if (!view || view->version != 4 || view->protocol != wire::kProtocolUdp) return {};
  wire::UdpHeader udp;
  std::span<const uint8_t> datagram = packet.subspan(view->header_length);
  if (datagram.size() < sizeof udp) return {};
  std::memcpy(&udp, datagram.data(), sizeof udp);
  source_port = udp.source.get();
  if (udp.length.get() != datagram.size()) return {};
  if (wire::finish_checksum(wire::add_to_checksum(packet.first(view->header_length))) != 0) return {};
  auto length = static_cast<uint32_t>(datagram.size());
  uint32_t sum = wire::pseudo_header_sum(4, view->source, view->destination, wire::kProtocolUdp, length);
  if (udp.checksum.get() != 0 && wire::finish_checksum(wire::add_to_checksum(datagram, sum)) != 0) return {};
  return datagram.subspan(sizeof udp);
}

}  // namespace culvert::swarm
