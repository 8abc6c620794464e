#include "dataplane/nic_mode.h"

#include <algorithm>
#include <fstream>
#include <utility>

#include "dataplane/abi/layout.h"
#include "drivers/nic/twin.h"

namespace culvert::dataplane {

using drivers::EthDevice;
using drivers::EthDeviceSettings;
using drivers::ForwardingTable;
using drivers::KernelWatch;
using drivers::NicPort;
using drivers::NicState;
using drivers::ParentInterface;

namespace {

/// "worker 1 on core 3"
std::string name_of(uint16_t worker, uint32_t core) {
  std::string text = "worker " + std::to_string(worker);
  return core == abi::kAnyCore ? text : text + " on core " + std::to_string(core);
}

/// Says what the operator may have forgotten: nothing of it stops a start.
void warn_about_forwarding(const NicMode::Log& log) {
  struct Switch {
    const char* family;
    const char* path;
    const char* key;
  };
  constexpr Switch kSwitches[] = {
      {"IPv4", "/proc/sys/net/ipv4/ip_forward", "net.ipv4.ip_forward"},
      {"IPv6", "/proc/sys/net/ipv6/conf/all/forwarding", "net.ipv6.conf.all.forwarding"},
  };
  for (const Switch& one : kSwitches) {
    int value = 1;
    std::ifstream(one.path) >> value;
    if (value == 0)
      log(std::string("warning: the kernel does not forward ") + one.family +
          ": clients reach no network beyond the gateway until it does (sysctl -w " + one.key + "=1)");
  }
}

}  // namespace

Result<std::unique_ptr<NicMode>> NicMode::start(const std::vector<NicOptions>& ports,
                                                std::span<rte_mempool* const> packets,
                                                const std::vector<uint32_t>& cores, Log log) {
  std::unique_ptr<NicMode> mode(new NicMode(std::move(log)));
  auto table = ForwardingTable::make("culvert_routes");
  if (!table) return Error{table.error()};
  mode->table_ = std::move(*table);
  mode->mirror_ = std::make_unique<drivers::RouteMirror>(*mode->table_);
  mode->by_worker_.resize(cores.size());
  for (const NicOptions& port : ports)
    if (Status opened = mode->open(port, packets, cores); !opened) return Error{opened.error()};
  NicMode* self = mode.get();
  auto watch = KernelWatch::make(*mode->mirror_,
                                 [self](const KernelWatch::Interface& interface) { self->on_interface(interface); });
  if (!watch) return Error{watch.error()};
  mode->watch_ = std::move(*watch);
  warn_about_forwarding(mode->log_);
  if (std::ranges::count(cores, abi::kAnyCore) > 0)
    mode->log_(
        "note: a worker that polls has no core of its own and shares one with whatever else runs: name one "
        "(workers = [1] in [dataplane] of culvert.toml, or --workers 1), and keep other programs off it");
  return mode;
}

/// The kernel's interface below the port, if it sits on one.
Result<std::optional<ParentInterface>> NicMode::take_parent(const NicOptions& options) {
  std::string interface = drivers::kernel_interface_of(options.device);
  if (interface.empty()) return std::optional<ParentInterface>();
  auto taken = ParentInterface::take({interface, options.mtu, drivers::is_af_packet(options.device)});
  if (!taken) return Error{"port " + options.device + ": " + taken.error()};
  if (std::string addresses = taken->addresses(); !addresses.empty())
    log_("warning: port " + options.name + ": " + interface + " has addresses of its own (" + addresses +
         "), which nobody reaches any more: move them to " + options.name +
         " (addresses of its [[port]], or ip address add), then ip address flush dev " + interface);
  return std::optional<ParentInterface>(std::move(*taken));
}

Status NicMode::open(const NicOptions& options, std::span<rte_mempool* const> packets,
                     const std::vector<uint32_t>& cores) {
  const EthDeviceSettings settings{options.device, options.mtu, static_cast<uint16_t>(cores.size())};
  if (Status checked = drivers::check_device(settings); !checked) return checked;
  auto parent = take_parent(options);
  if (!parent) return Error{parent.error()};
  auto device = EthDevice::open(settings, packets);
  if (!device) return Error{device.error()};
  std::vector<std::string> warnings = device->warnings();
  auto twins = drivers::make_twins({options.name, device->mac(), options.mtu, options.addresses}, packets.front(),
                                   cores.size(), warnings);
  if (!twins) return Error{twins.error()};
  for (const std::string& warning : warnings) log_("warning: " + warning);

  auto number = static_cast<uint8_t>(nics_.size());
  int index = twins->front()->index();
  nics_.push_back(
      std::make_unique<Nic>(Nic{options, std::move(*device), std::move(*parent), {}, true, index, options.mtu}));
  mirror_->add_nic(index, number);
  Nic& nic = *nics_.back();
  for (uint16_t worker = 0; worker < cores.size(); ++worker) {
    NicState& state = *nic.states.emplace_back(std::make_unique<NicState>());
    nic.twins.push_back((*twins)[worker].get());
    by_worker_[worker].push_back(
        std::make_shared<NicPort>(nic.device, number, worker, std::move((*twins)[worker]), *table_, state));
    log_(name_of(worker, cores[worker]) + " polls " + by_worker_[worker].back()->text() + ", MTU " +
         std::to_string(options.mtu));
  }
  return {};
}

void NicMode::set_tun(int index, uint32_t mtu) {
  table_->set_tun_mtu(mtu);
  mirror_->set_tun(index);
}

/// The link of a port that sits on a kernel interface is that interface's; its MTU is the twin's, which is at most that
/// interface's.
std::vector<drivers::NicPort*> NicMode::senders(uint16_t worker) const {
  std::vector<drivers::NicPort*> list;
  for (const auto& nic : ports(worker)) list.push_back(nic.get());
  return list;
}

void NicMode::on_interface(const KernelWatch::Interface& interface) {
  for (auto& nic : nics_) {
    if (nic->parent && nic->parent->index() == interface.index) {
      set_link(*nic, interface.exists && interface.is_up && interface.has_link);
      if (interface.exists)
        follow_mtu(*nic, interface.mtu);
      else
        log_("port " + nic->options.name + ": interface " + nic->parent->name() +
             " is gone; restart culvert-dataplane when it is back (sessions survive that)");
    }
    // The operator may lower the twin's MTU; the device keeps its own.
    if (nic->twin_index != interface.index) continue;
    if (!interface.exists) nic->twin_is_missing = true;
    for (auto& state : nic->states) state->mtu = std::min(nic->options.mtu, interface.mtu);
  }
}

void NicMode::set_link(Nic& nic, bool up) {
  if (std::exchange(nic.has_link, up) == up) return;
  for (auto& state : nic.states) state->has_link.store(up, std::memory_order_relaxed);
  log_("port " + nic.options.name + ": link " + (up ? "up" : "down"));
  if (Status shown = drivers::set_carrier(nic.twin_index, up); !shown) log_("warning: " + shown.error());
  if (up) KernelWatch::forget_unresolved(nic.twin_index);
}

/// What is longer than the interface below takes it throws away in silence: the twin gets its MTU, so that the kernel
/// fragments, or tells the sender.
void NicMode::follow_mtu(Nic& nic, uint32_t mtu) {
  if (std::exchange(nic.parent_mtu, mtu) == mtu) return;
  uint32_t now = std::min(nic.options.mtu, mtu);
  for (auto& state : nic.states) state->mtu = std::min(state->mtu.load(std::memory_order_relaxed), now);
  log_("port " + nic.options.name + ": MTU " + std::to_string(now) + " now, because " + nic.parent->name() + " has " +
       std::to_string(mtu));
  if (Status set = drivers::set_mtu(nic.twin_index, now); !set) log_("warning: " + set.error());
}

/// The link of any other port is what its device says.
void NicMode::check_links() {
  for (auto& nic : nics_)
    if (!nic->parent) set_link(*nic, nic->device.has_link());
}

drivers::TwinSettings NicMode::twin_settings(const Nic& nic) {
  return {nic.options.name, nic.device.mac(), std::min(nic.options.mtu, nic.parent_mtu), nic.options.addresses};
}

/// Makes the twin that somebody has deleted again: the workers go on with the ends that they have.
void NicMode::mend_twin(Nic& nic) {
  if (!nic.twin_is_missing) return;
  if (!nic.twins.front()->is_gone()) {  // it is in another network namespace, and still ours
    nic.twin_is_missing = false;
    return;
  }
  if (Status made = make_twin_again(nic); !made) {
    if (nic.twin_trouble != made.error())
      log_("port " + nic.options.name + ": cannot make its twin again yet: " + made.error());
    nic.twin_trouble = made.error();
    return;
  }
  nic.twin_is_missing = false;
  nic.twin_trouble.clear();
  log_("port " + nic.options.name +
       ": its twin was deleted, and is made again with the addresses of its [[port]]; what else it had, addresses and "
       "routes, is to be given again");
}

Status NicMode::make_twin_again(Nic& nic) {
  auto next = nic.twins.front()->make_next(twin_settings(nic), nic.twins.size());
  if (!next) return Error{next.error()};
  for (size_t worker = 0; worker < nic.twins.size(); ++worker)
    if (Status taken = nic.twins[worker]->go_on_with(*(*next)[worker]); !taken) return taken;
  int index = nic.twins.front()->index();
  mirror_->replace_nic(std::exchange(nic.twin_index, index), index);
  if (!nic.has_link)
    if (Status shown = drivers::set_carrier(index, false); !shown) log_("warning: " + shown.error());
  return {};
}

void NicMode::look_after(uint64_t now_ns) {
  if (Status served = watch_->serve(); !served) {
    if (served.error() != last_trouble_) log_("routes may be out of date: " + served.error());
    last_trouble_ = served.error();
  }
  if (now_ns >= next_link_round_ns_) {
    check_links();
    abi::IpAddress peer;
    for (auto& nic : nics_) mend_twin(*nic);
    for (auto& nic : nics_)
      for (auto& state : nic->states)
        while (state->too_big.pop(peer)) mirror_->add_detour(peer, now_ns + kDetour);
    next_link_round_ns_ = now_ns + kLinkRound;
  }
  if (now_ns < next_round_ns_) return;
  next_round_ns_ = now_ns + kRound;
  mirror_->end_detours(now_ns);
  mirror_->try_refused();
  for (auto& nic : nics_) nic->twin_is_missing |= nic->twins.front()->is_gone();  // news can be lost
  for (const drivers::RouteMirror::Neighbour& neighbour : mirror_->to_probe()) watch_->probe(neighbour);
  if (std::exchange(was_full_, mirror_->is_full()) != mirror_->is_full())
    log_(mirror_->is_full()
             ? "more routes than the forwarding table holds (" + std::to_string(ForwardingTable::kMaxRoutes) +
                   " of each family): all packets take the kernel's way, which is slow"
             : "the forwarding table holds all routes again");
}

}  // namespace culvert::dataplane
