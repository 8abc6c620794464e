#include "drivers/nic/device_text.h"

#include <net/if.h>
#include <rte_errno.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>

namespace culvert::drivers {
namespace {

constexpr uint32_t kEthernetAndVlans = 14 + 8;
constexpr uint32_t kXdpHeadroom = 256;  ///< the kernel keeps that much of AF_XDP's buffers (XDP_PACKET_HEADROOM)
/// What the kernel puts before a frame in a place of AF_PACKET's ring (packet(7): tpacket2_hdr, sockaddr_ll, aligned).
constexpr uint32_t kPlaceHeader = 80;
constexpr uint32_t kUsualPlace = 2048;  ///< DPDK's default
constexpr uint32_t kPlaceUnit = 1024;   ///< four places are whole pages, which a block of the ring has to be

/// The value of ",KEY=VALUE" in the text, or an empty text.
std::string argument(const std::string& device, const std::string& key) {
  const std::string wanted = "," + key + "=";
  size_t at = device.find(wanted);
  if (at == std::string::npos) return "";
  at += wanted.size();
  return device.substr(at, device.find(',', at) - at);
}

/// Bytes of a place in the rings of an AF_PACKET device.
uint32_t ring_place(const std::string& device, uint32_t mtu) {
  std::string given = argument(device, "framesz");
  uint32_t size = 0;
  if (std::from_chars(given.data(), given.data() + given.size(), size).ec == std::errc()) return size;
  uint32_t needed = mtu + kEthernetAndVlans + kPlaceHeader;
  return needed <= kUsualPlace ? kUsualPlace : (needed + kPlaceUnit - 1) / kPlaceUnit * kPlaceUnit;
}

bool is_without(const std::string& device, const std::string& key) {
  return argument(device, key).empty();
}

}  // namespace

std::string device_name(const std::string& device) {
  return device.substr(0, device.find(','));
}

std::string kernel_interface_of(const std::string& device) {
  return device_name(device).starts_with("net_tap") ? "" : argument(device, "iface");
}

bool is_pci_device(const std::string& device) {
  std::string name = device_name(device);
  return name.size() >= 7 && name[name.size() - 2] == '.' && name.find(':') != std::string::npos &&
         name.find_first_not_of("0123456789abcdefABCDEF:.") == std::string::npos;
}

bool is_af_packet(const std::string& device) {
  return device.starts_with("net_af_packet");
}

bool is_af_xdp(const std::string& device) {
  return device.starts_with("net_af_xdp");
}

uint32_t largest_frame(const std::string& device, uint32_t mtu) {
  if (is_af_packet(device)) return ring_place(device, mtu);
  return mtu + kEthernetAndVlans + (is_af_xdp(device) ? kXdpHeadroom : 0);
}

std::string complete_device(const EthDeviceSettings& settings) {
  std::string text = settings.device;
  const std::string count = "=" + std::to_string(settings.queues);
  if (is_af_packet(text)) {
    if (settings.queues > 1 && is_without(text, "qpairs")) text += ",qpairs" + count;
    uint32_t place = ring_place(text, settings.mtu);
    if (place > kUsualPlace && is_without(text, "framesz") && is_without(text, "blocksz"))
      text += ",framesz=" + std::to_string(place) + ",blocksz=" + std::to_string(4 * place);
  }
  if (is_af_xdp(text) && settings.queues > 1 && is_without(text, "queue_count")) text += ",queue_count" + count;
  return text;
}

Status check_device(const EthDeviceSettings& settings) {
  const std::string& device = settings.device;
  std::string interface = kernel_interface_of(device);
  if ((is_af_packet(device) || is_af_xdp(device)) && interface.empty())
    return device_error(
        device, "names no interface of the kernel: write " + device_name(device) + ",iface=eth1 (ip link lists them)");
  if (!interface.empty() && if_nametoindex(interface.c_str()) == 0)
    return device_error(device, "there is no interface " + interface + " here: ip link lists them");
  if (if_nametoindex(device_name(device).c_str()) != 0)
    return device_error(device, "is an interface of the kernel, and no device of DPDK: write net_af_xdp0,iface=" +
                                    device + " or, for a first try, net_af_packet0,iface=" + device);
  if (is_af_packet(device) && settings.mtu + kEthernetAndVlans + kPlaceHeader > ring_place(device, settings.mtu))
    return device_error(device, "its framesz is too small for an MTU of " + std::to_string(settings.mtu) +
                                    ": leave framesz and blocksz away");
  return {};
}

std::string probe_error(const std::string& device, int error) {
  std::string name = device_name(device);
  if (is_pci_device(device))
    return "DPDK finds no such device, or none that it has a driver for: bind it with dpdk-devbind.py -b vfio-pci " +
           name +
           " (dpdk-devbind.py -s lists what there is), and give DPDK hugepages, which most of its drivers need "
           "(sysctl -w vm.nr_hugepages=512)";
  if (is_af_xdp(device)) {
    std::string interface = kernel_interface_of(device);
    return "AF_XDP does not work on " + interface + " (" + dpdk_error_text(error) +
           "): give the interface a queue for each worker (ethtool -L; virtual Ethernet counts as one queue), try "
           "force_copy=1 for drivers without zero copy, another start_queue, or net_af_packet0,iface=" +
           interface;
  }
  if (error == -EFAULT)  // no bus knows the name
    return "DPDK has no such kind of device: write a PCI address such as 0000:3b:00.0, net_af_xdp0,iface=eth1, "
           "net_af_packet0,iface=eth1, net_memif0,role=client,socket=/run/x.sock or another driver's name and a number";
  // Most drivers return -1 for all that is wrong, which is no reason.
  return "DPDK cannot open it" + (error == -EPERM ? "" : ": " + dpdk_error_text(error)) +
         ": a missing or unknown argument? The lines before this one may say more";
}

std::string start_error(const std::string& device, int error) {
  if (device.starts_with("net_memif") && device.find("role=server") == std::string::npos)
    return "nobody answers at its socket: start the other end, which has role=server and the same id and socket, first "
           "(an abstract socket is seen in its own network namespace only)";
  return "does not start" + (error == -EPERM ? std::string() : ": " + dpdk_error_text(error));
}

Error device_error(const std::string& device, const std::string& what) {
  return Error{"port " + device_name(device) + ": " + what};
}

std::string dpdk_error_text(int error) {
  return rte_strerror(std::abs(error));
}

}  // namespace culvert::drivers
