#include "dataplane/steps/check_inner.h"

namespace culvert::steps {
namespace {

// First bytes of the compression framings of the reference (comp.h): LZO, LZ4 and their stubs, and the version-2
// marker. The compressed ones share their high four bits with IPv6, so they are asked about after the packet has failed
// as IP.
bool looks_compressed(const Packet& packet) {
  constexpr std::array<uint8_t, 5> kFirstBytes = {0x66, 0x69, 0xFA, 0xFB, 0x50};
  for (uint8_t first : kFirstBytes)
    if (packet.length > 0 && packet.data[0] == first) return true;
  return false;
}

}  // namespace

Verdict CheckInner::any(Packet& packet) {
  auto ip = wire::read_ip(packet.bytes());
  if (!ip) [[unlikely]] {
    bool by_peer = packet.session != nullptr;  // nobody compresses what comes from the TUN
    bool compressed = by_peer && looks_compressed(packet);
    return Verdict::drop(compressed ? DropReason::inner_compressed : DropReason::inner_malformed);
  }
  if (wire::stays_on_link(*ip)) return Verdict::drop(DropReason::inner_multicast);
  packet.ip_version = ip->version;
  packet.protocol = ip->protocol;
  packet.ip_header_length = ip->header_length;
  packet.later_fragment = ip->later_fragment;
  return Verdict::go_on();
}

}  // namespace culvert::steps
