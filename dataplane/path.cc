#include "dataplane/path.h"

#include <algorithm>

#include "dataplane/crypto/wipe.h"
#include "dataplane/packet.h"
#include "dataplane/session/apply.h"
#include "dataplane/steps/steps.h"
#include "dataplane/steps/streams.h"

namespace culvert::dataplane {

using abi::trace_direction::kFromClient;
using abi::trace_direction::kToClient;
using steps::Burst;

namespace {

using namespace steps;  // NOLINT(google-build-using-namespace): their names are what is to be read here

// ---- The way of a packet
// ------------------------------------------------------------------------------------------------

// Steps in one `each` are asked of a packet one after another. The next `each` begins where a packet needs lines that
// the one before has sent for.

// Last part of both ways: into a session.
void into_session(Burst& burst, PathContext& context) {
  burst.each(context,                    //
             hand_over(Handed::kInner),  // of another worker: inner_to_outer there
             check_mtu, clamp_mss,       //
             check_room,                 // TCP: what can't be queued must not use up a packet-id
             limit_to_client,            // what its limit does not let through must not either
             add_framing);
  seal(burst, context);  // AEAD
  burst.each(context, send_outer);
}

void outer_to_inner(Burst& burst, PathContext& context) {
  burst.each(context, classify);          // control packets: punted
  burst.each(context,                     //
             find_session,                // by peer-id, or by address
             hand_over(Handed::kOuter));  // to the worker that owns the session: starts from the top there
  steps::open(burst, context);            // AEAD
  burst.each(context,                     //
             check_replay,                // from here on the packet is authentic and new
             follow_peer,                 // float
             remove_framing,              // of compression, which some clients have switched on
             take_tunnel_messages,        // keepalive, OCC: they end here
             check_inner);                // whole IPv4 or IPv6
  burst.each(context,                     //
             check_source,                // inner source routes to this session
             limit_from_client,           //
             clamp_mss,                   //
             route_from_session);         // to the TUN: they end here; to another session: they go on
  into_session(burst, context);
}

void inner_to_outer(Burst& burst, PathContext& context) {
  burst.each(context, check_inner);
  burst.each(context, route_to_session);
  into_session(burst, context);
}

// -------------------------------------------------------------------------------------------------------------------------

using Way = void (*)(Burst&, PathContext&);

/// Packets that go through the steps together: enough for the engine to have several in flight, and few enough that of
/// a receive burst most packets' lines come in beside the work on others.
constexpr size_t kTogether = 16;
static_assert(kTogether <= steps::kBurst);

using Received = std::span<rte_mbuf* const>;

Received next_of(Received& packets) {
  Received next = packets.first(std::min(packets.size(), kTogether));
  packets = packets.subspan(next.size());
  return next;
}

/// Cuts what was received into bursts, fetches the packets' first lines, and sends them their way. Returns the bytes.
/// `direction`: a trace_direction bit. `handed`: by another worker.
uint64_t run(Way way, uint8_t direction, Received packets, PathContext& context, Handed handed = Handed::kNo) {
  uint64_t bytes = 0;
  // Into a session, the tunnel header comes in front.
  const std::ptrdiff_t first_line = direction == kToClient ? -RTE_CACHE_LINE_SIZE : 0;
  Received now = next_of(packets);
  Ahead(now, first_line).finish();
  while (!now.empty()) {
    Received next = next_of(packets);
    Ahead ahead(next, first_line);
    Burst burst(context.tally);
    burst.fetch_beside(&ahead);
    for (rte_mbuf* mbuf : now) bytes += burst.add(mbuf, handed).length;
    if (context.trace.is_on()) [[unlikely]]
      context.trace.begin(burst, direction, context.now_ns);
    way(burst, context);
    ahead.finish();
    now = next;
  }
  context.events.flush();
  return bytes;
}

}  // namespace

Result<std::unique_ptr<Path>> Path::make(abi::LinkView link, uint32_t worker, rte_mempool* packets, aead::Engine& aead,
                                         const session::EpochLimits& limits, steps::HandoffRings* rings) {
  auto table = session::Table::make(link, worker);
  if (!table) return Error{table.error()};
  auto context = std::make_unique<PathContext>(link, worker, packets, aead, *std::move(table), limits, rings);
  return std::unique_ptr<Path>(new Path(std::move(context)));
}

Path::Path(std::unique_ptr<PathContext> context) : context_(std::move(context)) {}
Path::~Path() = default;

void Path::set_outer_port(uint16_t index, drivers::Port* port) {
  context_->transmit.set_outer(index, port);
  if (port != nullptr) steps::claim_streams(*context_, index, *port);
}
void Path::end_streams(uint16_t index) {
  drivers::Port* port = context_->transmit.outer(index);
  if (port == nullptr) return;
  context_->transmit.flush();  // what stands staged for them goes first
  port->end_streams(context_->tally);
  take_ended_streams(index);
}
void Path::set_inner_port(drivers::Port* port) {
  context_->transmit.set_inner(port);
}
void Path::follow_traces(steps::TraceMailbox* mailbox) {
  context_->trace.follow(mailbox);
}
uint64_t Path::flush() {
  context_->transmit.flush();
  uint64_t asleep = context_->handoff.is_alone() ? 0 : context_->handoff.flush();
  context_->trace.between_passes(context_->now_ns);
  return asleep;
}

void Path::outer_burst(std::span<rte_mbuf* const> packets, uint64_t now_ns) {
  context_->now_ns = now_ns;
  context_->tally.add(abi::Counter::outer_rx_packets, packets.size());
  context_->tally.add(abi::Counter::outer_rx_bytes, run(outer_to_inner, kFromClient, packets, *context_));
}

void Path::inner_burst(std::span<rte_mbuf* const> packets, uint64_t now_ns) {
  context_->now_ns = now_ns;
  context_->tally.add(abi::Counter::inner_rx_packets, packets.size());
  context_->tally.add(abi::Counter::inner_rx_bytes, run(inner_to_outer, kToClient, packets, *context_));
}

size_t Path::take_handed(uint64_t now_ns) {
  if (context_->handoff.is_alone()) return 0;
  context_->now_ns = now_ns;
  steps::TakenPackets packets;
  context_->handoff.receive(packets);
  // Each kind keeps its order; between the two there is none.
  if (!packets.outer().empty()) run(outer_to_inner, kFromClient, packets.outer(), *context_, Handed::kOuter);
  if (!packets.inner().empty()) run(inner_to_outer, kToClient, packets.inner(), *context_, Handed::kInner);
  return packets.size();
}

void Path::take_ended_streams(uint16_t index) {
  abi::Endpoint remote;
  bool any = false;
  for (; context_->transmit.take_ended(index, remote); any = true) context_->events.stream_ended(remote, index);
  if (any) context_->events.flush();
}

void Path::apply(abi::Command& command, uint64_t now_ns) {
  using session::Applied;
  context_->now_ns = now_ns;
  Applied applied = steps::apply_with_streams(*context_, command);
  if (applied == Applied::kDone) {
    context_->tally.add(abi::Counter::commands);
  } else {
    context_->tally.add(abi::Counter::commands_refused);
    if (applied == Applied::kInvalid) context_->tally.drop(abi::DropReason::link_bad_message);
    context_->events.refused(command);
    context_->events.flush();
  }
  aead::wipe(command);
}

void Path::send_control(const abi::PacketMessage& message) {
  std::span<const uint8_t> bytes = message.bytes();
  if (bytes.empty()) return context_->tally.drop(abi::DropReason::link_bad_message);
  rte_mbuf* packet = rte_pktmbuf_alloc(context_->packets);
  if (packet == nullptr) return context_->tally.drop(abi::DropReason::mempool_empty);
  packet->data_off = kHeadroom;
  std::copy(bytes.begin(), bytes.end(), rte_pktmbuf_mtod(packet, uint8_t*));
  packet->data_len = static_cast<uint16_t>(bytes.size());
  packet->pkt_len = packet->data_len;
  PacketMeta& to = meta(packet);
  to.remote = message.remote;
  to.local = message.local;
  to.port = message.port;
  if (context_->trace.is_on()) [[unlikely]]
    context_->trace.sent_control(packet, context_->now_ns);
  steps::tell_if_gone(*context_, message);
  if (context_->transmit.to_outer(message.port, packet)) return context_->tally.add(abi::Counter::control_tx_packets);
  context_->tally.drop(abi::DropReason::tx_port_down);
  rte_pktmbuf_free(packet);
}

void Path::tick(uint64_t now_ns) {
  context_->now_ns = now_ns;
  Burst pings(context_->tally);
  steps::sweep(*context_, pings);
  if (context_->trace.is_on() && !pings.empty()) [[unlikely]]
    context_->trace.begin(pings, kToClient, now_ns);
  pings.each(*context_, steps::check_room, steps::add_framing);
  steps::seal(pings, *context_);
  pings.each(*context_, steps::send_outer);
  context_->events.flush();
}

uint64_t Path::next_tick_ns() const {
  constexpr uint64_t kRetryNs = 10'000'000;  // events that wait for a control which doesn't read
  uint64_t sweep = steps::next_sweep_ns(*context_);
  return context_->events.waiting() ? std::min(sweep, context_->now_ns + kRetryNs) : sweep;
}

void Path::give_back_packet_ids() {
  for (uint32_t peer_id : context_->table->live())
    for (session::SendKey* key : context_->table->at(peer_id).send.keys)
      if (key != nullptr) key->give_back_packet_ids();
}

void Path::publish() {
  context_->area.counters.publish(context_->tally);
}

bool Path::must_wake_control() {
  bool events = context_->events.must_wake();
  bool punts = context_->punt.must_wake();
  return events || punts;
}

bool Path::prepare_to_sleep() {
  return context_->handoff.prepare_to_sleep();
}
void Path::awake() {
  context_->handoff.awake();
}

abi::Tally& Path::tally() {
  return context_->tally;
}
uint32_t Path::session_count() const {
  return static_cast<uint32_t>(context_->table->live().size());
}

}  // namespace culvert::dataplane
