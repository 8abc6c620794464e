// A tunnel without a protocol: IP packets of a TUN as UDP datagrams and back, through the gateway's own drivers. What
// is left of its rate when the gateway does the same with encryption is what the packet path costs; its rate is the
// ceiling that the kernel sets.
#include <sys/eventfd.h>

#include <CLI/CLI.hpp>

#include <array>
#include <cstdio>

#include "dataplane/sleeper.h"
#include "perf/tunnel/ends.h"

namespace culvert::perf {
namespace {

constexpr size_t kBurst = 64;
constexpr int kIdlePasses = 8;
constexpr uint64_t kLongestSleep = 1'000'000'000;  // ns

/// One burst each way. False: nothing came.
bool pass(Ends& ends, abi::Tally& tally) {
  std::array<rte_mbuf*, kBurst> burst;
  uint16_t in = ends.udp->rx_burst(burst, tally);
  if (in > 0) ends.tun->tx_burst(std::span(burst).first(in), tally);
  uint16_t out = ends.tun->rx_burst(burst, tally);
  for (rte_mbuf* packet : std::span(burst).first(out)) meta(packet) = {.remote = ends.remote, .local = {}, .port = 0};
  if (out > 0) ends.udp->tx_burst(std::span(burst).first(out), tally);
  return in + out > 0;
}

void run(Ends& ends) {
  drivers::FileDescriptor doorbell(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  dataplane::Sleeper sleeper(doorbell.get());
  sleeper.add(ends.udp->wake_fd());
  sleeper.add(ends.tun->wake_fd());
  abi::Tally tally;
  for (int idle = 0; !must_end();) {
    idle = pass(ends, tally) ? 0 : idle + 1;
    if (idle >= kIdlePasses) sleeper.wait(kLongestSleep);
  }
  for (abi::Counter counter : {abi::Counter::outer_tx_packets, abi::Counter::inner_tx_packets})
    std::printf("%s %llu\n", counter == abi::Counter::outer_tx_packets ? "sent" : "received",
                static_cast<unsigned long long>(tally.counters[static_cast<size_t>(counter)]));
}

}  // namespace
}  // namespace culvert::perf

int main(int argc, char** argv) {
  using namespace culvert::perf;
  CLI::App app("Relays the packets of a TUN over UDP, unprotected: for measurements between namespaces only.", "relay");
  EndOptions options;
  add_options(app, options);
  CLI11_PARSE(app, argc, argv);
  catch_signals();
  auto ends = open_ends(options);
  if (!ends) {
    std::fprintf(stderr, "relay: %s\n", ends.error().c_str());
    return 1;
  }
  std::printf("relay: ready\n");
  std::fflush(stdout);
  run(*ends);
  return 0;
}
