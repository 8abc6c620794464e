#include "control/gateway/held_packets.h"

#include <iterator>
#include <utility>

#include "control/io/link_checks.h"

namespace culvert::gateway {

bool HeldPackets::hold(uint32_t worker, const abi::PacketMessage& packet) {
  if (packet.remote.transport != abi::Transport::kTcp || held_.size() >= kMost) return false;
  held_.push_back({worker, packet});
  return true;
}

void HeldPackets::take_unsent(const io::LinkMapping& ended) {
  std::deque<Held> behind = std::exchange(held_, {});
  for (uint32_t worker = 0; worker < ended.view().workers(); ++worker) {
    // It has no reader any more.
    abi::Consumer ring(ended.view().worker(worker).control_out);
    abi::PacketMessage packet{};
    while (ring.pop(packet) == abi::RingStatus::kOk)
      if (io::plausible(packet)) hold(worker, packet);
  }
  std::ranges::move(behind, std::back_inserter(held_));
}

size_t HeldPackets::release(const std::vector<std::unique_ptr<io::WorkerLane>>& lanes) {
  size_t lost = 0;
  for (Held& held : std::exchange(held_, {}))
    if (!lanes[held.worker % lanes.size()]->push_packet(held.packet)) ++lost;
  for (const auto& lane : lanes) lane->flush();
  return lost;
}

}  // namespace culvert::gateway
