#include "drivers/nic/ethdev.h"

#include <net/if.h>
#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "dataplane/packet.h"

namespace culvert::drivers {
namespace {

constexpr uint16_t kDescriptors = 1024;         ///< per queue
constexpr uint32_t kEthernetOverhead = 14 + 4;  ///< header and frame check sequence, as DPDK counts
constexpr uint32_t kAfXdpMtu = 3200;            ///< with everything around it in a page

/// Who puts frames into queues there: the kernel, its driver, the neighbour.
bool is_spread_elsewhere(const std::string& driver) {
  return driver == "net_af_packet" || driver == "net_af_xdp" || driver == "net_memif";
}

}  // namespace

Result<EthDevice> EthDevice::open(const EthDeviceSettings& settings, std::span<rte_mempool* const> packets) {
  EthDevice device;
  device.settings_ = settings;
  if (Status checked = check_device(settings); !checked) return Error{checked.error()};
  if (Status found = device.find(); !found) return Error{found.error()};
  if (Status configured = device.configure(packets); !configured) return Error{configured.error()};
  return device;
}

/// Finds the device that EAL probed at its start (PCI), or probes it now.
Status EthDevice::find() {
  std::string name = device_name(settings_.device);
  if (is_pci_device(name) && std::ranges::count(name, ':') == 1) name = "0000:" + name;
  if (rte_eth_dev_get_port_by_name(name.c_str(), &id_) == 0) return {};
  id_ = UINT16_MAX;
  int error = rte_dev_probe(complete_device(settings_).c_str());
  if (error == 0) error = rte_eth_dev_get_port_by_name(name.c_str(), &id_);
  if (error == 0) {
    if (is_af_packet(name))
      packet_sockets_ =
          PacketSockets::on(static_cast<int>(if_nametoindex(kernel_interface_of(settings_.device).c_str())));
    return {};
  }
  id_ = UINT16_MAX;
  return device_error(settings_.device, probe_error(settings_.device, error));
}

Status EthDevice::configure(std::span<rte_mempool* const> packets) {
  rte_eth_dev_info info{};
  if (int error = rte_eth_dev_info_get(id_, &info); error != 0)
    return device_error(settings_.device, dpdk_error_text(error));
  driver_ = info.driver_name;
  may_be_partial_ = driver_ == "net_af_packet" || driver_ == "net_af_xdp" || driver_ == "net_tap";
  if (settings_.queues > info.max_rx_queues || settings_.queues > info.max_tx_queues)
    return device_error(settings_.device, "has " + std::to_string(std::min(info.max_rx_queues, info.max_tx_queues)) +
                                              " queues, one per worker is needed (" + std::to_string(settings_.queues) +
                                              ")");
  if (Status fits = check_mtu(info, packets.front()); !fits) return fits;
  rte_eth_conf conf{};
  // DPDK 22.11's AF_PACKET driver says that it takes 1518 bytes, whatever its rings have room for. The interface below
  // has the true MTU (ParentInterface), and complete_device() makes the room.
  bool tells_mtu = !is_af_packet(settings_.device);
  if (tells_mtu) conf.rxmode.mtu = settings_.mtu;
  if (!settings_.whole_checksums)
    conf.rxmode.offloads = info.rx_offload_capa & (RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM);
  conf.txmode.offloads = info.tx_offload_capa & (RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM);
  // One pool for all, and no packet with two owners, is what that asks for.
  if (std::ranges::all_of(packets, [&](const rte_mempool* pool) { return pool == packets.front(); }))
    conf.txmode.offloads |= info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
  checks_ip_ = (conf.txmode.offloads & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM) != 0;
  checks_udp_ = (conf.txmode.offloads & RTE_ETH_TX_OFFLOAD_UDP_CKSUM) != 0;
  if (settings_.queues > 1) {
    conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf.rx_adv_conf.rss_conf.rss_hf =
        info.flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_TCP);
    if (conf.rx_adv_conf.rss_conf.rss_hf == 0 && !is_spread_elsewhere(driver_))
      warnings_.push_back("port " + device_name(settings_.device) +
                          " has no RSS: all that it receives may come to one of " + std::to_string(settings_.queues) +
                          " workers, which hands the others theirs");
  }
  if (int error = rte_eth_dev_configure(id_, settings_.queues, settings_.queues, &conf); error != 0)
    return device_error(settings_.device, "does not take its settings (MTU " + std::to_string(settings_.mtu) + ", " +
                                              std::to_string(settings_.queues) + " queues): " + dpdk_error_text(error));
  int refused = tells_mtu ? rte_eth_dev_set_mtu(id_, static_cast<uint16_t>(settings_.mtu)) : 0;
  if (refused != 0 && refused != -ENOTSUP)
    return device_error(settings_.device,
                        "does not take an MTU of " + std::to_string(settings_.mtu) + ": " + dpdk_error_text(refused));
  if (Status queues = set_up_queues(packets); !queues) return queues;
  if (int error = rte_eth_dev_start(id_); error != 0)
    return device_error(settings_.device, start_error(settings_.device, error));
  // Multicast for neighbour discovery and routing protocols.
  if (rte_eth_allmulticast_enable(id_) != 0 && rte_eth_promiscuous_enable(id_) != 0)
    warnings_.push_back("port " + device_name(settings_.device) +
                        " takes no multicast: IPv6 neighbours and routing protocols may not find it");
  rte_ether_addr address{};
  if (int error = rte_eth_macaddr_get(id_, &address); error != 0)
    return device_error(settings_.device, dpdk_error_text(error));
  std::copy_n(address.addr_bytes, mac_.size(), mac_.begin());
  return {};
}

