#include <filesystem>
#include <memory>

#include "control/io/event_loop.h"
#include "tools/culvert/commands.h"
#include "tools/culvert/preflight.h"
#include "tools/culvert/run_dir.h"
#include "tools/culvert/supervisor.h"

namespace culvert::cli {
namespace {

std::string list_of(const std::vector<uint32_t>& cores) {
  std::string list;
  for (uint32_t core : cores) list += (list.empty() ? "" : ",") + std::to_string(core);
  return list.empty() ? "any" : list;
}

std::vector<std::string> dataplane_argv(const std::string& program, const config::Configuration& configuration,
                                        const io::Identity& identity, const std::string& run_dir) {
  const config::Appliance& appliance = configuration.appliance;
  std::vector<std::string> argv = {program,
                                   "--run-dir",
                                   run_dir,
                                   "--workers",
                                   list_of(appliance.workers),
                                   "--sessions",
                                   std::to_string(appliance.sessions),
                                   "--tun-mtu",
                                   std::to_string(configuration.tun.mtu),
                                   "--huge",
                                   appliance.huge == config::HugePages::kOff ? "off" : "auto"};
  for (const config::PortBlock& port : appliance.ports) {
    std::string text = port.device + ";name=" + port.name + ";mtu=" + std::to_string(port.mtu);
    for (const std::string& address : port.addresses) text += ";address=" + address;
    argv.insert(argv.end(), {"--port", text});
  }
  if (identity.uid) argv.insert(argv.end(), {"--control-uid", std::to_string(*identity.uid)});
  if (identity.gid) argv.insert(argv.end(), {"--control-gid", std::to_string(*identity.gid)});
  return argv;
}

void up(Context& context, const std::string& config) {
  if (Status status = check_machine(); !status) return context.fail(status.error());
  auto configuration = check_configuration(config);
  if (!configuration) return context.fail(configuration.error());
  auto identity = io::identity_of(configuration->user, configuration->group);
  if (!identity) return context.fail(identity.error());
  auto dataplane = find_program("culvert-dataplane");
  if (!dataplane) return context.fail(dataplane.error());
  auto control = find_program("culvert-control");
  if (!control) return context.fail(control.error());
  std::string path = context.run_dir.empty() ? configuration->appliance.run_dir : context.run_dir;
  auto run_dir = RunDir::claim(path);
  if (!run_dir) return context.fail(run_dir.error());
  auto loop = io::EventLoop::make();
  if (!loop) return context.fail(loop.error());
  auto descriptors = KeptDescriptors::listen(**loop, path + "/kept.sock");
  if (!descriptors) return context.fail(descriptors.error());
  // In the log and in `culvert status` it must make sense from any folder.
  const std::string whole = std::filesystem::absolute(config).lexically_normal();
  Supervisor supervisor(**loop, path, Child(dataplane_argv(*dataplane, *configuration, *identity, path)),
                        Child({*control, "--config", whole, "--run-dir", path}), *std::move(descriptors));
  context.exit_status = supervisor.run();
}

}  // namespace

void add_up_command(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("up", "run a gateway in the foreground until SIGTERM or Ctrl-C");
  auto config = std::make_shared<std::string>("/etc/culvert/culvert.toml");
  command->add_option("--config", *config, "culvert.toml of the gateway")->capture_default_str()->type_name("FILE");
  command->callback([&context, config] { up(context, *config); });
}

}  // namespace culvert::cli
