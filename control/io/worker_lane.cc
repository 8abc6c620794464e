#include "control/io/worker_lane.h"

#include <poll.h>
#include <unistd.h>

#include "control/io/link_checks.h"
#include "control/io/secrets.h"

namespace culvert::io {
namespace {

// Per pass: events first (they are few and end sessions), then peers that are known, then strangers.
constexpr unsigned kEventsPerPass = 256;
constexpr unsigned kKnownPerPass = 64;
constexpr unsigned kNewPerPass = 32;

void ring_bell(const Fd& bell) {
  // O_NONBLOCK belongs to both processes, and the neighbour may have taken it away: ask before writing. A bell that has
  // no room for another ring has been rung.
  pollfd writable{bell.get(), POLLOUT, 0};
  if (poll(&writable, 1, 0) != 1) return;
  uint64_t one = 1;
  (void)!write(bell.get(), &one, sizeof one);
}

}  // namespace

WorkerLane::WorkerLane(uint32_t worker, std::shared_ptr<LinkMapping> mapping, Fd worker_bell, Fd control_bell)
    : worker_(worker),
      mapping_(std::move(mapping)),
      worker_bell_(std::move(worker_bell)),
      control_bell_(std::move(control_bell)),
      // Room to install every session with both its keys, and some more.
      backlog_limit_(4 * size_t{mapping_->view().sessions()} + 1024) {
  attach_rings();
}

WorkerLane::~WorkerLane() {
  for (abi::Command& command : backlog_) wipe_if_secret(command);
}

void WorkerLane::reattach(std::shared_ptr<LinkMapping> mapping, Fd worker_bell, Fd control_bell) {
  mapping_ = std::move(mapping);
  worker_bell_ = std::move(worker_bell);
  control_bell_ = std::move(control_bell);
  attached_ = true;
  attach_rings();
}

void WorkerLane::attach_rings() {
  commands_ = abi::Producer(area().commands);
  packets_ = abi::Producer(area().control_out);
  events_ = abi::Consumer(area().events);
  punt_known_ = abi::Consumer(area().punt_known);
  punt_new_ = abi::Consumer(area().punt_new);
}

bool WorkerLane::push(const abi::Command& command) {
  if (attached_ && backlog_.empty() && commands_.push(command) == abi::RingStatus::kOk) return true;
  if (backlog_.size() >= backlog_limit_) return false;
  backlog_.push_back(command);
  return true;
}

bool WorkerLane::push_packet(abi::PacketMessage& packet) {
  if (!attached_) return false;
  // Commands that still wait get the next sequence numbers, in order, because nothing overtakes them.
  packet.after_command = commands_.published() + backlog_.size();
  return packets_.push(packet) == abi::RingStatus::kOk;
}

void WorkerLane::flush() {
  if (!attached_) return;
  while (!backlog_.empty() && commands_.push(backlog_.front()) == abi::RingStatus::kOk) {
    wipe_if_secret(backlog_.front());
    backlog_.pop_front();
  }
  bool wake = commands_.must_wake();
  wake = packets_.must_wake() || wake;
  if (wake) ring_bell(worker_bell_);
}

bool WorkerLane::drain_events(LaneSink& sink) {
  for (unsigned i = 0; i < kEventsPerPass; ++i) {
    abi::Event event;
    abi::RingStatus status = events_.pop(event);
    if (status == abi::RingStatus::kCorrupt) sink.on_bad_message(worker_);
    if (status != abi::RingStatus::kOk) return status == abi::RingStatus::kEmpty;
    if (plausible(event, mapping_->view().sessions()))
      sink.on_event(worker_, event);
    else
      sink.on_bad_message(worker_);
  }
  return true;
}

bool WorkerLane::drain_punts(abi::Consumer<abi::PacketMessage, abi::PacketRing::kCapacity>& ring, unsigned limit,
                             LaneSink& sink) {
  for (unsigned i = 0; i < limit; ++i) {
    abi::PacketMessage packet;
    abi::RingStatus status = ring.pop(packet);
    if (status == abi::RingStatus::kCorrupt) sink.on_bad_message(worker_);
    if (status != abi::RingStatus::kOk) return status == abi::RingStatus::kEmpty;
    if (plausible(packet))
      sink.on_punt(worker_, packet);
    else
      sink.on_bad_message(worker_);
  }
  return true;
}

bool WorkerLane::drain(LaneSink& sink, bool newcomers) {
  bool events_sound = drain_events(sink);
  bool known_sound = drain_punts(punt_known_, kKnownPerPass, sink);
  bool new_sound = newcomers && drain_punts(punt_new_, kNewPerPass, sink);
  // A ring with an impossible index never looks empty: looking again at once would burn a core for nothing.
  bool more = events_sound && !events_.prepare_to_sleep();
  more = (known_sound && !punt_known_.prepare_to_sleep()) || more;
  more = (new_sound && !punt_new_.prepare_to_sleep()) || more;
  return more;
}

}  // namespace culvert::io
