#include "dataplane/worker.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "dataplane/clock.h"
#include "dataplane/link/link_memory.h"
#include "dataplane/precedence.h"

namespace culvert::dataplane {

using abi::Counter;
using abi::DropReason;
using abi::RingStatus;

Worker::Worker(abi::WorkerArea& area, Path& path, PortMailbox& ports, Doorbells doorbells)
    : area_(area),
      path_(path),
      mailbox_(ports),
      doorbells_(std::move(doorbells)),
      commands_(area.commands),
      control_out_(area.control_out),
      sleeper_(doorbells_.worker) {}

void Worker::run() {
  while (!stop_.load(std::memory_order_relaxed)) {
    uint64_t now_ns = monotonic_ns();
    rest(now_ns, pass(now_ns));
  }
  take_what_ports_hold(monotonic_ns());
  flush_path();
  flush_nics();
  count_losses(monotonic_ns());
  say_last_words();
}

void Worker::finish() {
  if (!take_handed(monotonic_ns())) return;
  flush_path();
  flush_nics();
  say_last_words();
}

void Worker::say_last_words() {
  publish(monotonic_ns());
  if (path_.must_wake_control()) ring_doorbell(doorbells_.control);
}

void Worker::stop() {
  stop_.store(true, std::memory_order_relaxed);
  ring_doorbell(doorbells_.worker);
}

bool Worker::pass(uint64_t now_ns) {
  area_.heartbeat_ns.store(now_ns, std::memory_order_relaxed);
  adopt_ports(now_ns);
  had_ = packets_ = 0;
  bool busy = receive(now_ns);
  busy |= carry_out_commands(now_ns);
  busy |= send_control_packets();
  if (now_ns >= path_.next_tick_ns()) path_.tick(now_ns);
  flush_path();
  flush_nics();
  check_inner_port();
  path_.tally().add(Counter::polls);
  if (!busy) path_.tally().add(Counter::idle_polls);
  if (now_ns - published_ns_ >= kPublishEvery) publish(now_ns);
  if (path_.must_wake_control()) ring_doorbell(doorbells_.control);
  was_busy_ = busy;
  return busy;
}

/// Takes over the table that the main thread posted, if there is a new one.
void Worker::adopt_ports(uint64_t now_ns) {
  const PortTable* next = mailbox_.take();
  if (!next) return;
  count_losses(now_ns);  // of ports that may be closed now
  outer_.clear();
  sleeper_ = Sleeper(doorbells_.worker);
  to_ask_ = kAllPorts;
  for (uint16_t i = 0; i < abi::kMaxPorts; ++i) {
    drivers::Port* port = next->outer[i].get();
    if (port != (table_ ? table_->outer[i].get() : nullptr)) {
      path_.end_streams(i);
      path_.set_outer_port(i, port);
    }
    if (!port) continue;
    // Beyond 62 ports, several share a bit and are asked together.
    outer_.push_back({i, port, PortPace(port->wake_fd() >= 0), uint64_t{1} << std::min<size_t>(outer_.size(), 62)});
    sleeper_.add(port->wake_fd(), outer_.back().bit);
  }
  if (next->inner.get() != inner_) {
    inner_ = next->inner.get();
    inner_gone_ = false;
    inner_pace_ = PortPace(inner_ && inner_->wake_fd() >= 0);
    mailbox_.report_gone(nullptr);  // before the old port's address can become that of another
    path_.set_inner_port(inner_);
  }
  if (inner_ && !inner_gone_) sleeper_.add(inner_->wake_fd(), kInnerBit);
  for (const auto& nic : next->nics) {
    nic->set_listeners(next->listeners);
    sleeper_.add(-1);  // polled, never asleep
  }
  table_ = next;
  mailbox_.adopt(next);
  ring_doorbell(doorbells_.main);
}

/// One burst from `port`, 0 when it is not its turn. Before the worker sleeps, every port has said that it has nothing
/// since the kernel said that it has something: in a stream all are asked when nothing is left to do; after lone
/// packets, those that had some.
uint16_t Worker::ask(drivers::Port& port, PortPace& pace, uint64_t bit, std::span<rte_mbuf*> burst, uint64_t now_ns) {
  if ((to_ask_ & bit) == 0 || (was_busy_ && !pace.is_due(now_ns))) return 0;
  uint16_t count = port.rx_burst(burst, path_.tally());
  pace.asked(now_ns, count > 0);
  if (count > 0) had_ |= bit;
  packets_ += count;
  return count;
}

/// One burst from each port into the path.
bool Worker::receive(uint64_t now_ns) {
  std::array<rte_mbuf*, kBurst> burst;
  bool busy = false;
  for (OuterPort& outer : outer_) {
    uint16_t count = ask(*outer.port, outer.pace, outer.bit, burst, now_ns);
    if (count > 0) path_.outer_burst(std::span(burst).first(count), now_ns);
    path_.take_ended_streams(outer.index);
    busy = busy || count > 0;
  }
  busy |= receive_from_nics(now_ns);
  busy |= take_handed(now_ns);
  if (!inner_) return busy;
  uint16_t count = ask(*inner_, inner_pace_, kInnerBit, burst, now_ns);
  if (count == 0) return busy;
  path_.inner_burst(std::span(burst).first(count), now_ns);
  return true;
}

/// The last packets of this worker's life: what is still in sockets and TUN waits there for the next dataplane.
void Worker::take_what_ports_hold(uint64_t now_ns) {
  constexpr int kMostBursts = 64;  // of each port: more than it can hold
  std::array<rte_mbuf*, kBurst> burst;
  const auto take = [&](drivers::Port& port, auto into_path) {
    for (int i = 0; i < kMostBursts && port.holds_packets(); ++i)
      if (uint16_t count = port.rx_burst(burst, path_.tally()); count > 0) into_path(std::span(burst).first(count));
  };
  for (OuterPort& outer : outer_) take(*outer.port, [&](auto packets) { path_.outer_burst(packets, now_ns); });
  if (inner_) take(*inner_, [&](auto packets) { path_.inner_burst(packets, now_ns); });
}

/// NIC mode: one burst from each NIC, outer and inner packets to the path; the rest is the kernel's already.
bool Worker::receive_from_nics(uint64_t now_ns) {
  bool busy = false;
  if (!table_) return busy;
  for (const auto& nic : table_->nics) {
    drivers::NicPort::Received received;
    busy |= nic->receive(received, path_.tally());
    if (received.outer_count > 0) path_.outer_burst(std::span(received.outer).first(received.outer_count), now_ns);
    if (received.inner_count > 0) path_.inner_burst(std::span(received.inner).first(received.inner_count), now_ns);
  }
  return busy;
}

/// Takes more than the others hand over in one of their passes, also when packets of all their ports are for this one:
/// what is lost under overload is then lost in front of the ports, before any work was spent on it, not in the rings.
bool Worker::take_handed(uint64_t now_ns) {
  size_t taken = 0;
  while (taken < kHandedPerPass) {
    size_t count = path_.take_handed(now_ns);
    if (count == 0) break;
    taken += count;
  }
  return taken > 0;
}

/// Sends what the path has staged, and wakes workers that it handed something to.
void Worker::flush_path() {
  for (uint64_t asleep = path_.flush(); asleep != 0; asleep &= asleep - 1)
    ring_doorbell(doorbells_.workers[static_cast<size_t>(std::countr_zero(asleep))]);
}

/// Sends what the path has put on NICs.
void Worker::flush_nics() {
  if (!table_) return;
  for (const auto& nic : table_->nics) nic->flush(path_.tally());
}

/// Counts what was lost in front of the ports since the last time.
void Worker::count_losses(uint64_t now_ns) {
  losses_counted_ns_ = now_ns;
  for (const OuterPort& outer : outer_) outer.port->count_losses(path_.tally());
  if (inner_) inner_->count_losses(path_.tally());
  for (size_t i = 0; table_ && i < table_->nics.size(); ++i) table_->nics[i]->count_losses(path_.tally());
  // Of a TUN that is what the main thread has found: it is to ask again when packets have come, of which others may
  // have been lost. While none come, nobody is woken.
  uint64_t packets = path_.tally().counters[static_cast<size_t>(Counter::inner_rx_packets)];
  if (inner_ && std::exchange(inner_packets_then_, packets) != packets) ring_doorbell(doorbells_.main);
}

bool Worker::carry_out_commands(uint64_t now_ns) {
  abi::Command command{};
  size_t done = 0;
  RingStatus status = RingStatus::kOk;
  // The slot is wiped at once: it may have held a key. The path wipes the copy.
  while (done < kCommandsPerPass && (status = commands_.pop(command, true)) == RingStatus::kOk) {
    path_.apply(command, now_ns);
    ++done;
  }
  notice_corruption(commands_corrupt_, status == RingStatus::kCorrupt);
  return done > 0;
}

/// Sends packets of control, each after the commands that were pushed before it.
bool Worker::send_control_packets() {
  size_t done = 0;
  RingStatus status = RingStatus::kOk;
  while (done < kControlPerPass) {
    if (!is_holding_) {
      if ((status = control_out_.pop(held_)) != RingStatus::kOk) break;
      is_holding_ = true;
    }
    if (!may_send(held_)) break;
    is_holding_ = false;
    ++done;
  }
  notice_corruption(control_corrupt_, status == RingStatus::kCorrupt);
  return done > 0 || is_holding_;
}

/// False: `message` must wait for commands that are still in the ring. True: it is dealt with.
bool Worker::may_send(const abi::PacketMessage& message) {
  if (message.after_command > commands_.consumed()) {
    // Its commands were published before it. If they are not there, or too many, the number is false: waiting would be
    // for ever.
    bool possible = !commands_corrupt_ && !commands_.empty() &&
                    message.after_command - commands_.consumed() <= abi::CommandRing::kCapacity;
    if (possible) return false;
    path_.tally().drop(DropReason::link_bad_message);
  } else {
    path_.send_control(message);
  }
  return true;
}

/// Counts once when a ring's index turns impossible, not at every pass. The worker goes on without that ring, and with
/// it again should the index come right.
void Worker::notice_corruption(bool& known, bool corrupt) {
  if (corrupt && !known) path_.tally().drop(DropReason::link_bad_message);
  known = corrupt;
}

void Worker::check_inner_port() {
  if (!inner_ || inner_gone_ || !inner_->is_gone()) return;
  inner_gone_ = true;
  sleeper_.remove(inner_->wake_fd());
  mailbox_.report_gone(inner_);
  ring_doorbell(doorbells_.main);
}

/// Asks the scheduler for what the InterruptPolicy has decided, after each of its windows.
void Worker::adapt_precedence(uint64_t now_ns) {
  if (!interrupts_.passed(now_ns, packets_)) return;
  interrupts_.decide(now_ns, run_delay_.read());
  if (interrupts_.interrupts() == !waits_for_others_ || !may_wait_for_others_) return;
  if (waits_for_others_)
    interrupt_others();
  else
    may_wait_for_others_ = wait_for_others();
  waits_for_others_ = !waits_for_others_ && may_wait_for_others_;
}

void Worker::rest(uint64_t now_ns, bool busy) {
  if (sleeper_.may_sleep()) adapt_precedence(now_ns);
  WaitPolicy::Next next = wait_.passed(now_ns, packets_, busy);
  to_ask_ = wait_.is_lone() && sleeper_.may_sleep() ? had_ : kAllPorts;
  if (next == WaitPolicy::Next::kNap) {
    path_.tally().add(Counter::naps);
    Sleeper::nap(WaitPolicy::kNapNs);
    interrupts_.slept();
  } else if (next == WaitPolicy::Next::kSleep) {
    if (sleep(now_ns)) {
      wait_.slept(now_ns, to_ask_ != 0);
      interrupts_.slept();
    } else {
      to_ask_ = kAllPorts;  // a round over the sessions may go on for many passes, and the kernel was not asked
    }
  }
}

bool Worker::sleep(uint64_t now_ns) {
  if (!sleeper_.may_sleep() || stop_.load(std::memory_order_relaxed)) return false;
  uint64_t due_ns = path_.next_tick_ns();
  if (due_ns <= now_ns) return false;
  publish(now_ns);
  // A corrupt ring is looked at again when the worker wakes for another reason.
  if (!commands_corrupt_ && !commands_.prepare_to_sleep()) return false;
  if (!control_corrupt_ && !control_out_.prepare_to_sleep()) {
    commands_.awake();
    return false;
  }
  if (!path_.prepare_to_sleep()) {
    commands_.awake();
    control_out_.awake();
    return false;
  }
  path_.tally().add(Counter::sleeps);
  to_ask_ = sleeper_.wait(std::min(due_ns - now_ns, kLongestSleep));
  commands_.awake();
  control_out_.awake();
  path_.awake();
  return true;
}

void Worker::publish(uint64_t now_ns) {
  if (now_ns - losses_counted_ns_ >= kCountLossesEvery) count_losses(now_ns);
  path_.publish();
  sessions_.store(path_.session_count(), std::memory_order_relaxed);
  published_ns_ = now_ns;
}

}  // namespace culvert::dataplane
