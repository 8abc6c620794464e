#include "perf/pktgen/traffic.h"

#include <rte_cycles.h>

#include <algorithm>
#include <cstring>

namespace culvert::pktgen {
namespace {

constexpr uint32_t kChecksumEvery = 16;  ///< received outer packets whose UDP checksum is looked at: one of so many

std::span<uint8_t> frame_bytes(rte_mbuf* frame) {
  return {rte_pktmbuf_mtod(frame, uint8_t*), frame->data_len};
}

void set_length(rte_mbuf* frame, size_t length) {
  frame->data_len = static_cast<uint16_t>(length);
  frame->pkt_len = static_cast<uint32_t>(length);
}

}  // namespace

Traffic::Traffic(const TrafficParts& parts, const Options& options, const ClientGrid& grid, const OuterEnd& gateway)
    : parts_(parts),
      grid_(grid),
      gateway_(gateway),
      flows_(options.flows),
      udp_checksum_(options.udp_checksum),
      outer_brings_(options.loopback ? Way::kIn : Way::kOut),
      inner_brings_(options.loopback ? Way::kOut : Way::kIn),
      host_(options.inner_address) {
  outer_.reserve(grid.clients);
  for (uint32_t client = 0; client < grid.clients; ++client) {
    OuterEnd end = grid.end_of(client);
    outer_.emplace_back(options.loopback ? gateway : end, options.loopback ? end : gateway, parts.outer.mac(),
                        *parts.outer.gateway_mac());
  }
  inner_ethernet_ = {*parts.inner.gateway_mac(), parts.inner.mac(), {}};
  inner_ethernet_.type.set(wire::kEtherIpv4);
}

void Traffic::prepare_packets() {
  packets_of_.clear();
  packets_of_.reserve(grid_.clients);
  for (uint32_t client = 0; client < grid_.clients; ++client)
    packets_of_.emplace_back(parts_.clients.tunnel(client).inner(), host_, flows_);
}

uint16_t Traffic::next_size() {
  if (size_ != kImix) return static_cast<uint16_t>(size_);
  constexpr std::array<uint16_t, 12> kMix = {64, 576, 64, 64, 576, 64, 1400, 64, 576, 64, 64, 576};
  return kMix[made_++ % kMix.size()];
}

uint32_t Traffic::send(Way way, uint32_t count) {
  count = std::min<uint32_t>(count, NetPort::kBurst);
  std::array<rte_mbuf*, NetPort::kBurst> burst;
  std::span frames = std::span(burst).first(count);
  if (count == 0 || rte_pktmbuf_alloc_bulk(parts_.packets, burst.data(), count) != 0) return 0;
  uint32_t made = way == Way::kIn ? fill_in(frames) : fill_out(frames);
  if (made < count) rte_pktmbuf_free_bulk(burst.data() + made, count - made);
  uint16_t sent = (way == Way::kIn ? parts_.outer : parts_.inner).send(frames.first(made));
  WayCounts& counts = parts_.judge.counts().of(way);
  counts.sent += sent;
  counts.refused += made - sent;
  return made;
}

/// Tunnel packets of the clients. Returns how many: a client may be without a key for a moment.
uint32_t Traffic::fill_in(std::span<rte_mbuf*> frames) {
  std::array<aead::Job, NetPort::kBurst> jobs;
  std::array<uint32_t, NetPort::kBurst> clients;
  uint32_t made = 0;
  uint32_t& turn = turn_[static_cast<size_t>(Way::kIn)];
  for (size_t tried = 0; tried < frames.size(); ++tried) {
    uint32_t client = turn;
    turn = turn + 1 < grid_.clients ? turn + 1 : 0;
    Tunnel& tunnel = parts_.clients.tunnel(client);
    if (!tunnel.can_send()) continue;
    uint16_t size = next_size();
    uint8_t* header = rte_pktmbuf_mtod(frames[made], uint8_t*) + kOuterHeaders;
    Stamp stamp{
        magic_of(Way::kIn), parts_.judge.trial(), client, parts_.judge.next_number(client, Way::kIn), rte_rdtsc(), 0};
    packets_of_[client].write(header + kTunnelHeader, size, Way::kIn, stamp);
    jobs[made] = tunnel.seal_job(header, size);
    clients[made] = client;
    set_length(frames[made], kOuterHeaders + kTunnelHeader + size);
    ++made;
  }
  parts_.engine.seal(std::span(jobs).first(made));
  for (uint32_t i = 0; i < made; ++i)
    outer_[clients[i]].write(rte_pktmbuf_mtod(frames[i], uint8_t*),
                             static_cast<uint16_t>(kTunnelHeader + jobs[i].length), udp_checksum_);
  return made;
}

/// Packets of the host to the clients' inner addresses.
uint32_t Traffic::fill_out(std::span<rte_mbuf*> frames) {
  uint32_t& turn = turn_[static_cast<size_t>(Way::kOut)];
  for (rte_mbuf* frame : frames) {
    uint32_t client = turn;
    turn = turn + 1 < grid_.clients ? turn + 1 : 0;
    uint16_t size = next_size();
    uint8_t* at = rte_pktmbuf_mtod(frame, uint8_t*);
    std::memcpy(at, &inner_ethernet_, sizeof inner_ethernet_);
    Stamp stamp{
        magic_of(Way::kOut), parts_.judge.trial(), client, parts_.judge.next_number(client, Way::kOut), rte_rdtsc(), 0};
    packets_of_[client].write(at + sizeof inner_ethernet_, size, Way::kOut, stamp);
    set_length(frame, sizeof inner_ethernet_ + size);
  }
  return static_cast<uint32_t>(frames.size());
}

bool Traffic::receive() {
  std::array<rte_mbuf*, NetPort::kBurst> burst;
  uint16_t outer = parts_.outer.receive(burst);
  if (outer > 0) {
    take_outer(std::span(burst).first(outer), rte_rdtsc());
    rte_pktmbuf_free_bulk(burst.data(), outer);
  }
  uint16_t inner = parts_.inner.receive(burst);
  if (inner > 0) {
    take_inner(std::span(burst).first(inner), rte_rdtsc());
    rte_pktmbuf_free_bulk(burst.data(), inner);
  }
  return outer + inner > 0;
}

void Traffic::take_outer(std::span<rte_mbuf*> frames, uint64_t now_tsc) {
  std::array<aead::Job, NetPort::kBurst> jobs;
  std::array<uint32_t, NetPort::kBurst> clients;
  size_t count = 0;
  control_.clear();
  for (rte_mbuf* frame : frames)
    if (sort_outer(frame, clients[count], jobs[count])) ++count;
  parts_.engine.open(std::span(jobs).first(count));
  for (size_t i = 0; i < count; ++i) take_opened(jobs[i], clients[i], now_tsc);
  // Last, because a control packet may take away a key that a job points to.
  for (const auto& [client, payload] : control_) parts_.clients.receive(client, payload, io::now());
}

bool Traffic::sort_outer(rte_mbuf* frame, uint32_t& client, aead::Job& job) {
  Counts& counts = parts_.judge.counts();
  auto view = read_outer(frame_bytes(frame));
  if (!view || view->source != gateway_) {
    ++counts.foreign;
    return false;
  }
  auto found = grid_.client_at(view->destination);
  auto opcode = wire::read_opcode(view->payload);
  if (!found || !opcode) {
    ++counts.foreign;
    return false;
  }
  if (++received_ % kChecksumEvery == 0 && !udp_checksum_is_right(frame_bytes(frame), view->payload.size())) {
    ++counts.of(outer_brings_).damaged;
    return false;
  }
  client = *found;
  if (!wire::is_data(opcode->opcode)) {
    control_.emplace_back(client, view->payload);
    return false;
  }
  job = parts_.clients.tunnel(client).open_job(view->payload);
  if (job.key != nullptr) return true;
  ++counts.of(outer_brings_).damaged;
  return false;
}

void Traffic::take_opened(const aead::Job& job, uint32_t client, uint64_t now_tsc) {
  if (!job.authentic) {
    ++parts_.judge.counts().of(outer_brings_).damaged;
    return;
  }
  const TunnelKey* key = parts_.clients.tunnel(client).key(job.aad[0]);
  if (key != nullptr && !key->was_used) parts_.clients.note_use(client, job.aad[0] & wire::kKeyIdMask, io::now());
  if (job.length < wire::kSmallestInnerPacket) return;  // a keepalive
  if (packets_of_.empty()) {
    ++parts_.judge.counts().foreign;
    return;
  }
  parts_.judge.judge({job.text, job.length}, outer_brings_, client, now_tsc,
                     [&](uint32_t each) -> const InnerPackets& { return packets_of_[each]; });
}

void Traffic::take_inner(std::span<rte_mbuf*> frames, uint64_t now_tsc) {
  for (rte_mbuf* frame : frames) {
    std::span<uint8_t> bytes = frame_bytes(frame);
    wire::EthernetHeader ethernet;
    if (packets_of_.empty() || bytes.size() < sizeof ethernet + wire::kSmallestInnerPacket) {
      ++parts_.judge.counts().foreign;
      continue;
    }
    // A short frame may be padded: the packet says how long it is.
    auto* ip = reinterpret_cast<const wire::Ipv4Header*>(bytes.data() + sizeof ethernet);
    size_t length = std::min<size_t>(ip->total_length.get(), bytes.size() - sizeof ethernet);
    auto packet = bytes.subspan(sizeof ethernet, length);
    Stamp stamp;
    uint32_t client =
        inner_brings_ == Way::kOut && read_stamp(packet, Way::kOut, stamp) == Origin::kOurs ? stamp.client : 0;
    parts_.judge.judge(packet, inner_brings_, client, now_tsc,
                       [&](uint32_t each) -> const InnerPackets& { return packets_of_[each]; });
  }
}

void Traffic::send_payload(uint32_t client, std::span<const uint8_t> payload) {
  rte_mbuf* frame = rte_pktmbuf_alloc(parts_.packets);
  if (frame == nullptr) return;  // lost, as on a wire; the engine repeats it
  uint8_t* at = rte_pktmbuf_mtod(frame, uint8_t*);
  std::memcpy(at + kOuterHeaders, payload.data(), payload.size());
  outer_[client].write(at, static_cast<uint16_t>(payload.size()), true);
  set_length(frame, kOuterHeaders + payload.size());
  parts_.outer.send({&frame, 1});
}

}  // namespace culvert::pktgen
