#include "drivers/offload/segment.h"

#include <algorithm>
#include <cstring>

#include "dataplane/wire/checksum.h"
#include "dataplane/wire/ip.h"
#include "dataplane/wire/tcp.h"
#include "dataplane/wire/udp.h"
#include "drivers/offload/at.h"
#include "drivers/offload/sum.h"

namespace culvert::drivers::offload {
namespace {

using wire::be16;
using wire::kTcpCwr;
using wire::kTcpFin;
using wire::kTcpPush;

/// Length of the transport header at `transport`, 0 when there is no whole one.
size_t transport_header(std::span<const uint8_t> packet, size_t transport, bool udp) {
  size_t room = packet.size() - transport;
  if (udp) return room >= sizeof(wire::UdpHeader) ? sizeof(wire::UdpHeader) : 0;
  if (room < sizeof(wire::TcpHeader)) return 0;
  size_t length = (at<wire::TcpHeader>(packet.data(), transport).words >> 4) * size_t{4};
  return length >= sizeof(wire::TcpHeader) && length <= room ? length : 0;
}

/// Does an IP header of the type's version stand in front of the transport header?
bool has_ip_header(const VnetHeader& header, uint8_t type, std::span<const uint8_t> packet) {
  if (packet.size() <= header.checksum_start || header.checksum_start < sizeof(wire::Ipv4Header)) return false;
  uint8_t version = packet[0] >> 4;
  if (version == 4 && type != kGsoTcp6) return (packet[0] & 15) * 4 == header.checksum_start;
  return version == 6 && type != kGsoTcp4 && header.checksum_start >= sizeof(wire::Ipv6Header);
}

/// The field of UDP that stands for "no checksum" is never the result of one (RFC 768).
uint16_t as_field(uint32_t sum, bool udp) {
  uint16_t checksum = wire::finish_checksum(sum);
  return udp && checksum == 0 ? 0xFFFF : checksum;
}

}  // namespace

bool complete_checksum(const VnetHeader& header, std::span<uint8_t> packet) {
  if ((header.flags & kNeedsChecksum) == 0) return true;
  size_t field = size_t{header.checksum_start} + header.checksum_offset;
  if (field + sizeof(be16) > packet.size()) return false;
  // The sum that the field holds is part of what is summed.
  uint32_t sum = sum_of(packet.subspan(header.checksum_start));
  at<be16>(packet.data(), field).set(as_field(sum, header.checksum_offset == kUdpChecksumOffset));
  return true;
}

std::optional<SuperPacket> SuperPacket::read(const VnetHeader& header, std::span<const uint8_t> packet) {
  uint8_t type = header.gso_type & ~kGsoEcn;
  bool udp = type == kGsoUdp;
  if ((!udp && type != kGsoTcp4 && type != kGsoTcp6) || packet.size() > kMaxSuperPacket) return std::nullopt;
  if ((header.flags & kNeedsChecksum) == 0 || header.segment_size == 0) return std::nullopt;
  if (header.checksum_offset != (udp ? kUdpChecksumOffset : kTcpChecksumOffset)) return std::nullopt;
  if (!has_ip_header(header, type, packet)) return std::nullopt;

  SuperPacket super;
  super.udp_ = udp;
  super.transport_ = header.checksum_start;
  size_t length = transport_header(packet, super.transport_, udp);
  if (length == 0 || packet.size() == super.transport_ + length) return std::nullopt;
  super.headers_ = packet.first(super.transport_ + length);
  super.payload_ = packet.subspan(super.headers_.size());
  super.segment_size_ = header.segment_size;
  // The field holds the pseudo-header's sum with the length of all: taken out here, each segment puts in its own.
  uint32_t sum = at<be16>(packet.data(), super.transport_ + header.checksum_offset).get();
  auto whole = static_cast<uint16_t>(packet.size() - super.transport_);
  super.pseudo_sum_ = wire::fold_checksum(sum + static_cast<uint16_t>(~whole));
  return super;
}

/// Length, and for IPv4 identification and checksum.
void SuperPacket::write_ip(uint8_t* packet, size_t length) const {
  if (packet[0] >> 4 == 6) {
    at<wire::Ipv6Header>(packet, 0).payload_length.set(static_cast<uint16_t>(length - sizeof(wire::Ipv6Header)));
    return;
  }
  auto& ip = at<wire::Ipv4Header>(packet, 0);
  ip.total_length.set(static_cast<uint16_t>(length));
  ip.identification.set(static_cast<uint16_t>(ip.identification.get() + index_));
  ip.checksum.set(0);
  ip.checksum.set(wire::finish_checksum(sum_of({packet, transport_})));
}

/// Sequence number, and the flags that belong to the first or the last segment only.
void SuperPacket::write_tcp(uint8_t* packet, bool last) const {
  auto& tcp = at<wire::TcpHeader>(packet, transport_);
  tcp.sequence.set(tcp.sequence.get() + sent_);
  if (!last) tcp.flags &= static_cast<uint8_t>(~(kTcpFin | kTcpPush));
  if (index_ > 0) tcp.flags &= static_cast<uint8_t>(~kTcpCwr);
}

size_t SuperPacket::write_next(uint8_t* to) {
  auto piece = payload_.first(std::min(segment_size_, payload_.size()));
  std::memcpy(to, headers_.data(), headers_.size());
  uint32_t sum = copy_and_sum(to + headers_.size(), piece);
  size_t length = headers_.size() + piece.size();
  auto covered = static_cast<uint16_t>(length - transport_);
  write_ip(to, length);
  if (udp_)
    at<wire::UdpHeader>(to, transport_).length.set(covered);
  else
    write_tcp(to, piece.size() == payload_.size());

  auto& field = at<be16>(to, transport_ + (udp_ ? kUdpChecksumOffset : kTcpChecksumOffset));
  field.set(0);
  sum += pseudo_sum_ + covered + sum_of({to + transport_, headers_.size() - transport_});
  field.set(as_field(sum, udp_));

  payload_ = payload_.subspan(piece.size());
  sent_ += static_cast<uint32_t>(piece.size());
  ++index_;
  return length;
}

}  // namespace culvert::drivers::offload
