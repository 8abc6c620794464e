#include "drivers/nic/vhost_twin.h"

#include <net/if.h>
#include <rte_ethdev.h>

#include <cstdio>

namespace culvert::drivers {
namespace {

std::string text_of(const wire::MacAddress& mac) {
  char text[18];
  std::snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
  return text;
}

}  // namespace

Result<std::unique_ptr<Twin>> VhostTwin::make(const TwinSettings& settings, rte_mempool* packets) {
  static unsigned number = 0;
  auto device = EthDevice::open(
      {"virtio_user" + std::to_string(number++) +
           ",path=/dev/vhost-net,queues=1,queue_size=1024,iface=" + settings.name + ",mac=" + text_of(settings.mac),
       settings.mtu, 1, true},  // its frames go out as they come
      packets);
  if (!device) return Error{device.error()};
  auto index = static_cast<int>(if_nametoindex(settings.name.c_str()));
  if (index == 0) return Error{"twin " + settings.name + ": vhost-net made no such interface"};
  if (Status done = configure_twin(settings); !done) return Error{done.error()};
  return std::unique_ptr<Twin>(new VhostTwin(std::move(*device), settings.name, index));
}

uint16_t VhostTwin::rx_burst(std::span<rte_mbuf*> out, abi::Tally&) {
  return rte_eth_rx_burst(device_.id(), 0, out.data(), static_cast<uint16_t>(out.size()));
}

void VhostTwin::tx_burst(std::span<rte_mbuf*> frames, abi::Tally& tally) {
  for (rte_mbuf* frame : frames) frame->ol_flags = 0;
  uint16_t sent = rte_eth_tx_burst(device_.id(), 0, frames.data(), static_cast<uint16_t>(frames.size()));
  tally.add(abi::Counter::twin_tx_packets, sent);
  if (sent == frames.size()) return;
  tally.drop(abi::DropReason::tx_queue_full, frames.size() - sent);
  rte_pktmbuf_free_bulk(&frames[sent], static_cast<unsigned>(frames.size() - sent));
}

bool VhostTwin::is_gone() const {
  return if_nametoindex(name_.c_str()) == 0;
}

/// A DPDK device does not change hands while a worker polls it.
Result<std::vector<std::unique_ptr<Twin>>> VhostTwin::make_next(const TwinSettings&, size_t) const {
  return Error{"twin " + name_ +
               " is by vhost-net, which only a start makes: restart culvert-dataplane (sessions survive that)"};
}

Status VhostTwin::go_on_with(Twin&) {
  return Error{"twin " + name_ + " is by vhost-net, which only a start makes"};
}

}  // namespace culvert::drivers
