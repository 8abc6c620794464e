#include "dataplane/steps/sweep.h"

#include <algorithm>

#include "dataplane/packet.h"
#include "dataplane/session/publish.h"
#include "dataplane/steps/context.h"

namespace culvert::steps {
namespace {

using dataplane::PathContext;
using session::Session;

constexpr uint64_t seconds(uint16_t count) {
  return uint64_t{count} * 1'000'000'000;
}

// Says it again after each further interval of silence: control may have been away.
void watch_peer(Session& session, PathContext& context) {
  if (session.ping_timeout == 0) return;
  uint64_t since = std::max(session.receive.last_ns, session.timeout_reported_ns);
  if (context.now_ns < since + seconds(session.ping_timeout)) return;
  session.timeout_reported_ns = context.now_ns;
  context.events.timed_out(session);
}

void ping_when_due(Session& session, PathContext& context, Burst& pings) {
  if (session.ping_interval == 0 || session.send.key == nullptr) return;
  if (context.now_ns < session.send.last_ns + seconds(session.ping_interval)) return;
  rte_mbuf* mbuf = rte_pktmbuf_alloc(context.packets);
  if (mbuf == nullptr) {
    context.tally.drop(abi::DropReason::mempool_empty);
    return;
  }
  mbuf->data_off = kHeadroom;
  Packet& ping = pings.add(mbuf);
  std::copy(wire::kPingMagic.begin(), wire::kPingMagic.end(), ping.data);
  ping.length = wire::kPingMagic.size();
  ping.session = &session;
  context.tally.add(abi::Counter::pings_sent);
}

void tend_keys(Session& session, PathContext& context) {
  if (!session.has_epochs) return;
  uint8_t ending = session::tend_epochs(context.aead, session, context.epoch_limits);
  for (uint8_t key_id = 0; key_id < session::kKeyIds; ++key_id)
    if ((ending >> key_id & 1) != 0) context.events.near_limit(session, key_id);
}

}  // namespace

void sweep(PathContext& context, Burst& pings) {
  static_assert(kSweepSessions <= kBurst, "each session may add a ping");
  SweepState& state = context.sweep;
  if (!state.in_round) {
    if (context.now_ns < state.round_started_ns + kRoundNs) return;
    state = {context.now_ns, 0, true};
  }
  auto live = context.table->live();
  size_t end = std::min<size_t>(live.size(), size_t{state.next} + kSweepSessions);
  for (; state.next < end; ++state.next) {
    Session& session = context.table->at(live[state.next]);
    session::publish(session, context.table->record(session));
    watch_peer(session, context);
    tend_keys(session, context);
    ping_when_due(session, context, pings);
  }
  state.in_round = state.next < live.size();
}

uint64_t next_sweep_ns(const PathContext& context) {
  if (context.table->live().empty()) return UINT64_MAX;
  return context.sweep.in_round ? 0 : context.sweep.round_started_ns + kRoundNs;
}

}  // namespace culvert::steps
