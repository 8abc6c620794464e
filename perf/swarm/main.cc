// Thousands of OpenVPN clients in one process, against any server. See README.md.
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdio>

#include "dataplane/abi/endpoint_text.h"
#include "perf/common/profile.h"
#include "perf/common/result_file.h"
#include "perf/swarm/report.h"

namespace culvert::swarm {
namespace {

/// The profile's settings, with what the command line says instead.
Result<openvpn::ClientSettings> client_settings(const Options& options) {
  auto settings = perf::read_profile(options.profile, options.cipher);
  if (!settings) return Error{settings.error()};
  if (!options.remote.empty()) {
    size_t colon = options.remote.rfind(':');
    auto address = abi::parse_ip(options.remote.substr(0, colon));
    const char* end = options.remote.data() + options.remote.size();
    if (!address || colon == std::string::npos ||
        std::from_chars(options.remote.data() + colon + 1, end, settings->remote.port).ptr != end)
      return Error{"--remote " + options.remote + ": is not ADDRESS:PORT"};
    settings->remote.address = *address;
  }
  settings->remote.transport = options.protocol == "tcp" ? abi::Transport::kTcp : abi::Transport::kUdp;
  return settings;
}

/// A descriptor per client, and some.
void allow_descriptors() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

int fail(const std::string& why, int status) {
  std::fprintf(stderr, "swarm: %s\n", why.c_str());
  return status;
}

int run(const Options& options) {
  auto phases = check(options);
  if (!phases) return fail(phases.error(), 2);
  auto settings = client_settings(options);
  if (!settings) return fail(settings.error(), 2);
  for (const std::string& file : {options.json, options.svg})
    if (Status writable = perf::check_writable(file); !writable) return fail(writable.error(), 1);
  allow_descriptors();
  auto swarm = Swarm::make(options, *settings);
  if (!swarm) return fail(swarm.error(), 1);
  auto connected = (*swarm)->connect();
  if (!connected) return fail(connected.error(), 1);
  Run done{options, *std::move(connected), {}};
  for (PhaseKind kind : *phases) {
    auto phase = (*swarm)->run(kind);
    if (!phase) return fail(to_text(kind) + ": " + phase.error(), 1);
    done.phases.push_back(*std::move(phase));
  }
  (*swarm)->leave();
  std::fputs(to_text(done).c_str(), stdout);
  if (Status written = perf::write_file(options.json, to_json(done)); !written) return fail(written.error(), 1);
  if (Status written = perf::write_file(options.svg, to_svg(done)); !written) return fail(written.error(), 1);
  return 0;
}

}  // namespace
}  // namespace culvert::swarm

int main(int argc, char** argv) {
  culvert::swarm::Options options;
  CLI::App app(
      "Many OpenVPN clients in one process: handshakes, goodput, loss, latency, and what they cost the server.");
  culvert::swarm::add_options(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return culvert::swarm::run(options);
}
