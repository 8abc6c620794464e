// What the command line asks for.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "dataplane/abi/endpoint.h"
#include "dataplane/abi/result.h"

namespace CLI {
class App;
}

namespace culvert::swarm {

enum class PhaseKind : uint8_t { kIdle, kIn, kOut, kBoth, kLatency, kStorm };
std::string to_text(PhaseKind kind);

struct Options {
  std::string profile;
  std::string remote;  ///< ADDRESS:PORT, instead of the profile's
  std::string protocol = "udp";
  std::string cipher;
  std::string sources;  ///< first address that clients come from; empty: the kernel's choice
  uint32_t clients = 1;
  uint32_t concurrency = 64;  ///< handshakes at once
  double connect_seconds = 60;
  std::vector<std::string> phases{"both"};
  double seconds = 5;
  double rate = 0;  ///< Mb/s of inner bytes per direction, all clients; 0: as fast as they arrive
  uint64_t window = 256;
  size_t burst = 16;
  size_t size = 1400;
  double echo_rate = 200;  ///< per second, all clients
  std::string net_namespace;
  std::string inner = "10.8.0.1";
  std::vector<pid_t> pids;
  std::string json, svg;  ///< files
  bool quiet = false;
};

/// `options` outlives the parsing.
void add_options(CLI::App& app, Options& options);

/// What must hold between options. Error: what is wrong and the way out.
Result<std::vector<PhaseKind>> check(const Options& options);

}  // namespace culvert::swarm
