// culvert-control: reads the configuration, then runs the gateway until told to end.

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <utility>

#include "control/config/kept_files.h"
#include "control/config/load.h"
#include "control/config/written_files.h"
#include "control/crypto/primitives.h"
#include "control/gateway/cookie_secret.h"
#include "control/gateway/gateway.h"
#include "control/io/fd.h"
#include "control/io/heap.h"
#include "control/io/privileges.h"
#include "control/io/secrets.h"
#include "control/options.h"

namespace culvert {
namespace {

using io::LogLevel;

/// Prints all findings; true when there is no error among them.
bool print(const config::Report& report) {
  for (const config::Diagnostic& diagnostic : report.all())
    std::fprintf(stderr, "%s\n", config::to_text(diagnostic).c_str());
  return report.ok();
}

Result<config::Configuration> read_configuration(const ControlOptions& options, config::FileLoader& loader) {
  config::Report report;
  auto configuration = config::load(options.config, loader, report);
  if (configuration)
    for (const config::ServerConfig& server : configuration->servers) config::look_for_folders(server, loader, report);
  if (!print(report) || !configuration) return Error{options.config + ": not started: correct what is listed above"};
  for (config::ServerConfig& server : configuration->servers) {
    auto context = crypto::TlsContext::make(server.tls);
    if (!context) return Error{server.file + ": " + context.error()};
    server.settings.tls = *context;
  }
  return std::move(*configuration);
}

/// Standard error as it was at the start, for a failure that else only a log file would tell.
struct Console {
  io::Fd fd{fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)};
  bool logs_elsewhere = false;
};

constexpr std::string_view kUp = "culvert up";

/// Who starts this process again when it has ended; empty: nobody that we know of.
std::string keeper() {
  // `culvert up` has asked for a signal to us at its end. So do others.
  int death_signal = 0;
  prctl(PR_GET_PDEATHSIG, &death_signal);
  std::string parent;
  std::getline(std::ifstream("/proc/" + std::to_string(getppid()) + "/comm"), parent);
  if (death_signal != 0 && parent == "culvert") return std::string(kUp);
  // Its unit has Restart=always (systemd.exec(5): the pid of the unit's own process, which others inherit).
  const char* unit_pid = getenv("SYSTEMD_EXEC_PID");
  return unit_pid && unit_pid == std::to_string(getpid()) ? "systemd" : "";
}

/// `log`, `syslog` and `writepid`, while we still may open such files.
Status prepare_log(const config::ServerConfig& server, Console& console) {
  console.logs_elsewhere |= server.syslog.has_value() || !server.log_file.empty();
  if (server.syslog) io::log_to_syslog(*server.syslog);
  if (!server.log_file.empty())
    if (Status opened = io::log_to_file(server.log_file, server.log_append); !opened)
      return Error{server.file + ": " + opened.error()};
  if (server.pid_file.empty()) return {};
  // Signals are better sent to `culvert up`, which keeps two processes running.
  std::string text = std::to_string(keeper() == kUp ? getppid() : getpid()) + "\n";
  io::Fd file(open(server.pid_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644));
  if (!file || write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    return Error{server.file + ": writepid " + server.pid_file + ": " + std::strerror(errno)};
  return {};
}

/// Each script that runs takes three descriptors, and [control] hook_processes may be 4,096.
void raise_descriptor_limit() {
  constexpr rlim_t kWanted = 1 << 16;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= kWanted) return;
  limit.rlim_cur = std::min(limit.rlim_max, kWanted);
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

/// What an operator of the reference expects, and SIGQUIT.
Status take_signals(io::EventLoop& loop, gateway::Gateway& gateway) {
  const std::pair<int, std::function<void()>> all[] = {
      {SIGTERM, [&gateway] { gateway.stop(); }},
      {SIGINT, [&gateway] { gateway.stop(); }},
      {SIGHUP, [&gateway] { (void)gateway.reload_and_log(); }},
      {SIGQUIT, [&gateway] { gateway.leave(gateway.kLeaveWithin, gateway.kDataplaneIsSeenToGo); }},
      {SIGUSR1, [&gateway] { gateway.restart_clients(); }},
      {SIGUSR2, [&gateway] { gateway.report(); }},
  };
  for (const auto& [number, action] : all)
    if (Status status = loop.on_signal(number, action); !status) return status;
  return {};
}

/// Control's whole life. Its exit status; error: why it could not start, or not go on.
Result<int> run(const ControlOptions& options, Console& console) {
  io::harden_process();
  // There is nothing to report yet, and nobody to connect again.
  for (int number : {SIGUSR1, SIGUSR2}) signal(number, SIG_IGN);
  raise_descriptor_limit();
  config::DiskLoader disk;
  config::KeptFiles files(disk);
  Result<config::Configuration> configuration = read_configuration(options, files);
  if (!configuration) return Error{configuration.error()};
  std::vector<std::string> configuration_files = {options.config};
  // An old CRL must not pass for the new one either.
  for (const config::ServerConfig& server : configuration->servers)
    configuration_files.insert(configuration_files.end(), {server.file, server.crl_file});
  files.stop_keeping(configuration_files);
  auto identity = io::identity_of(configuration->user, configuration->group);
  if (!identity) return Error{identity.error()};
  if (options.check) return 0;
  io::set_log_level(configuration->log_level);
  std::string run_dir = options.run_dir.empty() ? configuration->appliance.run_dir : options.run_dir;
  crypto::SystemRandom random;
  for (config::ServerConfig& server : configuration->servers) {
    if (Status prepared = prepare_log(server, console); !prepared) return Error{prepared.error()};
    auto secret = gateway::cookie_secret(run_dir, random);
    if (!secret) return Error{secret.error()};
    server.settings.cookie_secret = *secret;
  }

  bool runs_scripts =
      std::ranges::any_of(configuration->servers, [](const auto& server) { return server.hooks.any(); });
  auto loop = io::EventLoop::make();
  if (!loop) return Error{loop.error()};
  gateway::Gateway gateway(**loop, std::move(*configuration), run_dir, files);
  signal(SIGPIPE, SIG_IGN);
  if (Status status = take_signals(**loop, gateway); !status) return Error{status.error()};
  gateway.set_keeper(keeper());
  if (Status status = gateway.start(identity->gid); !status) return Error{status.error()};
  Status dropped;
  gateway.when_ready([&] {
    dropped = io::become(*identity, runs_scripts);
    gateway.remove_left_secrets();
    gateway.warn_of_unreadable_crls();
  });
  while (!gateway.finished() && dropped) gateway.run_pass();
  if (!dropped) return Error{"can't become user " + std::to_string(identity->uid.value_or(0)) + ": " + dropped.error()};
  if (!gateway.failure().empty()) return Error{gateway.failure()};
  if (gateway.left()) return kLeft;
  return gateway.stopped_for_good() ? kStoppedForGood : 0;
}

}  // namespace
}  // namespace culvert

int main(int argc, char** argv) {
  using namespace culvert;
  io::tune_heap(argv);
  auto parsed = parse_control_options(argc, argv);
  if (const int* status = std::get_if<int>(&parsed)) return *status;
  Console console;
  Result<int> done = run(std::get<ControlOptions>(parsed), console);
  if (!done) io::log(LogLevel::kError, done.error());
  if (!done && console.logs_elsewhere && console.fd)
    dprintf(console.fd.get(), "culvert-control: %s\n", io::printable(done.error()).c_str());
  return done ? *done : 1;
}
