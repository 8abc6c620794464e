// Frames that a NIC receives: reading, checksums, and what a router's ICMP message quotes.
#include <algorithm>
#include <vector>

#include "dataplane/wire/udp.h"
#include "drivers/nic/frame.h"
#include "tests/fuzz/input.h"

namespace culvert::fuzz {
namespace {

using drivers::Checksum;
using drivers::Frame;
using drivers::FrameKind;
using drivers::kIpOffset;

bool is_inside(std::span<const uint8_t> bytes, const uint8_t* at, size_t size) {
  return at >= bytes.data() && at + size <= bytes.data() + bytes.size();
}

void check(std::span<const uint8_t> input, bool ip_checksum_known) {
  std::vector<uint8_t> bytes(input.begin(), input.end());  // so that reading past the end is noticed
  Frame frame{};
  if (drivers::read_frame(bytes, ip_checksum_known, frame) != FrameKind::kIp) return;
  size_t address = frame.ip.version == 4 ? 4 : 16;
  require(kIpOffset + size_t{frame.ip_length} <= bytes.size());
  require(frame.ip.header_length <= frame.ip_length);
  require(is_inside(bytes, frame.ip.source, address) && is_inside(bytes, frame.ip.destination, address));
  if (frame.is_udp) {
    const auto& udp = *reinterpret_cast<const wire::UdpHeader*>(&bytes[kIpOffset + size_t{frame.ip.header_length}]);
    require(frame.ip.header_length + udp.length.get() <= frame.ip_length);
  }
  (void)drivers::read_too_big(bytes, frame);

  Checksum checksum = drivers::check_transport(bytes, frame);
  bool partial = drivers::has_partial_checksum(bytes, frame);
  require(checksum != Checksum::kPartial || partial);
  drivers::complete_checksum(bytes, frame);
  require(drivers::check_transport(bytes, frame) == Checksum::kRight);

  if (frame.hops == 0) return;
  drivers::take_hop(&bytes[kIpOffset]);
  Frame next{};
  require(drivers::read_frame(bytes, ip_checksum_known, next) == FrameKind::kIp && next.hops + 1 == frame.hops);
}

}  // namespace
}  // namespace culvert::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // Behind a device that has checked the header, and behind one that has not.
  for (bool known : {true, false}) culvert::fuzz::check({data, size}, known);
  return 0;
}
