// One worker's packet path: the session table, the steps a packet takes, and what goes out because of it. Owned and
// called by one thread; no locks, no sockets, no clock (time is an argument). path.cc shows the order of the steps.
#pragma once

#include <rte_mempool.h>

#include <cstdint>
#include <memory>
#include <span>

#include "dataplane/abi/layout.h"
#include "dataplane/abi/result.h"
#include "dataplane/session/epochs.h"
#include "drivers/port.h"

namespace culvert::aead {
class Engine;
}

namespace culvert::steps {
class HandoffRings;
class TraceMailbox;
}  // namespace culvert::steps

namespace culvert::dataplane {

struct PathContext;

class Path {
 public:
  /// Path of worker `worker` of `link` (mapped, its counts checked), which must outlive it. `packets`: mempool made
  /// with kPacketPrivateSize, for packets that the path makes itself (keepalives, answers, packets of control). `aead`
  /// encrypts and decrypts. The number of sessions is the link's. `limits` are for tests, which reach them sooner.
  /// `rings`, which outlives the path: to the paths of the link's other workers; null: there is none.
  /// Error: no memory for the tables.
  static Result<std::unique_ptr<Path>> make(abi::LinkView link, uint32_t worker, rte_mempool* packets,
                                            aead::Engine& aead, const session::EpochLimits& limits = {},
                                            steps::HandoffRings* rings = nullptr);
  ~Path();
  Path(const Path&) = delete;
  Path& operator=(const Path&) = delete;

  /// Outer port under number `index` (abi::OpenPort::port) from now on; null: there is none. Packets staged for the
  /// port that was there before are sent through it first. Sessions that live on connections of its number keep those;
  /// where it has them not, control is told that they have ended. Ports stay the caller's.
  void set_outer_port(uint16_t index, drivers::Port* port);
  /// Ends the connections of outer port `index`, which is about to be taken away, and tells control of them.
  void end_streams(uint16_t index);
  /// Where inner packets go that belong to no session (the TUN); null: there is none.
  void set_inner_port(drivers::Port* port);

  /// Where somebody who wants to see packets says so; null (as at the start): nobody can. Outlives the path.
  void follow_traces(steps::TraceMailbox* mailbox);

  /// Takes over packets received from an outer port: data packets to where they belong, control packets to control.
  /// `now_ns`: CLOCK_MONOTONIC. Any number of packets; all of them are sent, staged, or freed and counted.
  void outer_burst(std::span<rte_mbuf* const> packets, uint64_t now_ns);
  /// Takes over packets received from the inner port.
  void inner_burst(std::span<rte_mbuf* const> packets, uint64_t now_ns);
  /// Tells control of the connections of outer port `index` that have ended. After their last packets.
  void take_ended_streams(uint16_t index);
  /// Takes a burst of the packets that other workers have handed over. Returns how many.
  size_t take_handed(uint64_t now_ns);
  /// Sends what was staged, each port's packets in one burst. Once per poll pass, after all of its bursts. Returns the
  /// workers that sleep and have been handed packets, a bit for each: ring their doorbells.
  uint64_t flush();

  /// Carries out one command of control, whose fields are not trusted. A command that is refused changes nothing, is
  /// counted and answered with an event. Key material in `command` is wiped in any case.
  void apply(abi::Command& command, uint64_t now_ns);
  /// Stages one packet of control (call in the order and at the time that PacketMessage::after_command demands). Not
  /// trusted.
  void send_control(const abi::PacketMessage& message);

  /// Keepalives, silent peers, progress in the session records, events that found their ring full: a bounded number of
  /// sessions per call. Call it at least when next_tick_ns() has come, more often does no harm.
  void tick(uint64_t now_ns);
  /// CLOCK_MONOTONIC time of the next tick() that has something to do; UINT64_MAX: none (no session, nothing waiting).
  uint64_t next_tick_ns() const;

  /// The last word of a worker that ends in good order: packet-ids that were reserved and not used are the next
  /// dataplane's.
  void give_back_packet_ids();

  /// Makes the counters visible in the link.
  void publish();
  /// True when control sleeps and events or punted packets are there for it: write its eventfd. Ask once per pass.
  bool must_wake_control();
  /// Announces to the other workers that this one is about to sleep. False: they have handed something over already.
  bool prepare_to_sleep();
  void awake();

  /// The worker's counters. The path counts received packets and all it does; ports count what they sent
  /// (outer_tx_*, inner_tx_*) and their own drops; the worker adds its own (polls, sleeps).
  abi::Tally& tally();

  /// Sessions that exist.
  uint32_t session_count() const;

 private:
  explicit Path(std::unique_ptr<PathContext> context);
  std::unique_ptr<PathContext> context_;
};

}  // namespace culvert::dataplane
