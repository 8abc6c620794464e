#include "control/gateway/tun_scripts.h"

#include <fcntl.h>
#include <net/if.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "control/io/log.h"

namespace culvert::gateway {
namespace {

std::string variable(const hooks::Environment& environment, const char* name) {
  auto found = environment.variables().find(name);
  return found == environment.variables().end() ? "" : found->second;
}

}  // namespace

uint64_t identity_of_tun(const std::string& name, uint64_t boot_id) {
  // Linux counts interfaces up and gives no number twice, until it starts again.
  const uint64_t number = if_nametoindex(name.c_str());
  if (number == 0) return boot_id;
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string machine;
  std::getline(file, machine);
  return std::hash<std::string>{}(machine + " " + std::to_string(number)) | 1;  // 0: none
}

void TunScripts::add(const config::ServerConfig& server, const hooks::Environment& environment) {
  if (!server.hooks.about_tun()) return;
  // TUN, MTU, 0 (once the link's MTU), our address, netmask or the address at the other end.
  std::string other = variable(environment, "ifconfig_netmask");
  if (other.empty()) other = variable(environment, "ifconfig_remote");
  servers_.push_back({server.hooks,
                      environment,
                      {variable(environment, "dev"), variable(environment, "tun_mtu"), "0",
                       variable(environment, "ifconfig_local"), other},
                      server.file});
}

Status TunScripts::open(const std::string& run_dir) {
  if (!any()) return {};
  const std::string path = run_dir + "/tun-up";
  mark_ = io::Fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!mark_) return Error{path + ": " + std::strerror(errno)};
  return {};
}

uint64_t TunScripts::marked() const {
  uint64_t tun = 0;
  return pread(mark_.get(), &tun, sizeof tun, 0) == ssize_t{sizeof tun} ? tun : 0;
}

void TunScripts::mark(uint64_t tun) {
  if (pwrite(mark_.get(), &tun, sizeof tun, 0) != ssize_t{sizeof tun})
    io::log(io::LogLevel::kWarning, "can't note that up has been run: after a restart of control it is run again");
}

TunScripts::Step TunScripts::step(const Server& server, const config::HookConfig::Program& program, const char* kind,
                                  const char* context) {
  hooks::Environment environment = server.environment;
  environment.set("script_type", kind);
  environment.set("script_context", context);
  const bool route = std::string_view(kind) == "route-up";
  if (std::string_view(kind) == "down") environment.set("signal", "sigterm");
  Step step{hooks::command_of(program, environment, std::string(kind) + " of " + server.file, "up and down"),
            std::string_view(kind) == "up"};
  if (route) return step;
  step.command.argv.insert(step.command.argv.end(), server.arguments.begin(), server.arguments.end());
  step.command.argv.emplace_back(context);
  return step;
}

void TunScripts::up(uint64_t tun, std::function<void(Status)> done) {
  const bool again = any() && marked() == tun;
  steps_.clear();
  for (const Server& server : servers_) {
    if (!server.hooks.up.empty() && (!again || server.hooks.up_restart))
      steps_.push_back(step(server, server.hooks.up, "up", again ? "restart" : "init"));
    if (!server.hooks.route_up.empty() && !again)
      steps_.push_back(step(server, server.hooks.route_up, "route-up", "init"));
  }
  std::ranges::reverse(steps_);
  done_ = [this, tun, done = std::move(done)](const Status& status) {
    if (any() && status) mark(tun);
    done(status);
  };
  // One that still runs for a TUN that is gone goes on to these steps when it ends.
  if (!running_) run_next();
}

void TunScripts::down(std::function<void()> done) {
  steps_.clear();
  // What never was up does not go down.
  if (any() && marked() != 0) {
    for (const Server& server : servers_)
      if (!server.hooks.down.empty()) steps_.push_back(step(server, server.hooks.down, "down", "init"));
    mark(0);
  }
  std::ranges::reverse(steps_);
  done_ = [done = std::move(done)](const Status&) { done(); };
  if (!running_) run_next();
}

void TunScripts::run_next() {
  if (steps_.empty()) return end({});
  Step step = std::move(steps_.back());
  steps_.pop_back();
  running_ = true;
  const std::string label = step.command.label;
  auto job =
      runner_.run(std::move(step.command), [this, label, must = step.must_succeed](const hooks::Outcome& outcome) {
        running_ = false;
        if (outcome.ok()) return run_next();
        io::log(io::LogLevel::kError, label + ": " + outcome.text);
        if (must) return end(Error{label + ": " + outcome.text});
        run_next();
      });
  if (job != 0) return;
  running_ = false;
  end(Error{label + ": too many scripts wait already ([control] hook_processes)"});
}

void TunScripts::end(Status status) {
  steps_.clear();
  if (auto done = std::exchange(done_, nullptr)) done(std::move(status));
}

}  // namespace culvert::gateway
