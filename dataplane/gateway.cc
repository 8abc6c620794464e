#include "dataplane/gateway.h"

#include <net/if.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "dataplane/clock.h"
#include "dataplane/link/link_memory.h"
#include "drivers/kernel_tcp.h"
#include "drivers/kernel_udp.h"
#include "drivers/nic/nic_inner.h"
#include "drivers/nic/nic_udp.h"
#include "drivers/packet_room.h"
#include "drivers/tun.h"

namespace culvert::dataplane {
namespace {

/// The text of a request's array, which validation found to end.
template <size_t N>
std::string text_of(const std::array<char, N>& text) {
  return std::string(text.data());
}

/// What both kinds of sockets have.
void read_common(const abi::OpenPort& request, drivers::SocketSettings& settings) {
  settings.local = request.local;
  settings.local.stream = 0;
  settings.ipv6_only = request.ipv6_only != 0;
  settings.receive_buffer = request.receive_buffer;
  settings.send_buffer = request.send_buffer;
  settings.mark = request.mark;
  settings.device = text_of(request.device);
}

drivers::TcpSettings to_tcp_settings(const abi::OpenPort& request) {
  drivers::TcpSettings settings;
  read_common(request, settings);
  settings.no_delay = request.no_delay != 0;
  settings.hand_window_ms = request.hand_window * 1000;
  settings.first_packet_ms = std::min(settings.first_packet_ms, settings.hand_window_ms);
  settings.share = request.share;
  return settings;
}

drivers::TunSettings to_settings(const abi::OpenTun& request) {
  drivers::TunSettings settings;
  settings.name = text_of(request.name);
  settings.mtu = request.mtu;
  settings.tx_queue_length = request.tx_queue_length;
  for (const abi::TunAddress& one : request.addresses)
    if (one.address.family != abi::Family::kNone) settings.addresses.push_back(one);
  for (const abi::TunRoute& one : request.routes)
    if (one.network.family != abi::Family::kNone) settings.routes.push_back(one);
  return settings;
}

/// Port that the settings' socket is bound to; 0: none.
uint16_t local_port(const auto& settings) {
  if (const auto* tcp = std::get_if<drivers::TcpSettings>(&settings)) return tcp->local.port;
  const auto* udp = std::get_if<drivers::UdpSettings>(&settings);
  return udp ? udp->local.port : 0;
}

/// Is it the same port, perhaps with other options?
bool is_same_port(const auto& a, const auto& b) {
  return a.index() == b.index() && std::visit(
                                       [&b](const auto& one) {
                                         if constexpr (requires { one.local; }) {
                                           const auto& other = std::get<std::remove_cvref_t<decltype(one)>>(b);
                                           return one.local == other.local && one.device == other.device;
                                         }
                                         return false;
                                       },
                                       a);
}

/// Sockets that a rule of routing or a device binds are the kernel's alone: the NICs' routes know of neither.
bool takes_from_nics(const drivers::UdpSettings& settings) {
  return settings.mark == 0 && settings.device.empty();
}

/// The NIC ports of a worker, for ports that send through them; the NIC mode outlives those.
std::vector<drivers::NicPort*> nics_of(const NicMode& mode, uint16_t worker) {
  std::vector<drivers::NicPort*> list;
  for (const auto& nic : mode.ports(worker)) list.push_back(nic.get());
  return list;
}

}  // namespace

Gateway::Gateway(std::vector<WorkerEnd> workers, Options options)
    : workers_(std::move(workers)), options_(std::move(options)) {
  for (uint16_t worker = 0; worker < workers_.size(); ++worker) {
    PortTable& table = *tables_.emplace_back(std::make_unique<PortTable>());
    if (options_.nics) table.nics = options_.nics->ports(worker);
    workers_[worker].mailbox->post(&table);
  }
}

std::shared_ptr<drivers::Port> Gateway::with_nics(const drivers::UdpSettings& settings,
                                                  std::shared_ptr<drivers::Port> port, uint16_t worker) {
  if (!options_.nics || !takes_from_nics(settings)) return port;
  return std::make_shared<drivers::NicUdpPort>(std::move(port), options_.nics->table(),
                                               nics_of(*options_.nics, worker));
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
  if (wait_until_adopted()) {
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

Gateway::OuterSettings Gateway::settings_of(const abi::OpenPort& request) const {
  if (request.local.transport == abi::Transport::kTcp) {
    drivers::TcpSettings tcp = to_tcp_settings(request);
    tcp.is_shared = workers_.size() > 1;
    return tcp;
  }
  drivers::UdpSettings udp;
  read_common(request, udp);
  udp.is_shared = workers_.size() > 1;
  return udp;
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

Result<std::string> Gateway::open_port(const abi::OpenPort& request) {
  uint16_t index = request.port;
  OuterSettings settings = settings_of(request);
  if (outer_[index] == settings) return std::string();
  // The old sockets would be in the way of the new ones.
  if (tables_[0]->outer[index] && outer_[index].index() == settings.index() &&
      local_port(outer_[index]) == request.local.port)
    if (auto closed = close_port(index); !closed) return Error{closed.error()};

  auto ports = make_ports(index, settings);
  if (!ports) return Error{ports.error()};
  Ports next = copy_of_ports();
  for (size_t worker = 0; worker < workers_.size(); ++worker) next[worker]->outer[index] = std::move((*ports)[worker]);
  log("port " + std::to_string(index) + ": " + next[0]->outer[index]->name());
  outer_[index] = settings;
  if (auto done = hand_over(std::move(next)); !done) return Error{done.error()};
  return std::string();
}

Result<std::string> Gateway::find_port(const abi::OpenPort& request) {
  OuterSettings settings = settings_of(request);
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

/// Makes a TUN and gives each worker a queue of it in place of the one it has.
Status Gateway::start_tun(const drivers::TunSettings& settings, const std::string& requested_name) {
  auto queues = drivers::make_tun_queues(settings, workers_.size());
  if (!queues) return Error{queues.error()};
  drivers::TunSettings real = settings;
  real.name = queues->front().name;
  Ports next = copy_of_ports();
  for (uint16_t worker = 0; worker < workers_.size(); ++worker) {
    std::shared_ptr<drivers::Port>& inner = next[worker]->inner;
    inner = std::make_shared<drivers::TunPort>(std::move((*queues)[worker]), options_.packets[worker]);
    if (options_.nics)
      inner = std::make_shared<drivers::NicInnerPort>(inner, options_.nics->table(), nics_of(*options_.nics, worker));
  }
  if (options_.nics) options_.nics->set_tun(static_cast<int>(if_nametoindex(real.name.c_str())), real.mtu);
  tun_ = real;
  tun_requested_ = requested_name;
  return hand_over(std::move(next));
}

Result<std::string> Gateway::open_tun(const abi::OpenTun& request) {
  drivers::TunSettings settings = to_settings(request);
  if (settings.mtu + drivers::kTunnelOverhead > drivers::packet_room(options_.packets.front()))
    return Error{"tun " + settings.name + ": packet buffers have no room for an MTU of " +
                 std::to_string(settings.mtu) + ": start culvert-dataplane with --tun-mtu " +
                 std::to_string(settings.mtu)};
  bool same_device = tun_ && (settings.name == tun_requested_ || settings.name == tun_->name);
  // Deleted, and perhaps the worker has not noticed yet.
  bool gone = tun_ && if_nametoindex(tun_->name.c_str()) == 0;
  if (same_device && !gone) {
    std::string requested = settings.name;
    settings.name = tun_->name;
    // Also when nothing changed: the request says how it should be, and somebody may have touched the device.
    if (auto done = drivers::configure_tun(settings.name, settings); !done) return Error{done.error()};
    tun_ = settings;
    if (options_.nics) options_.nics->set_tun(static_cast<int>(if_nametoindex(settings.name.c_str())), settings.mtu);
    return settings.name;
  }
  if (auto started = start_tun(settings, settings.name); !started) return Error{started.error()};
  next_attempt_ns_ = UINT64_MAX;
  log("tun " + tun_->name + " is up, MTU " + std::to_string(tun_->mtu));
  return tun_->name;
}

/// Has a worker found the TUN of tables_ gone?
bool Gateway::is_tun_gone() const {
  for (size_t worker = 0; worker < workers_.size(); ++worker) {
    const drivers::Port* inner = tables_[worker]->inner.get();
    if (inner != nullptr && workers_[worker].mailbox->gone() == inner) return true;
  }
  return false;
}

void Gateway::look_after(uint64_t now_ns) {
  uint64_t rings = 0;
  [[maybe_unused]] ssize_t got = read(options_.main_doorbell, &rings, sizeof rings);
  if (!tun_) return;
  if (!is_tun_gone()) {
    // Made again, but a worker took it later than it was waited for; or control has asked for another one.
    if (std::exchange(next_attempt_ns_, UINT64_MAX) != UINT64_MAX) log("tun " + tun_->name + " is back");
    return;
  }
  if (next_attempt_ns_ == UINT64_MAX) {
    log("tun " + tun_->name + " was deleted: making it again");
    last_trouble_.clear();
  } else if (now_ns < next_attempt_ns_) {
    return;
  }
  next_attempt_ns_ = now_ns + kTunRetry;
  if (auto started = start_tun(*tun_, tun_requested_); !started) {
    if (started.error() != last_trouble_) log("cannot make the TUN again yet: " + started.error());
    last_trouble_ = started.error();
    return;
  }
  next_attempt_ns_ = UINT64_MAX;
  log("tun " + tun_->name + " is back");
}

}  // namespace culvert::dataplane
