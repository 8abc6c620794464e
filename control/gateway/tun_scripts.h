// up, route-up and down: scripts about the TUN (script-options.rst). Which TUN has had its `up` stands in
// RUN_DIR/tun-up, so that neither a control process that starts again beside it nor a dataplane that goes on with it
// says "init" twice.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "control/config/server_config.h"
#include "control/hooks/environment.h"
#include "control/hooks/runner.h"
#include "control/io/fd.h"

namespace culvert::gateway {

/// Tells the interface `name` from any that was made before or will be, also by the next dataplane and behind a restart
/// of the machine. Without such an interface: `boot_id`, the dataplane's.
uint64_t identity_of_tun(const std::string& name, uint64_t boot_id);

class TunScripts {
 public:
  explicit TunScripts(hooks::Runner& runner) : runner_(runner) {}

  /// The scripts of one server block, if it has any.
  void add(const config::ServerConfig& server, const hooks::Environment& environment);
  bool any() const { return !servers_.empty(); }
  /// Opens RUN_DIR/tun-up, while we still may. Nothing to do without scripts.
  Status open(const std::string& run_dir);

  /// The dataplane has opened the TUN of this identity. `done` is called when all is said, with what went wrong; in
  /// here when nothing is to be run.
  void up(uint64_t tun, std::function<void(Status)> done);
  /// The TUN is about to go. `done` is called once, perhaps in here.
  void down(std::function<void()> done);
  bool running() const { return running_; }

 private:
  struct Server {
    config::HookConfig hooks;
    hooks::Environment environment;
    std::vector<std::string> arguments;
    std::string file;
  };
  struct Step {
    hooks::Command command;
    bool must_succeed = false;
  };

  static Step step(const Server& server, const config::HookConfig::Program& program, const char* kind,
                   const char* context);
  void run_next();
  void end(Status status);
  uint64_t marked() const;
  void mark(uint64_t tun);

  hooks::Runner& runner_;
  std::vector<Server> servers_;
  io::Fd mark_;
  bool running_ = false;
  std::vector<Step> steps_;  ///< the next one last
  std::function<void(Status)> done_;
};

}  // namespace culvert::gateway
