#include "perf/pktgen/reflect.h"

#include <rte_ethdev.h>
#include <signal.h>
#include <sys/resource.h>

#include <atomic>
#include <vector>

namespace culvert::pktgen {
namespace {

std::atomic<bool> must_end = false;
static_assert(std::atomic<bool>::is_always_lock_free);

void end(int) {
  must_end = true;
}

}  // namespace

Status reflect(const Options& options, rte_mempool* packets) {
  std::vector<drivers::EthDevice> ports;
  ports.reserve(2);
  for (const std::string& device : {options.outer_device, options.inner_device}) {
    if (device.empty()) continue;
    auto port = drivers::EthDevice::open({.device = device}, packets);
    if (!port) return Error{port.error()};
    ports.push_back(std::move(*port));
  }
  if (options.core) (void)setpriority(PRIO_PROCESS, 0, -20);  // of no use without the right to it, and no harm
  signal(SIGTERM, end);
  signal(SIGINT, end);
  while (!must_end) {
    for (const drivers::EthDevice& port : ports) {
      std::array<rte_mbuf*, NetPort::kBurst> burst;
      uint16_t count = rte_eth_rx_burst(port.id(), 0, burst.data(), burst.size());
      if (count == 0) continue;
      uint16_t sent = rte_eth_tx_burst(port.id(), 0, burst.data(), count);
      if (sent < count) rte_pktmbuf_free_bulk(&burst[sent], count - sent);
    }
  }
  return {};
}

}  // namespace culvert::pktgen
