#include "dataplane/steps/trace.h"

#include <cstring>

#include "dataplane/packet.h"
#include "dataplane/session/table.h"
#include "dataplane/steps/burst.h"
#include "dataplane/wire/ip.h"
#include "dataplane/wire/udp.h"

namespace culvert::steps {
namespace {

using abi::PacketContent;

abi::SessionRef ref_of(const session::Session* session) {
  return session == nullptr ? abi::SessionRef{abi::kNoPeerId, 0} : session->ref();
}

/// Addresses and ports of the packet inside, when it is one.
void read_inner(std::span<const uint8_t> bytes, abi::TraceEntry& entry) {
  auto ip = wire::read_ip(bytes);
  if (!ip) return;
  size_t size = ip->version == 4 ? 4 : 16;
  entry.inner_version = ip->version;
  entry.inner_protocol = ip->protocol;
  std::memcpy(entry.inner_source.data(), ip->source, size);
  std::memcpy(entry.inner_destination.data(), ip->destination, size);
  bool has_ports = ip->protocol == wire::kProtocolTcp || ip->protocol == wire::kProtocolUdp;
  if (!has_ports || ip->later_fragment || bytes.size() < size_t{ip->header_length} + 4) return;
  const auto* ports = reinterpret_cast<const wire::be16*>(&bytes[ip->header_length]);
  entry.inner_source_port = ports[0].get();
  entry.inner_destination_port = ports[1].get();
}

}  // namespace

void Trace::adopt(TracePlan* plan) {
  plan_ = plan;
  until_next_ = 0;
  seen_ = tally_;
  looked_ns_ = 0;
  mailbox_->adopt(plan);
}

/// Packets that ports have dropped, or that were dropped before they stood in a burst: nothing but reason and number.
void Trace::tell_other_drops(uint64_t now_ns) {
  looked_ns_ = now_ns;
  const abi::TraceRequest& what = plan_->what;
  bool of_anybody = what.session.peer_id == abi::kNoPeerId && what.remote.family == abi::Family::kNone;
  for (uint16_t i = 0; i < abi::kDropReasonCount; ++i) {
    uint64_t count = tally_.drops[i] - seen_.drops[i];
    if (count == 0) [[likely]]
      continue;
    seen_.drops[i] = tally_.drops[i];
    if (!of_anybody || (what.reason != abi::kNoDropReason && what.reason != i)) continue;
    abi::TraceEntry& entry = clear(0).entry;
    entry.time_ns = now_ns;
    entry.reason = i;
    entry.direction = 0;
    entry.count = static_cast<uint32_t>(count);
    constexpr std::string_view kNoStep = "elsewhere";
    std::copy(kNoStep.begin(), kNoStep.end(), entry.step.begin());
    plan_->ring.write(entry, {});
  }
}

void Trace::begin(Burst& burst, uint8_t direction, uint64_t now_ns) {
  now_ns_ = now_ns;
  direction_ = direction;
  const abi::TraceRequest& what = plan_->what;
  // Drops are whole when they are told, so to show nothing else needs no notes; except for the bytes, which steps
  // change.
  bool needs_notes =
      (what.directions & direction) != 0 && (what.drops_only == 0 || what.content != PacketContent::kNone);
  bool every_one = what.every == 1 || what.drops_only != 0;
  size_t size = burst.size();
  if (!needs_notes || (!every_one && until_next_ >= size)) {
    if (needs_notes) until_next_ -= size;
    return burst.watch(this, false);
  }
  std::span<Packet> packets = burst.packets();
  uint8_t noted = 0;
  for (Packet& packet : packets) {
    bool is_chosen = every_one || until_next_ == 0;
    if (!every_one) until_next_ = is_chosen ? what.every - 1 : until_next_ - 1;
    packet.note = is_chosen ? noted : kNotNoted;
    if (is_chosen) clear(noted++);
  }
  burst.watch(this, true);
}

Trace::Note& Trace::clear(uint8_t index) {
  Note& note = notes_[index];
  note = {};
  note.entry.direction = direction_;
  note.entry.time_ns = now_ns_;
  note.entry.count = 1;
  note.entry.reason = abi::kNoDropReason;
  return note;
}

std::span<uint8_t> Trace::bytes_of(uint8_t index) const {
  return plan_->scratch.subspan(size_t{index} * plan_->what.snap, plan_->what.snap);
}

void Trace::observe(const Packet& packet, StepName step, Note& note, std::span<const uint8_t>& bytes) const {
  abi::TraceEntry& entry = note.entry;
  bool is_inner = step.content() == PacketContent::kInner;
  if (note.session == nullptr) note.session = packet.session;
  if (direction_ == abi::trace_direction::kFromClient && entry.remote.address.family == abi::Family::kNone) {
    const PacketMeta& from = meta(packet.mbuf);
    entry.remote = from.remote;
    entry.local = from.local;
  } else if (direction_ == abi::trace_direction::kToClient && packet.session != nullptr) {
    entry.remote = packet.session->where.remote;
    entry.local = packet.session->send.local;
  }
  if (is_inner) {
    entry.inner_length = packet.length;
    if (entry.inner_version == 0) read_inner({packet.data, packet.length}, entry);  // steps don't change what it reads
  } else if (entry.outer_length == 0) {
    entry.outer_length = packet.length;
  }
  if (step.content() != plan_->what.content) return;
  bytes = {packet.data, std::min<size_t>(packet.length, plan_->what.snap)};
}

void Trace::look(const Packet& packet, const StepName& step) {
  Note& note = notes_[packet.note];
  bool has_outer_already = note.entry.captured != 0 && plan_->what.content == PacketContent::kOuter;
  if (has_outer_already && step.content() == PacketContent::kOuter) {
    // Between two clients: what came was one tunnel packet, what leaves is another.
    tell(packet, note, bytes_of(packet.note).first(note.entry.captured), abi::kNoDropReason, step);
    note.entry.outer_length = 0;
    note.entry.remote = packet.session->where.remote;
    note.entry.local = packet.session->send.local;
  }
  std::span<const uint8_t> bytes;
  observe(packet, step, note, bytes);
  if (bytes.empty()) return;
  note.entry.content = step.content();
  note.entry.captured = static_cast<uint32_t>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), bytes_of(packet.note).begin());
}

