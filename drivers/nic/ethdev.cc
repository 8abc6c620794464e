#include "drivers/nic/ethdev.h"

#include <net/if.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace culvert::drivers {
namespace {

constexpr uint16_t kDescriptors = 1024;  ///< per queue

std::string name_of(const std::string& device) {
  return device.substr(0, device.find(','));
}

Error fail(const std::string& device, const std::string& what) {
  return Error{"port " + name_of(device) + ": " + what};
}

std::string text_of(int error) {
  return rte_strerror(std::abs(error));
}

/// Why a device can't be had, and what to do.
std::string probe_error(const std::string& device, int error) {
  std::string name = name_of(device);
  if (is_pci_device(device))
    return "DPDK finds no such device, or none that it has a driver for: bind it with dpdk-devbind.py -b vfio-pci " +
           name +
           " (dpdk-devbind.py -s lists what there is), and give DPDK hugepages, which most of its drivers need "
           "(sysctl -w vm.nr_hugepages=512)";
  if (name.starts_with("net_af_xdp"))
    return "AF_XDP does not work on " + kernel_interface_of(device) + " (" + text_of(error) +
           "): give the interface a queue for each worker (ethtool -L), try force_copy=1 for drivers without zero "
           "copy, "
           "another start_queue, or net_af_packet0,iface=" +
           kernel_interface_of(device);
  return "DPDK cannot open it: " + text_of(error) + "; the lines before this one say more";
}

/// DPDK's devices on kernel interfaces open one queue unless told otherwise.
std::string with_queues(const EthDeviceSettings& settings) {
  const std::string& device = settings.device;
  if (settings.queues == 1) return device;
  const std::string count = "=" + std::to_string(settings.queues);
  if (device.starts_with("net_af_packet") && device.find(",qpairs=") == std::string::npos)
    return device + ",qpairs" + count;
  if (device.starts_with("net_af_xdp") && device.find(",queue_count=") == std::string::npos)
    return device + ",queue_count" + count;
  return device;
}

}  // namespace

std::string kernel_interface_of(const std::string& device) {
  size_t at = device.find(",iface=");
  if (at == std::string::npos || name_of(device).starts_with("net_tap")) return "";
  at += 7;
  return device.substr(at, device.find(',', at) - at);
}

bool is_pci_device(const std::string& device) {
  std::string name = name_of(device);
  return name.size() >= 7 && name[name.size() - 2] == '.' && name.find(':') != std::string::npos &&
         name.find_first_not_of("0123456789abcdefABCDEF:.") == std::string::npos;
}

Result<EthDevice> EthDevice::open(const EthDeviceSettings& settings, rte_mempool* packets) {
  EthDevice device;
  device.settings_ = settings;
  std::string interface = kernel_interface_of(settings.device);
  if (!interface.empty() && if_nametoindex(interface.c_str()) == 0)
    return fail(settings.device, "there is no interface " + interface + " here: ip link lists them");
  if (Status found = device.find(); !found) return Error{found.error()};
  if (Status configured = device.configure(packets); !configured) return Error{configured.error()};
  return device;
}

/// Finds the device that EAL probed at its start (PCI), or probes it now.
Status EthDevice::find() {
  std::string name = name_of(settings_.device);
  if (is_pci_device(name) && std::ranges::count(name, ':') == 1) name = "0000:" + name;
  if (rte_eth_dev_get_port_by_name(name.c_str(), &id_) == 0) return {};
  id_ = UINT16_MAX;
  int error = rte_dev_probe(with_queues(settings_).c_str());
  if (error == 0) error = rte_eth_dev_get_port_by_name(name.c_str(), &id_);
  if (error == 0) return {};
  id_ = UINT16_MAX;
  return fail(settings_.device, probe_error(settings_.device, error));
}

