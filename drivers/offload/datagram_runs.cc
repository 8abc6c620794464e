#include "drivers/offload/datagram_runs.h"

#include <cstring>

#include "dataplane/packet.h"

namespace culvert::drivers::offload {
namespace {

uint8_t slot_of(const abi::Endpoint& remote) {
  constexpr uint64_t kOdd = 0x9E37'79B9'7F4A'7C15;
  std::array<uint64_t, 2> address;
  std::memcpy(address.data(), remote.address.bytes.data(), sizeof address);
  uint64_t hash = (address[0] ^ remote.port) * kOdd;
  hash = (hash ^ (hash >> 32) ^ address[1]) * kOdd;
  return static_cast<uint8_t>((hash >> 32) % DatagramRuns::kSlots);
}

}  // namespace

std::span<const DatagramRuns::Run> DatagramRuns::plan(std::span<rte_mbuf* const> packets, bool join) {
  open_.fill(kNone);
  size_t count = 0;
  for (uint8_t i = 0; i < packets.size(); ++i) {
    const PacketMeta& to = meta(packets[i]);
    uint16_t length = packets[i]->data_len;
    uint8_t slot = slot_of(to.remote);
    if (join && open_[slot] != kNone) {
      Run& run = runs_[open_[slot]];
      const PacketMeta& other = meta(packets[run.first]);
      bool shorter_before = packets[run.last]->data_len < run.segment;
      if (!shorter_before && length > 0 && length <= run.segment && run.bytes + length <= kMaxBytes &&
          to.remote == other.remote && to.local == other.local) {
        next_[run.last] = i;
        run.last = i;
        ++run.count;
        run.bytes += length;
        continue;
      }
    }
    open_[slot] = static_cast<uint8_t>(count);
    runs_[count++] = {.first = i, .last = i, .count = 1, .slot = slot, .segment = length, .bytes = length};
  }
  return std::span(runs_).first(count);
}

bool SegmentRefusals::may_send(const DatagramRuns::Run& run) {
  if (run.segment < limit_[run.slot]) return true;
  if (++held_back_[run.slot] < kTryAgainAfter) return false;
  held_back_[run.slot] = 0;
  limit_[run.slot] = kNoLimit;
  return true;
}

}  // namespace culvert::drivers::offload
