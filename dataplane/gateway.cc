#include "dataplane/gateway.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "dataplane/clock.h"
#include "dataplane/link/link_memory.h"
#include "drivers/kernel_tcp.h"
#include "drivers/kernel_udp.h"
#include "drivers/nic/nic_udp.h"

namespace culvert::dataplane {

Gateway::Gateway(std::vector<WorkerEnd> workers, Options options)
    : workers_(std::move(workers)), options_(std::move(options)) {
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

std::shared_ptr<drivers::Port> Gateway::with_nics(const drivers::UdpSettings& settings,
                                                  std::shared_ptr<drivers::Port> port, uint16_t worker) {
  if (!options_.nics || !takes_from_nics(settings)) return port;
  return std::make_shared<drivers::NicUdpPort>(std::move(port), options_.nics->table(), options_.nics->senders(worker));
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
  outer_[index] = {};
  return hand_over(std::move(next));
}

Result<std::shared_ptr<drivers::Port>> Gateway::make_port(uint16_t index, const OuterSettings& settings,
                                                          uint16_t worker) {
  std::shared_ptr<drivers::Port> port;
  std::vector<std::string> warnings;
  if (const auto* tcp = std::get_if<drivers::TcpSettings>(&settings)) {
    auto socket = drivers::open_tcp_socket(*tcp);
    if (!socket) return Error{socket.error()};
    warnings = std::move(socket->warnings);
    auto made = drivers::KernelTcpPort::make(std::move(*socket), *tcp, index, options_.packets[worker]);
    if (!made) return Error{made.error()};
    port = *made;
  } else {
    auto socket = drivers::open_udp_socket(std::get<drivers::UdpSettings>(settings));
    if (!socket) return Error{socket.error()};
    warnings = std::move(socket->warnings);
    port = with_nics(std::get<drivers::UdpSettings>(settings),
                     std::make_shared<drivers::KernelUdpPort>(std::move(*socket), index, options_.packets[worker]),
                     worker);
  }
  if (worker == 0)
    for (const std::string& warning : warnings) log("warning: " + warning);
  return port;
}

Result<Gateway::OuterPorts> Gateway::make_ports(uint16_t index, const OuterSettings& settings) {
  // Sockets that share a port don't notice another program that would share it as well: first as one that doesn't.
  if (workers_.size() > 1) {
    OuterSettings alone = settings;
    std::visit(
        [](auto& each) {
          if constexpr (requires { each.is_shared; }) each.is_shared = false;
        },
        alone);
    if (auto probe = make_port(index, alone, 1); !probe) return Error{probe.error()};
  }
  OuterPorts ports;
  for (uint16_t worker = 0; worker < workers_.size(); ++worker) {
    auto port = make_port(index, settings, worker);
    if (!port) return Error{port.error()};
    ports.push_back(std::move(*port));
  }
  return ports;
}

/// Opens a port where there is none, or another one in its place. Where it can't be opened, what there was stays.
Status Gateway::start_port(uint16_t index, const OuterSettings& settings) {
  auto ports = make_ports(index, settings);
  if (!ports) return Error{ports.error()};
  Ports next = copy_of_ports();
  for (size_t worker = 0; worker < workers_.size(); ++worker) next[worker]->outer[index] = std::move((*ports)[worker]);
  log("port " + std::to_string(index) + ": " + next[0]->outer[index]->name());
  outer_[index] = settings;
  return hand_over(std::move(next));
}

Result<std::string> Gateway::open_port(const abi::OpenPort& request) {
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
  bool changed = false;
  for (uint16_t i = 0; i < abi::kMaxPorts; ++i) {
    bool keep = (request.ports[i / 64] >> (i % 64) & 1) != 0;
    if (keep || !next[0]->outer[i]) continue;
    log("closing port " + std::to_string(i) + ", " + next[0]->outer[i]->name());
    for (auto& table : next) table->outer[i] = nullptr;
    outer_[i] = {};
    changed = true;
  }
  if (!changed) return std::string();
  if (auto done = hand_over(std::move(next)); !done) return Error{done.error()};
  return std::string();
}

}  // namespace culvert::dataplane
