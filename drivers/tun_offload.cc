#include "drivers/tun_offload.h"

#include <linux/if_tun.h>
#include <sys/ioctl.h>

namespace culvert::drivers {
namespace {

// Linux 6.2, include/uapi/linux/if_tun.h; Debian 12's headers are older.
constexpr unsigned kUso4 = 0x20;
constexpr unsigned kUso6 = 0x40;

bool set_offload(int queue, unsigned offloads) {
  return ioctl(queue, TUNSETOFFLOAD, static_cast<unsigned long>(offloads)) == 0;
}

}  // namespace

short vnet_header_flag(int clone) {
  unsigned features = 0;
  if (ioctl(clone, TUNGETFEATURES, &features) != 0) return 0;
  return static_cast<short>(features & IFF_VNET_HDR);
}

offload::TunOffloads turn_on_offloads(int queue, short flags) {
  offload::TunOffloads offloads;
  offloads.vnet_header = (flags & IFF_VNET_HDR) != 0;
  if (!offloads.vnet_header) return offloads;
  constexpr unsigned kTcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
  offloads.udp = set_offload(queue, kTcp | kUso4 | kUso6);
  offloads.tcp = offloads.udp || set_offload(queue, kTcp);
  return offloads;
}

}  // namespace culvert::drivers
