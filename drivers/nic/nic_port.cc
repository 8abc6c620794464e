#include "drivers/nic/nic_port.h"

#include <rte_ethdev.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "dataplane/packet.h"
#include "dataplane/wire/udp.h"
#include "drivers/nic/outer_headers.h"

namespace culvert::drivers {
namespace {

using abi::Counter;
using abi::DropReason;

/// A poll of a TAP is a system call: not at every pass.
constexpr uint32_t kTwinEvery = 16;

std::span<uint8_t> bytes_of(rte_mbuf* mbuf) {
  return {rte_pktmbuf_mtod(mbuf, uint8_t*), mbuf->data_len};
}

bool is_good(uint64_t flags, uint64_t mask, uint64_t good) {
  return (flags & mask) == good;
}

/// Has the device seen that the packet is whole, but left its transport checksum to us? A virtio device does so with
/// what comes from its own machine.
bool is_left_to_us(const rte_mbuf* mbuf) {
  return is_good(mbuf->ol_flags, RTE_MBUF_F_RX_L4_CKSUM_MASK, RTE_MBUF_F_RX_L4_CKSUM_NONE);
}

bool is_wildcard(const abi::IpAddress& address) {
  return std::ranges::all_of(address.bytes, [](uint8_t byte) { return byte == 0; });
}

abi::Endpoint endpoint(uint8_t version, const uint8_t* address, uint16_t port) {
  abi::Endpoint made;
  made.address.family = version == 4 ? abi::Family::kIpv4 : abi::Family::kIpv6;
  std::memcpy(made.address.bytes.data(), address, version == 4 ? 4 : 16);
  made.port = port;
  return made;
}

/// Makes an outer packet of a frame: starts at the OpenVPN header, PacketMeta filled.
void strip_to_payload(rte_mbuf* mbuf, const Frame& frame, uint16_t port) {
  auto front = static_cast<uint16_t>(kIpOffset + frame.ip.header_length);
  const auto& udp = *reinterpret_cast<const wire::UdpHeader*>(bytes_of(mbuf).data() + front);
  auto length = static_cast<uint16_t>(udp.length.get() - sizeof udp);
  PacketMeta& about = meta(mbuf);
  about.remote = endpoint(frame.ip.version, frame.ip.source, frame.source_port);
  about.local = endpoint(frame.ip.version, frame.ip.destination, frame.destination_port);
  about.port = port;
  mbuf->data_off = static_cast<uint16_t>(mbuf->data_off + front + sizeof udp);
  mbuf->data_len = length;
  mbuf->pkt_len = length;
}

/// Makes an inner packet of a frame: starts at the IP header.
void strip_to_ip(rte_mbuf* mbuf, const Frame& frame) {
  mbuf->data_off = static_cast<uint16_t>(mbuf->data_off + kIpOffset);
  mbuf->data_len = frame.ip_length;
  mbuf->pkt_len = frame.ip_length;
}

}  // namespace

NicPort::NicPort(const EthDevice& device, uint8_t number, uint16_t queue, std::unique_ptr<Twin> twin,
                 const ForwardingTable& table, NicState& state)
    : device_(device), number_(number), queue_(queue), twin_(std::move(twin)), table_(table), state_(state) {}

NicPort::~NicPort() {
  rte_pktmbuf_free_bulk(staged_.data(), static_cast<unsigned>(staged_count_));
}

std::string NicPort::text() const {
  return "port " + std::to_string(number_) + " " + device_.device() + " (driver " + device_.driver() + "), queue " +
         std::to_string(queue_) + ", twin " + twin_->text();
}

bool NicPort::receive(Received& out, abi::Tally& tally) {
  out.outer_count = out.inner_count = 0;
  std::array<rte_mbuf*, kBurst> frames;
  uint16_t count = rte_eth_rx_burst(device_.id(), queue_, frames.data(), frames.size());
  if (passes_++ % kTwinEvery == 0) take_from_twin(tally);
  if (count == 0) return staged_count_ > 0;

  std::array<Candidate, kBurst> candidates;
  size_t kept = 0;
  for (uint16_t i = 0; i < count; ++i) rte_prefetch0(rte_pktmbuf_mtod(frames[i], void*));
  for (uint16_t i = 0; i < count; ++i)
    if (read(frames[i], candidates[kept], tally)) ++kept;
  look_up({candidates.data(), kept});
  for (Candidate& candidate : std::span(candidates).first(kept)) {
    switch (place(candidate, tally)) {
      case Place::kOuter:
        out.outer[out.outer_count++] = candidate.mbuf;
        break;
      case Place::kInner:
        strip_to_ip(candidate.mbuf, candidate.frame);
        out.inner[out.inner_count++] = candidate.mbuf;
        break;
      case Place::kKernel:
        to_kernel(candidate.mbuf);
        break;
      case Place::kDropped:
        rte_pktmbuf_free(candidate.mbuf);
    }
  }
  if (for_kernel_count_ > 0) twin_->tx_burst({for_kernel_.data(), std::exchange(for_kernel_count_, 0)}, tally);
  return true;
}

/// Reads the frame. False: it is dealt with, the kernel's or dropped.
bool NicPort::read(rte_mbuf* mbuf, Candidate& candidate, abi::Tally& tally) {
  std::span<uint8_t> bytes = bytes_of(mbuf);
  candidate.mbuf = mbuf;
  constexpr uint64_t kIpMask = RTE_MBUF_F_RX_IP_CKSUM_MASK;
  bool ip_known = is_good(mbuf->ol_flags, kIpMask, RTE_MBUF_F_RX_IP_CKSUM_GOOD);
  FrameKind kind = mbuf->nb_segs == 1 ? read_frame(bytes, ip_known, candidate.frame) : FrameKind::kMalformed;
  if (kind == FrameKind::kMalformed) {
    tally.drop(DropReason::nic_malformed);
    rte_pktmbuf_free(mbuf);
    return false;
  }
  const auto& ethernet = *reinterpret_cast<const wire::EthernetHeader*>(bytes.data());
  if (ethernet.source == device_.mac()) {
    // Of the kernel's own interface below an AF_PACKET port, or a loop in the network: the twin would take its own
    // address for somebody else's.
    tally.drop(DropReason::nic_own_frame);
    rte_pktmbuf_free(mbuf);
    return false;
  }
  if (kind == FrameKind::kIp && ethernet.destination == device_.mac()) return true;
  if (kind == FrameKind::kIp) finish_checksum(mbuf, candidate.frame);
  to_kernel(mbuf);
  return false;
}

/// Fills in where each packet goes by the kernel's routes.
void NicPort::look_up(std::span<Candidate> candidates) const {
  for (uint8_t version : {4, 6}) {
    std::array<const uint8_t*, kBurst> addresses;
    std::array<uint8_t, kBurst> indices;
    std::array<NextHop, kBurst> hops;
    size_t count = 0;
    for (size_t i = 0; i < candidates.size(); ++i) {
      if (candidates[i].frame.ip.version != version) continue;
      indices[count] = static_cast<uint8_t>(i);
      addresses[count++] = candidates[i].frame.ip.destination;
    }
    if (count == 0) continue;
    table_.look_up(version, {addresses.data(), count}, hops.data());
    for (size_t i = 0; i < count; ++i) candidates[indices[i]].hop = hops[i];
  }
}

NicPort::Place NicPort::place(Candidate& candidate, abi::Tally& tally) const {
  rte_mbuf* mbuf = candidate.mbuf;
  const Frame& frame = candidate.frame;
  if (candidate.hop.kind() == NextHop::Kind::kTun) return place_inner(candidate, tally);
  const Listener* listener =
      candidate.hop.kind() == NextHop::Kind::kLocal && frame.is_udp ? listener_for(frame) : nullptr;
  if (listener == nullptr || is_link_local(frame.ip)) {
    notice_too_big(bytes_of(mbuf), frame);
    finish_checksum(mbuf, frame);
    return Place::kKernel;
  }
  constexpr uint64_t kMask = RTE_MBUF_F_RX_L4_CKSUM_MASK;
  if (!is_good(mbuf->ol_flags, kMask, RTE_MBUF_F_RX_L4_CKSUM_GOOD)) {
    Checksum checksum = check_transport(bytes_of(mbuf), frame);
    if (checksum == Checksum::kWrong || (checksum == Checksum::kPartial && !may_be_partial(mbuf))) {
      tally.drop(DropReason::nic_bad_checksum);
      return Place::kDropped;
    }
  }
  strip_to_payload(mbuf, frame, listener->port);
  return Place::kOuter;
}

/// May the frame's transport checksum cover the pseudo-header only?
bool NicPort::may_be_partial(const rte_mbuf* mbuf) const {
  return device_.may_be_partial() || is_left_to_us(mbuf);
}

/// Before it goes on to who takes whole checksums only.
void NicPort::finish_checksum(rte_mbuf* mbuf, const Frame& frame) const {
  std::span<uint8_t> bytes = bytes_of(mbuf);
  if (may_be_partial(mbuf) && has_partial_checksum(bytes, frame)) complete_checksum(bytes, frame);
}

/// A packet that the kernel would send into the TUN.
NicPort::Place NicPort::place_inner(Candidate& candidate, abi::Tally& tally) const {
  const Frame& frame = candidate.frame;
  std::span<uint8_t> bytes = bytes_of(candidate.mbuf);
  finish_checksum(candidate.mbuf, frame);
  if (frame.hops <= 1 || frame.ip_length > table_.tun_mtu()) return Place::kKernel;  // it answers with ICMP
  if (!may_be_forwarded(frame.ip)) return Place::kKernel;
  NextHop::Kind source = table_.look_up(frame.ip.version, frame.ip.source).kind();
  if (source == NextHop::Kind::kTun) {
    tally.drop(DropReason::outer_inner_source);
    return Place::kDropped;
  }
  // One of our own, that of the tunnel among them: who says so outside is a forger, which the kernel deals with.
  if (source == NextHop::Kind::kLocal) return Place::kKernel;
  take_hop(bytes.data() + kIpOffset);
  return Place::kInner;
}

/// A router says that a tunnel packet of ours was too long for it: the kernel, which gets the message as well, must
/// send to that peer, because it knows the path's MTU.
void NicPort::notice_too_big(std::span<const uint8_t> bytes, const Frame& frame) const {
  std::optional<Refused> refused = read_too_big(bytes, frame);
  if (!refused) return;
  bool ours =
      std::ranges::any_of(listeners_, [&](const Listener& one) { return one.local.port == refused->source_port; });
  if (ours) state_.too_big.push(refused->destination);
}

const Listener* NicPort::listener_for(const Frame& frame) const {
  abi::Family family = frame.ip.version == 4 ? abi::Family::kIpv4 : abi::Family::kIpv6;
  const Listener* wildcard = nullptr;
  for (const Listener& one : listeners_) {
    if (one.local.port != frame.destination_port) continue;
    const abi::IpAddress& address = one.local.address;
    if (is_wildcard(address)) {
      bool both = address.family == abi::Family::kIpv6 && !one.ipv6_only;
      if (address.family == family || both) wildcard = &one;
    } else if (address.family == family &&
               std::memcmp(address.bytes.data(), frame.ip.destination, frame.ip.version == 4 ? 4 : 16) == 0) {
      return &one;
    }
  }
  return wildcard;
}

void NicPort::to_kernel(rte_mbuf* mbuf) {
  for_kernel_[for_kernel_count_++] = mbuf;
}

void NicPort::take_from_twin(abi::Tally& tally) {
  std::array<rte_mbuf*, kBurst / 2> frames;
  uint16_t count = twin_->rx_burst(frames, tally);
  tally.add(Counter::twin_rx_packets, count);
  for (uint16_t i = 0; i < count; ++i) {
    frames[i]->ol_flags = 0;
    stage(frames[i], {}, tally);
  }
}

void NicPort::send(rte_mbuf* packet, const wire::MacAddress& neighbour, Side side, uint16_t bytes, abi::Tally& tally) {
  write_ethernet(rte_pktmbuf_mtod(packet, uint8_t*), neighbour, device_.mac());
  rte_pktmbuf_prepend(packet, sizeof(wire::EthernetHeader));
  stage(packet, {side == Side::kOuter ? Account::Of::kOuter : Account::Of::kInner, bytes}, tally);
}

void NicPort::stage(rte_mbuf* frame, Account account, abi::Tally& tally) {
  accounts_[staged_count_] = account;
  staged_[staged_count_++] = frame;
  if (staged_count_ == staged_.size()) flush(tally);
}

void NicPort::flush(abi::Tally& tally) {
  size_t count = std::exchange(staged_count_, 0);
  if (count == 0) return;
  bool up = state_.has_link.load(std::memory_order_relaxed);
  uint16_t sent = up ? rte_eth_tx_burst(device_.id(), queue_, staged_.data(), static_cast<uint16_t>(count)) : 0;
  count_sent(sent, tally);
  if (sent == count) return;
  tally.drop(up ? DropReason::tx_queue_full : DropReason::tx_port_down, count - sent);
  rte_pktmbuf_free_bulk(&staged_[sent], static_cast<unsigned>(count - sent));
}

/// The first `frames` of what was staged have been sent.
void NicPort::count_sent(size_t frames, abi::Tally& tally) const {
  struct Sum {
    uint64_t packets = 0, bytes = 0;
  };
  std::array<Sum, 3> sums;
  for (const Account& account : std::span(accounts_).first(frames)) {
    Sum& sum = sums[static_cast<size_t>(account.of)];
    ++sum.packets;
    sum.bytes += account.bytes;
  }
  const Sum& outer = sums[static_cast<size_t>(Account::Of::kOuter)];
  const Sum& inner = sums[static_cast<size_t>(Account::Of::kInner)];
  tally.add(Counter::outer_tx_packets, outer.packets);
  tally.add(Counter::outer_tx_bytes, outer.bytes);
  tally.add(Counter::inner_tx_packets, inner.packets);
  tally.add(Counter::inner_tx_bytes, inner.bytes);
}

void count_losses(const std::optional<EthDevice::Losses>& now, EthDevice::Losses& seen, abi::Tally& tally) {
  if (!now) return;
  if (now->missed > seen.missed) tally.drop(DropReason::nic_rx_missed, now->missed - seen.missed);
  if (now->no_buffer > seen.no_buffer) tally.drop(DropReason::mempool_empty, now->no_buffer - seen.no_buffer);
  if (now->rolled_over > seen.rolled_over)
    tally.add(abi::Counter::nic_rx_rolled_over, now->rolled_over - seen.rolled_over);
  seen = *now;
}

}  // namespace culvert::drivers
