// What both programs of this folder start with: options, DPDK, a TUN and a UDP socket.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "dataplane/abi/endpoint.h"
#include "dataplane/abi/result.h"
#include "drivers/kernel_udp.h"
#include "drivers/tun.h"

namespace CLI {
class App;
}

namespace culvert::perf {

/// As texts of the command line.
struct EndOptions {
  std::string tun = "tun0";
  std::string address;  ///< inner, with prefix length
  std::string remote;   ///< ADDRESS:PORT
  std::string local = "0.0.0.0:0";
  uint32_t mtu = 1500;
};

void add_options(CLI::App& app, EndOptions& options);

struct Ends {
  rte_mempool* packets = nullptr;
  std::shared_ptr<drivers::TunPort> tun;
  std::shared_ptr<drivers::KernelUdpPort> udp;
  abi::Endpoint remote;
};

/// Starts DPDK in ordinary memory, and opens both ports. Errors name the option that is wrong.
Result<Ends> open_ends(const EndOptions& options);

/// "192.0.2.1:1194", "[2001:db8::1]:1194".
Result<abi::Endpoint> parse_endpoint(const std::string& text);
/// "10.8.0.1/24".
Result<abi::TunAddress> parse_prefix(const std::string& text);

/// From now on SIGTERM and SIGINT only make must_end() true.
void catch_signals();
bool must_end();

}  // namespace culvert::perf
