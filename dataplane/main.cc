// culvert-dataplane: start in the order that privileges demand, then serve control's requests until told to end.

#include <poll.h>
#include <rte_alarm.h>
#include <rte_eal.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <future>

#include "dataplane/clock.h"
#include "dataplane/descriptor_store.h"
#include "dataplane/end_policy.h"
#include "dataplane/gateway.h"
#include "dataplane/link/link_memory.h"
#include "dataplane/link/trace_server.h"
#include "dataplane/log.h"
#include "dataplane/nic_mode.h"
#include "dataplane/options.h"
#include "dataplane/packet_memory.h"
#include "dataplane/packet_pools.h"
#include "dataplane/precedence.h"
#include "dataplane/privileges.h"
#include "dataplane/run_dir.h"
#include "dataplane/workers.h"
#include "drivers/nic/xdp_messages.h"

namespace culvert::dataplane {
namespace {

using drivers::FileDescriptor;

/// SIGTERM ends the process by the EndPolicy, SIGINT at once; SIGHUP is for control. All threads started later inherit
/// the mask.
Result<FileDescriptor> take_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, number);
  signal(SIGPIPE, SIG_IGN);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  FileDescriptor fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return Error{std::string("signalfd: ") + std::strerror(errno)};
  return fd;
}

/// TCP connections and relays need a descriptor each: as many as the system lets us have.
void raise_descriptor_limit() {
  constexpr rlim_t kWanted = 1 << 18;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  rlimit more{std::max(limit.rlim_cur, kWanted), std::max(limit.rlim_max, kWanted)};
  if (setrlimit(RLIMIT_NOFILE, &more) == 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

std::vector<std::string> pci_devices(const Options& options) {
  std::vector<std::string> list;
  for (const NicOptions& port : options.ports)
    if (drivers::is_pci_device(port.device)) list.push_back(port.device);
  return list;
}

/// True when a signal has arrived that ends the process at once.
bool must_end(int signals, EndPolicy& ending) {
  signalfd_siginfo info;
  while (read(signals, &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGHUP) {
      log_line("SIGHUP: nothing to reload here, send it to culvert-control");
      continue;
    }
    log_line(std::string(strsignal(static_cast<int>(info.ssi_signo))) + ": ending");
    if (info.ssi_signo == SIGINT || ending.has_begun()) return true;
    ending.begin(monotonic_ns());
  }
  return false;
}

/// Milliseconds until `deadline_ns`, for poll; -1: for ever.
int timeout_ms(uint64_t deadline_ns, uint64_t now_ns) {
  if (deadline_ns == UINT64_MAX) return -1;
  if (deadline_ns <= now_ns) return 0;
  return static_cast<int>(std::min<uint64_t>((deadline_ns - now_ns) / 1'000'000 + 1, 60'000));
}

/// The main thread's whole life after start: requests of control, who traces, the TUN's health, signals.
void serve(int signals, SetupServer& server, TraceServer& traces, Gateway& gateway, const Workers& workers,
           int main_doorbell, NicMode* nics) {
  EndPolicy ending;
  std::array<pollfd, 6> waits{{{signals, POLLIN, 0},
                               {server.wake_fd(), POLLIN, 0},
                               {traces.wake_fd(), POLLIN, 0},
                               {main_doorbell, POLLIN, 0},
                               {gateway.wake_fd(), POLLIN, 0},
                               {nics ? nics->wake_fd() : -1, POLLIN, 0}}};
  while (true) {
    uint64_t deadline_ns = std::min(
        {server.deadline_ns(), traces.deadline_ns(), gateway.deadline_ns(), ending.deadline_ns(monotonic_ns())});
    if (nics) deadline_ns = std::min(deadline_ns, nics->deadline_ns());
    poll(waits.data(), waits.size(), timeout_ms(deadline_ns, monotonic_ns()));
    if (must_end(signals, ending)) return;
    server.serve(monotonic_ns());
    traces.serve(monotonic_ns());
    gateway.look_after(monotonic_ns());
    if (nics) nics->look_after(monotonic_ns());
    if (ending.has_begun() && ending.is_over(monotonic_ns(), workers.sessions(), server.is_attached())) return;
  }
}

/// NIC mode, when the options ask for it. What opening devices needs of privileges is given up behind it.
Result<std::unique_ptr<NicMode>> start_nics(const Options& options, const RunDir& run_dir,
                                            std::span<rte_mempool* const> packets) {
  if (options.ports.empty()) return std::unique_ptr<NicMode>();
  drivers::quiet_xdp_libraries();
  auto nics = NicMode::start(options.ports, packets, options.cores, log_line);
  if (!nics) return nics;
  if (Status dropped = drop_main_privileges(!run_dir.is_own()); !dropped) return Error{dropped.error()};
  // EAL's interrupt thread was made before, with all of them; its alarms run there.
  std::promise<Status> dropped;
  auto drop = [](void* result) {
    // Its own from here on: ours ends while set_value() may still be returning.
    auto mine = std::move(*static_cast<std::promise<Status>*>(result));
    mine.set_value(drop_worker_privileges());
  };
  auto answer = dropped.get_future();
  if (int error = rte_eal_alarm_set(1, drop, &dropped); error != 0)
    return Error{std::string("cannot reach DPDK's interrupt thread: ") + std::strerror(-error)};
  if (Status done = answer.get(); !done) return Error{done.error()};
  return nics;
}

/// What is opened first, or was when this process began.
struct Opened {
  FileDescriptor signals, setup, trace;
  DescriptorStore store;
};

/// "worker 0 on core 2, worker 1 on core 3"; with several NUMA nodes "worker 0 on core 2 (NUMA node 0)".
std::string account_of(const std::vector<uint32_t>& cores, const std::vector<int>& nodes) {
  std::string text;
  for (size_t i = 0; i < cores.size(); ++i) {
    if (i > 0) text += ", ";
    text += "worker " + std::to_string(i) + " on ";
    text += cores[i] == kAnyCore ? "any core" : "core " + std::to_string(cores[i]);
    if (nodes[i] != SOCKET_ID_ANY) text += " (NUMA node " + std::to_string(nodes[i]) + ")";
  }
  return text;
}

/// EAL runs: workers, ports and setup server from start to end.
Status run_with_eal(const Options& options, const EalInfo& eal, const RunDir& run_dir, LinkMemory& link,
                    const PacketMemory& memory, Opened opened, bool has_precedence) {
  auto pools = PacketPools::make(memory.nodes, memory.buffers, memory.largest);
  if (!pools) return Error{pools.error()};
  std::span<rte_mempool* const> packets = pools->by_worker();
  auto nics = start_nics(options, run_dir, packets);
  if (!nics) return Error{nics.error()};
  FileDescriptor main_doorbell(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!main_doorbell) return Error{std::string("eventfd: ") + std::strerror(errno)};
  auto workers = Workers::make(link, packets, main_doorbell.get());
  if (!workers) return Error{workers.error()};

  Gateway gateway((*workers)->ends(), {.packets = {packets.begin(), packets.end()},
                                       .main_doorbell = main_doorbell.get(),
                                       .log = log_line,
                                       .nics = nics->get(),
                                       .store = &opened.store});
  const Allowed allowed{options.control_uid, options.control_gid};
  SetupServer server(std::move(opened.setup), {allowed, link.handover(), log_line}, gateway);
  TraceServer traces(std::move(opened.trace), {allowed, (*workers)->traces(), (*workers)->doorbells(), log_line});
  for (uint32_t i = 0; i < options.cores.size(); ++i)
    link.view().worker(i).core.store(options.cores[i], std::memory_order_relaxed);
  if (Status launched = (*workers)->launch(eal.worker_lcores); !launched) return launched;
  give_up_precedence();  // this thread

  log_line(std::string("encryption: ") + (*workers)->aead_name());
  log_line("culvert " CULVERT_VERSION ", " + eal.memory + ", " + std::to_string(options.sessions) + " sessions; " +
           account_of(options.cores, memory.nodes) +
           (*nics ? ", polling NICs; control attaches at " : ", asleep when idle; control attaches at ") +
           run_dir.socket_path());
  if (!has_precedence)
    log_line(
        "note: may not raise its priority, so that packets wait while other programs compute: give it "
        "CAP_SYS_NICE, or Nice=-10 in the systemd unit");
  serve(opened.signals.get(), server, traces, gateway, **workers, main_doorbell.get(), nics->get());
  gateway.look_at_losses();
  (*workers)->stop(eal.worker_lcores);
  gateway.leave_streams();
  return {};
}

Status run(const Options& options) {
  Opened opened;
  opened.store = DescriptorStore::from_environment();
  auto signals = take_signals();
  if (!signals) return Error{signals.error()};
  opened.signals = std::move(*signals);
  if (auto privileged = check_privileges(); !privileged) return privileged;
  raise_descriptor_limit();
  auto run_dir = RunDir::claim(options.run_dir);
  if (!run_dir) return Error{run_dir.error()};
  const Allowed allowed{options.control_uid, options.control_gid};
  auto listener = listen_on(run_dir->socket_path(), allowed);
  if (!listener) return Error{listener.error()};
  opened.setup = std::move(*listener);
  auto trace_listener = listen_on(run_dir->trace_socket_path(), allowed);
  if (!trace_listener) return Error{trace_listener.error()};
  opened.trace = std::move(*trace_listener);
  auto link = LinkMemory::make(static_cast<uint32_t>(options.cores.size()), options.sessions, CULVERT_VERSION);
  if (!link) return Error{link.error()};
  if (!link->locked())
    log_line("warning: the link could not be locked into memory (RLIMIT_MEMLOCK): its keys may reach swap");
  // Workers of NIC mode never sleep, and have their cores for themselves.
  bool has_precedence = !options.ports.empty() || take_precedence();
  // Opening NICs needs more; see start_nics.
  if (options.ports.empty())
    if (auto dropped = drop_main_privileges(!run_dir->is_own()); !dropped) return dropped;

  std::vector<int> nodes;
  for (uint32_t core : options.cores) nodes.push_back(numa_node_of(core));
  const PacketMemory memory = packet_memory(options, std::move(nodes));
  auto eal = start_eal({.huge = options.huge,
                        .memory_mb = memory.eal_mb,
                        .cores = options.cores,
                        .pci = pci_devices(options),
                        .run_dir = run_dir->path()});
  if (!eal) return Error{eal.error()};
  Status status = hide_memory();
  if (status) status = run_with_eal(options, *eal, *run_dir, *link, memory, std::move(opened), has_precedence);
  rte_eal_cleanup();
  return status;
}

}  // namespace
}  // namespace culvert::dataplane

int main(int argc, char** argv) {
  using namespace culvert::dataplane;
  auto parsed = parse_options(argc, argv);
  if (const int* status = std::get_if<int>(&parsed)) return *status;
  auto done = run(std::get<Options>(parsed));
  if (!done) log_line(done.error());
  return done ? 0 : 1;
}
