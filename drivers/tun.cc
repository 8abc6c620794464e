#include "drivers/tun.h"

#include "drivers/packet_room.h"

namespace culvert::drivers {

TunPort::TunPort(TunDevice device, rte_mempool* packets)
    : device_(std::move(device)), packets_(packets), room_(packet_room(packets)), coalescer_(device_.offloads) {
  if (device_.offloads.vnet_header) staging_ = std::make_unique_for_overwrite<uint8_t[]>(kStaging);
}

void TunPort::count_losses(abi::Tally& tally) {
  if (device_.losses) tally.drop(abi::DropReason::tun_rx_missed, device_.losses->take());
}

}  // namespace culvert::drivers
