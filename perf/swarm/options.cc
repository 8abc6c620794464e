#include "perf/swarm/options.h"

#include <CLI/CLI.hpp>
#include <array>

#include "dataplane/abi/endpoint_text.h"
#include "perf/swarm/data_channel.h"
#include "perf/swarm/packet.h"

namespace culvert::swarm {
namespace {

const std::array<std::pair<const char*, PhaseKind>, 6> kPhases = {{{"idle", PhaseKind::kIdle},
                                                                   {"in", PhaseKind::kIn},
                                                                   {"out", PhaseKind::kOut},
                                                                   {"both", PhaseKind::kBoth},
                                                                   {"latency", PhaseKind::kLatency},
                                                                   {"storm", PhaseKind::kStorm}}};
constexpr size_t kOuterRoom = 65507;  ///< of one UDP datagram, which a burst is for the kernel
constexpr size_t kOuterFront = 26;

}  // namespace

std::string to_text(PhaseKind kind) {
  for (auto [name, each] : kPhases)
    if (each == kind) return name;
  return "?";
}

void add_options(CLI::App& app, Options& options) {
  app.add_option("--profile", options.profile, "client profile with everything inline (culvert client add)")
      ->required();
  app.add_option("--remote", options.remote, "ADDRESS:PORT of the server instead of the profile's");
  app.add_option("--proto", options.protocol, "udp or tcp")
      ->check(CLI::IsMember({"udp", "tcp"}))
      ->capture_default_str();
  app.add_option("--cipher", options.cipher, "data-ciphers instead of the profile's");
  app.add_option("--sources", options.sources,
                 "first IPv4 address that clients come from, one each; route the network to this host as local");
  app.add_option("--clients", options.clients, "clients that stay connected")
      ->check(CLI::Range(1, 20000))
      ->capture_default_str();
  app.add_option("--concurrency", options.concurrency, "handshakes at once, at the start and in a storm")
      ->check(CLI::Range(1, 5000))
      ->capture_default_str();
  app.add_option("--connect-seconds", options.connect_seconds, "for all clients to connect")
      ->check(CLI::Range(1.0, 600.0))
      ->capture_default_str();
  app.add_option("--phase", options.phases,
                 "what to measure, in order: idle, in (client to server), out, both, latency (echo), storm (echo while "
                 "others connect and leave all the time)")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--seconds", options.seconds, "length of a phase")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  app.add_option("--rate", options.rate, "Mb/s of inner bytes per direction, all clients; 0: as fast as they arrive")
      ->check(CLI::Range(0.0, 400000.0))
      ->capture_default_str();
  app.add_option("--window", options.window, "packets on the way per direction at most")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  app.add_option("--burst", options.burst, "packets of a client that go together")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--size", options.size, "bytes of an inner packet")
      ->check(CLI::Range(kSmallestInner, kLargestInner))
      ->capture_default_str();
  app.add_option("--echo-rate", options.echo_rate, "echoes per second, all clients")
      ->check(CLI::Range(1.0, 100000.0))
      ->capture_default_str();
  app.add_option("--server-netns", options.net_namespace,
                 "file of the network namespace that the inner packets come out in (/run/netns/NAME)");
  app.add_option("--inner", options.inner, "address there that clients send to")->capture_default_str();
  app.add_option("--pid", options.pids, "process of the server whose CPU time counts; may be repeated")->delimiter(',');
  app.add_option("--json", options.json, "file for the results");
  app.add_option("--svg", options.svg, "file for the plot");
  app.add_flag("--quiet", options.quiet, "no progress on stderr");
}

Result<std::vector<PhaseKind>> check(const Options& options) {
  std::vector<PhaseKind> phases;
  for (const std::string& name : options.phases) {
    auto found = std::find_if(kPhases.begin(), kPhases.end(), [&](const auto& each) { return name == each.first; });
    if (found == kPhases.end()) return Error{"--phase " + name + ": is none of idle, in, out, both, latency, storm"};
    phases.push_back(found->second);
    if (found->second != PhaseKind::kIdle && options.net_namespace.empty())
      return Error{"--phase " + name + ": needs --server-netns, where the other end of the tunnel is"};
  }
  if (options.burst * (options.size + kOuterFront) > kOuterRoom)
    return Error{"--burst " + std::to_string(options.burst) + " packets of --size " + std::to_string(options.size) +
                 " are more than the kernel takes at once (64 KiB): make one of them smaller"};
  if (options.burst > options.window) return Error{"--burst is larger than --window, so that nothing could be sent"};
  auto inner = abi::parse_ip(options.inner);
  if (!inner || inner->family != abi::Family::kIpv4) return Error{"--inner " + options.inner + ": is no IPv4 address"};
  auto source = abi::parse_ip(options.sources);
  if (!options.sources.empty() && (!source || source->family != abi::Family::kIpv4))
    return Error{"--sources " + options.sources + ": is no IPv4 address"};
  return phases;
}

}  // namespace culvert::swarm
