#include "drivers/offload/coalesce.h"

#include <cstddef>

#include "dataplane/wire/checksum.h"
#include "dataplane/wire/tcp.h"
#include "dataplane/wire/udp.h"
#include "drivers/offload/at.h"
#include "drivers/offload/sum.h"

namespace culvert::drivers::offload {
namespace {

using wire::be16;
using wire::Ipv4Header;
using wire::Ipv6Header;
using wire::kTcpPush;
using wire::TcpHeader;
using wire::UdpHeader;

bool is_ip6(std::span<const uint8_t> packet) {
  return packet[0] >> 4 == 6;
}

be16& checksum_field(const FlowView& view, std::span<uint8_t> packet) {
  return at<be16>(packet, view.transport + (view.joinable == Joinable::kUdp ? kUdpChecksumOffset : kTcpChecksumOffset));
}

/// Writes a whole packet's `length` into its IP header.
void set_length(std::span<uint8_t> packet, size_t length) {
  if (is_ip6(packet))
    at<Ipv6Header>(packet).payload_length.set(static_cast<uint16_t>(length - sizeof(Ipv6Header)));
  else
    at<Ipv4Header>(packet).total_length.set(static_cast<uint16_t>(length));
}

/// The pseudo-header's sum, as the kernel wants it in the checksum field of a packet whose checksum is left to do.
uint16_t pseudo_sum(const FlowView& view, std::span<const uint8_t> packet, size_t length) {
  bool ip6 = is_ip6(packet);
  const uint8_t* source = packet.data() + (ip6 ? offsetof(Ipv6Header, source) : offsetof(Ipv4Header, source));
  uint8_t protocol = view.joinable == Joinable::kUdp ? wire::kProtocolUdp : wire::kProtocolTcp;
  return wire::fold_checksum(wire::pseudo_header_sum(ip6 ? 6 : 4, source, source + (ip6 ? 16 : 4), protocol,
                                                     static_cast<uint32_t>(length - view.transport)));
}

}  // namespace

bool Coalescer::may_join(Joinable kind) const {
  return (kind == Joinable::kTcp && offloads_.tcp) || (kind == Joinable::kUdp && offloads_.udp);
}

/// A packet that was damaged on its way to the sender's tunnel must arrive damaged: in a super-packet it would get a
/// new, right checksum. Looked at no sooner than there is something to join with.
bool Coalescer::is_right(uint8_t index) {
  if (!is_right_[index]) is_right_[index] = has_right_checksums(views_[index], packets_[index]);
  return is_right_[index];
}

/// May packet `index` be the next segment of `frame`?
bool Coalescer::joins(const Frame& frame, uint8_t index) {
  const FlowView& view = views_[index];
  const FlowView& first = views_[frame.first];
  const FlowView& before = views_[frame.last];
  if (view.joinable != first.joinable || before.closes || before.payload < first.payload) return false;
  if (view.payload > first.payload || frame.bytes + view.payload > kMaxSuperPacket) return false;
  // The kernel counts the identification up when it cuts. With DF it means nothing (RFC 6864, 4.1), and many senders
  // leave it as it is.
  auto step = static_cast<uint16_t>(view.identification - before.identification);
  if (step != 1 && !(step == 0 && view.free_identification)) return false;
  if (frame.count > 1 && step != frame.step) return false;
  if (!continues(first, packets_[frame.first], before.sequence + before.payload, view, packets_[index])) return false;
  return is_right(frame.first) && is_right(index);
}

void Coalescer::append(Frame& frame, uint8_t index) {
  frame.step = static_cast<uint8_t>(views_[index].identification - views_[frame.last].identification);
  next_[frame.last] = index;
  frame.last = index;
  ++frame.count;
  frame.bytes += views_[index].payload;
}

/// Makes the first packet's headers those of the super-packet.
void Coalescer::finish(Frame& frame) {
  if (frame.count == 1) return;
  const FlowView& view = views_[frame.first];
  std::span<uint8_t> packet = packets_[frame.first];
  bool udp = view.joinable == Joinable::kUdp;
  bool ip6 = is_ip6(packet);
  frame.header.flags = kNeedsChecksum;
  frame.header.gso_type = udp ? kGsoUdp : ip6 ? kGsoTcp6 : kGsoTcp4;
  frame.header.header_length = view.headers;
  frame.header.segment_size = view.payload;
  frame.header.checksum_start = view.transport;
  frame.header.checksum_offset = udp ? kUdpChecksumOffset : kTcpChecksumOffset;

  set_length(packet, frame.bytes);
  if (!ip6) {
    auto& ip = at<Ipv4Header>(packet);
    frame.ip_checksum = ip.checksum.get();
    ip.checksum.set(0);
    ip.checksum.set(wire::finish_checksum(sum_of(packet.first(sizeof(Ipv4Header)))));
  }
  if (udp) {
    at<UdpHeader>(packet, view.transport).length.set(static_cast<uint16_t>(frame.bytes - view.transport));
  } else {
    auto& tcp = at<TcpHeader>(packet, view.transport);
    frame.flags = tcp.flags;
    if (views_[frame.last].closes) tcp.flags |= kTcpPush;
  }
  be16& checksum = checksum_field(view, packet);
  frame.checksum = checksum.get();
  checksum.set(pseudo_sum(view, packet, frame.bytes));
}

void Coalescer::undo(const Frame& frame, std::span<uint8_t> first) const {
  const FlowView& view = views_[frame.first];
  size_t length = size_t{view.headers} + view.payload;
  set_length(first, length);
  if (!is_ip6(first)) at<Ipv4Header>(first).checksum.set(frame.ip_checksum);
  if (view.joinable == Joinable::kUdp)
    at<UdpHeader>(first, view.transport).length.set(static_cast<uint16_t>(length - view.transport));
  else
    at<TcpHeader>(first, view.transport).flags = frame.flags;
  checksum_field(view, first).set(frame.checksum);
}

std::span<const Coalescer::Frame> Coalescer::plan(std::span<const std::span<uint8_t>> packets) {
  packets_ = packets;
  is_right_.fill(false);
  open_.fill(kNone);
  size_t count = 0;
  for (uint8_t i = 0; i < packets.size(); ++i) {
    const FlowView& view = views_[i] = read_flow(packets[i]);
    uint8_t* slot = nullptr;
    if (view.joinable == Joinable::kUnknownFlow) {
      // A fragment may belong to any flow: nothing that comes behind it may overtake it.
      open_.fill(kNone);
    } else {
      slot = &open_[flow_hash(view, packets[i]) % kSlots];
      if (may_join(view.joinable) && *slot != kNone && joins(frames_[*slot], i)) {
        append(frames_[*slot], i);
        continue;
      }
    }
    if (slot != nullptr) *slot = may_join(view.joinable) ? static_cast<uint8_t>(count) : kNone;
    frames_[count++] = {.header = {},
                        .first = i,
                        .last = i,
                        .count = 1,
                        .step = 0,
                        .flags = 0,
                        .ip_checksum = 0,
                        .checksum = 0,
                        .bytes = static_cast<uint32_t>(packets[i].size())};
  }
  for (Frame& frame : std::span(frames_).first(count)) finish(frame);
  return std::span(frames_).first(count);
}

}  // namespace culvert::drivers::offload