void Trace::taken(const Packet& packet, const StepName& step) {
  if (packet.note == kNotNoted || plan_->what.drops_only != 0) return;
  Note& note = notes_[packet.note];
  tell(packet, note, bytes_of(packet.note).first(note.entry.captured), abi::kNoDropReason, step);
}

void Trace::dropped(const Packet& packet, abi::DropReason reason, const StepName& step) {
  ++seen_.drops[static_cast<size_t>(reason)];
  const abi::TraceRequest& what = plan_->what;
  auto index = static_cast<uint16_t>(reason);
  if ((what.directions & direction_) == 0 || (what.reason != abi::kNoDropReason && what.reason != index)) return;
  bool is_noted = packet.note != kNotNoted;
  if (!is_noted && what.drops_only == 0) return;
  Note& note = is_noted ? notes_[packet.note] : clear(0);
  std::span<const uint8_t> bytes;
  if (is_noted) bytes = bytes_of(packet.note).first(note.entry.captured);
  // What was received is told as it came: `open` works in place.
  bool keep = is_noted && note.entry.captured != 0 && what.content == PacketContent::kOuter;
  std::span<const uint8_t> now = bytes;
  observe(packet, step, note, now);
  if (!keep) bytes = now;
  if (!bytes.empty()) note.entry.content = what.content;
  tell(packet, note, bytes, index, step);
}

void Trace::tell(const Packet& packet, Note& note, std::span<const uint8_t> bytes, uint16_t reason, StepName step) {
  if (!fits(packet, note)) return;
  const abi::TraceRequest& what = plan_->what;
  if (what.drops_only != 0 && what.every > 1) {
    if (until_next_ != 0) return void(--until_next_);
    until_next_ = what.every - 1;
  }
  abi::TraceEntry& entry = note.entry;
  const session::Session* first = note.session == nullptr ? packet.session : note.session;
  entry.session = ref_of(first);
  entry.to = ref_of(packet.session == first ? nullptr : packet.session);
  entry.reason = reason;
  entry.step = {};
  std::string_view name = step.text().substr(0, entry.step.size() - 1);
  std::copy(name.begin(), name.end(), entry.step.begin());
  plan_->ring.write(entry, bytes);
}

bool Trace::fits(const Packet& packet, const Note& note) const {
  const abi::TraceRequest& what = plan_->what;
  const abi::Endpoint& remote = note.entry.remote;
  if (what.remote.family != abi::Family::kNone && what.remote != remote.address) return false;
  if (what.session.peer_id == abi::kNoPeerId) return true;
  if (is_wanted(packet.session) || is_wanted(note.session)) return true;
  return packet.session == nullptr && comes_from_wanted(remote);
}

bool Trace::is_wanted(const session::Session* session) const {
  return session != nullptr && session->ref() == plan_->what.session;
}

/// What can't be told to be of a session by its peer-id: control packets, and those that name none.
bool Trace::comes_from_wanted(const abi::Endpoint& remote) const {
  const session::Session* session = table_.find(plan_->what.session.peer_id);
  return is_wanted(session) && session->where.remote == remote;
}

void Trace::sent_control(const rte_mbuf* mbuf, uint64_t now_ns) {
  const abi::TraceRequest& what = plan_->what;
  if ((what.directions & abi::trace_direction::kToClient) == 0 || what.drops_only != 0 || what.every != 1) return;
  direction_ = abi::trace_direction::kToClient;
  now_ns_ = now_ns;
  Note& note = clear(0);
  const PacketMeta& to = meta(const_cast<rte_mbuf*>(mbuf));
  note.entry.remote = to.remote;
  note.entry.local = to.local;
  note.entry.outer_length = mbuf->data_len;
  std::span<const uint8_t> bytes;
  if (what.content == PacketContent::kOuter)
    bytes = {rte_pktmbuf_mtod(mbuf, const uint8_t*), std::min<size_t>(mbuf->data_len, what.snap)};
  if (!bytes.empty()) note.entry.content = PacketContent::kOuter;
  Packet packet{};  // a control packet is nobody's until its address says whose
  tell(packet, note, bytes, abi::kNoDropReason, StepName("send_control"));
}

}  // namespace culvert::steps