Status EthDevice::configure(rte_mempool* packets) {
  rte_eth_dev_info info{};
  if (int error = rte_eth_dev_info_get(id_, &info); error != 0) return fail(settings_.device, text_of(error));
  driver_ = info.driver_name;
  may_be_partial_ = driver_ == "net_af_packet" || driver_ == "net_af_xdp" || driver_ == "net_tap";
  if (settings_.queues > info.max_rx_queues || settings_.queues > info.max_tx_queues)
    return fail(settings_.device, "has " + std::to_string(std::min(info.max_rx_queues, info.max_tx_queues)) +
                                      " queues, one per worker is needed (" + std::to_string(settings_.queues) + ")");
  rte_eth_conf conf{};
  conf.rxmode.mtu = settings_.mtu;
  conf.rxmode.offloads = info.rx_offload_capa & (RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM);
  // One pool for all ports, and no packet has two owners: what MBUF_FAST_FREE asks for.
  conf.txmode.offloads = info.tx_offload_capa & (RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM |
                                                 RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE);
  checks_ip_ = (conf.txmode.offloads & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM) != 0;
  checks_udp_ = (conf.txmode.offloads & RTE_ETH_TX_OFFLOAD_UDP_CKSUM) != 0;
  if (settings_.queues > 1) {
    conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf.rx_adv_conf.rss_conf.rss_hf =
        info.flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_TCP);
  }
  if (int error = rte_eth_dev_configure(id_, settings_.queues, settings_.queues, &conf); error != 0)
    return fail(settings_.device, "does not take its settings (MTU " + std::to_string(settings_.mtu) + ", " +
                                      std::to_string(settings_.queues) + " queues): " + text_of(error));
  if (int error = rte_eth_dev_set_mtu(id_, static_cast<uint16_t>(settings_.mtu)); error != 0 && error != -ENOTSUP)
    return fail(settings_.device, "does not take an MTU of " + std::to_string(settings_.mtu) + ": " + text_of(error));
  if (Status queues = set_up_queues(packets); !queues) return queues;
  if (int error = rte_eth_dev_start(id_); error != 0)
    return fail(settings_.device, "does not start: " + text_of(error));
  // Multicast for neighbour discovery and routing protocols.
  if (rte_eth_allmulticast_enable(id_) != 0 && rte_eth_promiscuous_enable(id_) != 0)
    warnings_.push_back("port " + name_of(settings_.device) +
                        " takes no multicast: IPv6 neighbours and routing protocols may not find it");
  rte_ether_addr address{};
  if (int error = rte_eth_macaddr_get(id_, &address); error != 0) return fail(settings_.device, text_of(error));
  std::copy_n(address.addr_bytes, mac_.size(), mac_.begin());
  return {};
}

Status EthDevice::set_up_queues(rte_mempool* packets) {
  uint16_t rx = kDescriptors, tx = kDescriptors;
  if (int error = rte_eth_dev_adjust_nb_rx_tx_desc(id_, &rx, &tx); error != 0)
    return fail(settings_.device, text_of(error));
  int socket = rte_eth_dev_socket_id(id_);
  auto node = static_cast<unsigned>(socket < 0 ? SOCKET_ID_ANY : socket);
  for (uint16_t queue = 0; queue < settings_.queues; ++queue) {
    int error = rte_eth_rx_queue_setup(id_, queue, rx, node, nullptr, packets);
    if (error == 0) error = rte_eth_tx_queue_setup(id_, queue, tx, node, nullptr);
    if (error != 0)
      return fail(settings_.device,
                  "cannot set up queue " + std::to_string(queue) + ": " + probe_error(settings_.device, error));
  }
  return {};
}

EthDevice::EthDevice(EthDevice&& other) noexcept
    : settings_(std::move(other.settings_)),
      driver_(std::move(other.driver_)),
      id_(std::exchange(other.id_, UINT16_MAX)),
      mac_(other.mac_),
      checks_ip_(other.checks_ip_),
      checks_udp_(other.checks_udp_),
      may_be_partial_(other.may_be_partial_),
      warnings_(std::move(other.warnings_)) {}

EthDevice::~EthDevice() {
  if (id_ == UINT16_MAX) return;
  rte_eth_dev_stop(id_);
  rte_eth_dev_close(id_);
}

bool EthDevice::has_link() const {
  rte_eth_link link{};
  return rte_eth_link_get_nowait(id_, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
}

EthDevice::Losses EthDevice::losses() const {
  rte_eth_stats stats{};
  if (rte_eth_stats_get(id_, &stats) != 0) return {};
  return {stats.imissed, stats.rx_nombuf};
}

}  // namespace culvert::drivers