/// Says what DPDK's own refusals don't: how much the device takes.
Status EthDevice::check_mtu(const rte_eth_dev_info& info, const rte_mempool* packets) const {
  if (is_af_xdp(settings_.device)) {
    // The kernel wants a packet's whole buffer, with all that stands before it, to fit into a page (xdp_umem_reg).
    uint32_t buffer = packets->header_size + packets->elt_size + packets->trailer_size;
    if (buffer <= static_cast<uint32_t>(sysconf(_SC_PAGESIZE))) return {};
    return device_error(settings_.device,
                        "AF_XDP has a page of memory for each packet: set tun-mtu and mtu of every [[port]] to " +
                            std::to_string(kAfXdpMtu) + " or less, or use net_af_packet in place of net_af_xdp");
  }
  uint32_t by_length = info.max_rx_pktlen > kEthernetOverhead ? info.max_rx_pktlen - kEthernetOverhead : UINT16_MAX;
  uint32_t most = std::min<uint32_t>(info.max_mtu == 0 ? UINT16_MAX : info.max_mtu, by_length);
  if (settings_.mtu <= most || is_af_packet(settings_.device)) return {};
  return device_error(settings_.device, "does not take an MTU of " + std::to_string(settings_.mtu) +
                                            ": set mtu of its [[port]] to " + std::to_string(most) + " or less");
}

Status EthDevice::set_up_queues(std::span<rte_mempool* const> packets) {
  uint16_t rx = kDescriptors, tx = kDescriptors;
  if (int error = rte_eth_dev_adjust_nb_rx_tx_desc(id_, &rx, &tx); error != 0)
    return device_error(settings_.device, dpdk_error_text(error));
  int socket = rte_eth_dev_socket_id(id_);
  auto node = static_cast<unsigned>(socket < 0 ? SOCKET_ID_ANY : socket);
  for (uint16_t queue = 0; queue < settings_.queues; ++queue) {
    int error = rte_eth_rx_queue_setup(id_, queue, rx, node, nullptr, packets[queue]);
    if (error == 0) error = rte_eth_tx_queue_setup(id_, queue, tx, node, nullptr);
    if (error != 0)
      return device_error(settings_.device,
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
      packet_sockets_(std::move(other.packet_sockets_)),
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

std::optional<EthDevice::Losses> EthDevice::losses() const {
  rte_eth_stats stats{};
  if (rte_eth_stats_get(id_, &stats) != 0) return std::nullopt;
  return Losses{stats.imissed + packet_sockets_.losses(), stats.rx_nombuf, packet_sockets_.rolled_over()};
}

}  // namespace culvert::drivers
