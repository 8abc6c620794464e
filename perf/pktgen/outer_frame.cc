#include "perf/pktgen/outer_frame.h"

#include <cstring>

#include "dataplane/wire/checksum.h"

namespace culvert::pktgen {
namespace {

template <class T>
std::span<const uint8_t> bytes_of(const T& object) {
  return {reinterpret_cast<const uint8_t*>(&object), sizeof object};
}

uint32_t udp_sum(const OuterHeaders& headers, uint32_t length) {
  return wire::pseudo_header_sum(4, headers.ip.source.data(), headers.ip.destination.data(), wire::kProtocolUdp,
                                 length);
}

}  // namespace

OuterTemplate::OuterTemplate(const OuterEnd& source, const OuterEnd& destination, const wire::MacAddress& own,
                             const wire::MacAddress& gateway) {
  headers_.ethernet = {gateway, own, {}};
  headers_.ethernet.type.set(wire::kEtherIpv4);
  headers_.ip.version_and_words = 0x45;
  headers_.ip.fragment.set(wire::kDontFragment);
  headers_.ip.ttl = 64;
  headers_.ip.protocol = wire::kProtocolUdp;
  headers_.ip.source = to_ip4(source.address);
  headers_.ip.destination = to_ip4(destination.address);
  headers_.udp.source.set(source.port);
  headers_.udp.destination.set(destination.port);
  ip_sum_ = wire::add_to_checksum(bytes_of(headers_.ip));
  pseudo_sum_ = udp_sum(headers_, 0) + source.port + destination.port;
}

void OuterTemplate::write(uint8_t* at, uint16_t length, bool udp_checksum) const {
  OuterHeaders headers = headers_;
  auto udp_length = static_cast<uint16_t>(length + sizeof headers.udp);
  auto ip_length = static_cast<uint16_t>(udp_length + sizeof headers.ip);
  headers.ip.total_length.set(ip_length);
  headers.ip.checksum.set(wire::finish_checksum(ip_sum_ + ip_length));
  headers.udp.length.set(udp_length);
  if (udp_checksum) {
    // The length counts twice: in the pseudo-header and in the UDP header.
    uint32_t sum = pseudo_sum_ + 2u * udp_length;
    uint16_t sealed = wire::finish_checksum(wire::add_to_checksum({at + kOuterHeaders, length}, sum));
    headers.udp.checksum.set(sealed == 0 ? 0xFFFF : sealed);  // RFC 768: 0 would mean none
  }
  std::memcpy(at, &headers, sizeof headers);
}

std::optional<OuterView> read_outer(std::span<uint8_t> frame) {
  if (frame.size() < kOuterHeaders) return std::nullopt;
  OuterHeaders headers;
  std::memcpy(&headers, frame.data(), sizeof headers);
  uint16_t ip_length = headers.ip.total_length.get();
  uint16_t udp_length = headers.udp.length.get();
  bool fits = headers.ethernet.type.get() == wire::kEtherIpv4 && headers.ip.version_and_words == 0x45 &&
              headers.ip.protocol == wire::kProtocolUdp && (headers.ip.fragment.get() & ~wire::kDontFragment) == 0 &&
              ip_length <= frame.size() - sizeof headers.ethernet && udp_length >= sizeof headers.udp &&
              udp_length == ip_length - sizeof headers.ip;
  if (!fits || wire::finish_checksum(wire::add_to_checksum(bytes_of(headers.ip))) != 0) return std::nullopt;
  OuterView view;
  view.source = {to_number(headers.ip.source), headers.udp.source.get()};
  view.destination = {to_number(headers.ip.destination), headers.udp.destination.get()};
  view.payload = frame.subspan(kOuterHeaders, udp_length - sizeof headers.udp);
  return view;
}

bool udp_checksum_is_right(std::span<const uint8_t> frame, size_t payload_length) {
  OuterHeaders headers;
  std::memcpy(&headers, frame.data(), sizeof headers);
  if (headers.udp.checksum.get() == 0) return true;
  auto length = static_cast<uint32_t>(payload_length + sizeof headers.udp);
  uint32_t sum = udp_sum(headers, length);
  return wire::finish_checksum(wire::add_to_checksum(frame.subspan(kOuterHeaders - sizeof headers.udp, length), sum)) ==
         0;
}

}  // namespace culvert::pktgen
