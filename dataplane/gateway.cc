#include "dataplane/gateway.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "dataplane/clock.h"
#include "dataplane/kept_names.h"
#include "dataplane/link/link_memory.h"

namespace culvert::dataplane {

Gateway::Gateway(std::vector<WorkerEnd> workers, Options options)
    : workers_(std::move(workers)),
      options_(std::move(options)),
      store_(options_.store != nullptr ? *options_.store : no_store_) {
  for (uint16_t worker = 0; worker < workers_.size(); ++worker) {
    PortTable& table = *tables_.emplace_back(std::make_unique<PortTable>());
    if (options_.nics) table.nics = options_.nics->ports(worker);
    workers_[worker].mailbox->post(&table);
  }
  if (auto watch = drivers::TunWatch::open())
    tun_watch_ = std::move(*watch);
  else
    log("note: a TUN that is set down and up again will lack IPv6 addresses and routes: " + watch.error());
}

/// What the NICs are to take for outer packets, by outer_.
std::vector<drivers::Listener> Gateway::listeners() const {
  std::vector<drivers::Listener> list;
  for (uint16_t i = 0; options_.nics && i < abi::kMaxPorts; ++i)
    if (const auto* udp = std::get_if<drivers::UdpSettings>(&outer_[i]); udp && takes_from_nics(*udp))
      list.push_back({udp->local, udp->ipv6_only, i});
  return list;
}

void Gateway::log(const std::string& line) const {
  if (options_.log) options_.log(line);
}

Gateway::Ports Gateway::copy_of_ports() const {
  Ports copy;
  for (const auto& table : tables_) copy.push_back(std::make_unique<PortTable>(*table));
  return copy;
}

bool Gateway::are_adopted() const {
  for (size_t worker = 0; worker < workers_.size(); ++worker)
    if (!workers_[worker].mailbox->is_adopted(tables_[worker].get())) return false;
  return true;
}

/// Waits for the workers to adopt tables_, on the main thread's doorbell.
bool Gateway::wait_until_adopted() {
  for (const WorkerEnd& worker : workers_) ring_doorbell(worker.doorbell);
  uint64_t give_up_ns = monotonic_ns() + options_.adopt_deadline_ns;
  while (!are_adopted()) {
    uint64_t now_ns = monotonic_ns();
    if (now_ns >= give_up_ns) return false;
    pollfd bell{options_.main_doorbell, POLLIN, 0};
    if (poll(&bell, 1, static_cast<int>((give_up_ns - now_ns) / 1'000'000 + 1)) > 0) {
      uint64_t rings = 0;
      [[maybe_unused]] ssize_t got = read(options_.main_doorbell, &rings, sizeof rings);
    }
  }
  return true;
}

/// Makes `next` the workers' ports. Ports that are not in it are closed when this returns without error.
Status Gateway::hand_over(Ports next) {
  if (takeover_ends_ns_ != UINT64_MAX && store_.has_untaken()) {
    retired_.push_back(std::exchange(tables_, std::move(next)));  // the workers still have it
    return {};
  }
  std::vector<drivers::Listener> heard = listeners();
  for (size_t worker = 0; worker < workers_.size(); ++worker) {
    next[worker]->listeners = heard;
    workers_[worker].mailbox->post(next[worker].get());
  }
  std::swap(tables_, next);
  bool adopted = wait_until_adopted();
  look_at_losses();  // a ring may have asked for it as well
  if (adopted) {
    retired_.clear();
    return {};
  }
  retired_.push_back(std::move(next));
  return Error{"a worker does not answer: the new ports are in use as soon as it does"};
}

Status Gateway::close_port(uint16_t index) {
  Ports next = copy_of_ports();
  log("closing port " + std::to_string(index) + ", " + next[0]->outer[index]->name());
  for (auto& table : next) table->outer[index] = nullptr;
  const OuterSettings before = std::exchange(outer_[index], {});
  Status done = hand_over(std::move(next));
  store_.forget(kept_names(before, workers_.size()));
  return done;
}

/// Opens a port where there is none, or another one in its place. Where it can't be opened, what there was stays.
Status Gateway::start_port(uint16_t index, const OuterSettings& settings) {
  auto ports = make_ports(index, settings);
  if (!ports) return Error{ports.error()};
  Ports next = copy_of_ports();
  for (size_t worker = 0; worker < workers_.size(); ++worker) next[worker]->outer[index] = std::move((*ports)[worker]);
  log("port " + std::to_string(index) + ": " + next[0]->outer[index]->name());
  const OuterSettings before = std::exchange(outer_[index], settings);
  Status done = hand_over(std::move(next));
  store_.forget(kept_names(before, workers_.size()));
  return done;
}

Result<std::string> Gateway::open_port(const abi::OpenPort& request) {
  begin_takeover();
  uint16_t index = request.port;
  OuterSettings settings = settings_of(request, workers_.size() > 1);
  const OuterSettings before = outer_[index];
  if (before == settings) return std::string();
  // The old sockets would be in the way of the new ones.
  const bool in_the_way =
      tables_[0]->outer[index] && before.index() == settings.index() && local_port(before) == request.local.port;
  if (in_the_way)
    if (auto closed = close_port(index); !closed) return Error{closed.error()};
  Status started = start_port(index, settings);
  if (started) return std::string();
  if (in_the_way && !tables_[0]->outer[index])
    if (auto back = start_port(index, before); !back)
      return Error{started.error() + "; the port of before is closed, and does not come back: " + back.error()};
  return Error{started.error()};
}

Result<std::string> Gateway::find_port(const abi::OpenPort& request) {
  OuterSettings settings = settings_of(request, workers_.size() > 1);
  for (uint16_t i = 0; i < abi::kMaxPorts; ++i)
    if (is_same_port(outer_[i], settings)) return std::to_string(i);
  return std::string();
}

Result<std::string> Gateway::keep_ports(const abi::KeepPorts& request) {
  Ports next = copy_of_ports();
  std::vector<std::string> closed;
  for (uint16_t i = 0; i < abi::kMaxPorts; ++i) {
    bool keep = (request.ports[i / 64] >> (i % 64) & 1) != 0;
    if (keep || !next[0]->outer[i]) continue;
    log("closing port " + std::to_string(i) + ", " + next[0]->outer[i]->name());
    for (auto& table : next) table->outer[i] = nullptr;
    std::ranges::move(kept_names(std::exchange(outer_[i], {}), workers_.size()), std::back_inserter(closed));
  }
  if (closed.empty()) return std::string();
  Status done = hand_over(std::move(next));
  store_.forget(closed);
  if (!done) return Error{done.error()};
  return std::string();
}

void Gateway::begin_takeover() {
  if (!store_.has_untaken() || takeover_ends_ns_ != UINT64_MAX) return;
  takeover_ends_ns_ = monotonic_ns() + kTakeover;
  const std::vector<std::string> streams{kKeptStreams};
  auto carrier = store_.take(streams);
  if (carrier.empty()) return;
  left_streams_ = unpack_streams(std::move(carrier.front()));
  store_.forget(streams);  // what is read out of it is in no other copy of it either
}

void Gateway::end_takeover() {
  takeover_ends_ns_ = UINT64_MAX;
  left_streams_.clear();
  if (!store_.has_untaken()) return;
  log("closing what the dataplane before had open and control has not asked for");
  store_.forget_untaken();
  if (auto done = hand_over(copy_of_ports()); !done) log(done.error());
}

}  // namespace culvert::dataplane
