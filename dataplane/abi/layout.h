// The map of the link: one memfd, created and size-sealed by the dataplane, handed to control (setup.h).
//
//   LinkHeader | WorkerArea × workers | CounterBlock of control | SeenIds × sessions | SessionRecord × sessions
//     | NetworkList × sessions
//
// Every offset follows from (workers, sessions), so a side that maps the link computes them itself and only compares.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "dataplane/abi/command.h"
#include "dataplane/abi/counters.h"
#include "dataplane/abi/event.h"
#include "dataplane/abi/packet_message.h"
#include "dataplane/abi/session_record.h"
#include "dataplane/abi/spsc_ring.h"

namespace culvert::abi {

inline constexpr uint64_t kLinkMagic = 0x6b6e'696c'7476'6c63;  // "clvtlink", little endian
inline constexpr uint32_t kAbiVersion = 7;                     ///< any change of tests/arch/abi_layout.golden raises it

using CommandRing = SpscRing<Command, 1024>;
using EventRing = SpscRing<Event, 4096>;
using PacketRing = SpscRing<PacketMessage, 1024>;

inline constexpr uint32_t kMaxWorkers = 64;
inline constexpr uint32_t kAnyCore = 0xFFFFFFFF;  ///< a worker that runs wherever the kernel puts it
inline constexpr uint32_t kMaxSessions = 1u << 20;

/// What one worker shares with control. Key installs have a lane of their own (`commands`), and first packets of
/// unknown peers (`punt_new`) can't crowd out the packets of peers that are known (`punt_known`).
struct alignas(64) WorkerArea {
  CommandRing commands;    ///< control → worker
  PacketRing control_out;  ///< control → worker: packets to send
  EventRing events;        ///< worker → control
  PacketRing punt_new;     ///< worker → control: hard resets of clients
  PacketRing punt_known;   ///< worker → control: every other control packet
  CounterBlock counters;   ///< writer: worker
  /// Writer: worker. CLOCK_MONOTONIC nanoseconds of its last poll pass or wake-up: a worker that hangs is visible.
  alignas(64) std::atomic<uint64_t> heartbeat_ns;
  std::atomic<uint32_t> core;  ///< writer: dataplane before handover; CPU it is pinned to, or kAnyCore
};

/// Writer: dataplane, before handover; constant afterwards.
struct alignas(64) LinkHeader {
  uint64_t magic;
  uint32_t abi_version;
  uint32_t header_size;
  uint64_t total_size;
  uint32_t workers;
  uint32_t sessions;
  uint64_t worker_area_size;
  uint64_t session_record_size;
  uint64_t seen_ids_size;
  uint64_t network_list_size;
  uint64_t boot_id;  ///< random, one per life of a dataplane: a control that reconnects sees whether it is a new one
  uint64_t started_mono_ns;  ///< CLOCK_MONOTONIC
  int32_t dataplane_pid;
  std::array<char, 60> version;  ///< text of the dataplane's version, NUL-padded
};

struct Layout {
  uint64_t workers_offset;
  uint64_t control_counters_offset;
  uint64_t seen_offset;
  uint64_t sessions_offset;
  uint64_t networks_offset;
  uint64_t total_size;  ///< rounded up to a 4096-byte page
};

/// Offsets for `workers` (1..kMaxWorkers) and `sessions` (1..kMaxSessions).
constexpr Layout layout_for(uint32_t workers, uint32_t sessions) {
  Layout layout{};
  layout.workers_offset = sizeof(LinkHeader);
  layout.control_counters_offset = layout.workers_offset + uint64_t{workers} * sizeof(WorkerArea);
  layout.seen_offset = layout.control_counters_offset + sizeof(CounterBlock);
  layout.sessions_offset = layout.seen_offset + uint64_t{sessions} * sizeof(SeenIds);
  layout.networks_offset = layout.sessions_offset + uint64_t{sessions} * sizeof(SessionRecord);
  uint64_t end = layout.networks_offset + uint64_t{sessions} * sizeof(NetworkList);
  layout.total_size = (end + 4095) & ~uint64_t{4095};
  return layout;
}

/// Null when `header` and the mapping's real `size` fit this build; otherwise what is wrong, as text for the operator.
constexpr const char* why_not_usable(const LinkHeader& header, uint64_t size) {
  if (header.magic != kLinkMagic) return "not a culvert link (magic differs)";
  if (header.abi_version != kAbiVersion)
    return "dataplane and control are of different versions: restart the older of the two";
  if (header.header_size != sizeof(LinkHeader) || header.worker_area_size != sizeof(WorkerArea) ||
      header.session_record_size != sizeof(SessionRecord) || header.seen_ids_size != sizeof(SeenIds) ||
      header.network_list_size != sizeof(NetworkList))
    return "link layout differs: dataplane and control were built from different sources";
  if (header.workers < 1 || header.workers > kMaxWorkers || header.sessions < 1 || header.sessions > kMaxSessions)
    return "link header counts are out of range";
  if (header.total_size != layout_for(header.workers, header.sessions).total_size || header.total_size != size)
    return "link size does not fit its header";
  return nullptr;
}

/// Typed access to a mapped link. `base` must hold layout_for(workers, sessions).total_size bytes.
class LinkView {
 public:
  LinkView() = default;
  LinkView(void* base, uint32_t workers, uint32_t sessions)
      : base_(static_cast<std::byte*>(base)),
        layout_(layout_for(workers, sessions)),
        workers_(workers),
        sessions_(sessions) {}

  LinkHeader& header() const { return *reinterpret_cast<LinkHeader*>(base_); }
  WorkerArea& worker(uint32_t index) const {
    return reinterpret_cast<WorkerArea*>(base_ + layout_.workers_offset)[index];
  }
  CounterBlock& control_counters() const {
    return *reinterpret_cast<CounterBlock*>(base_ + layout_.control_counters_offset);
  }
  SessionRecord& session(uint32_t peer_id) const {
    return reinterpret_cast<SessionRecord*>(base_ + layout_.sessions_offset)[peer_id];
  }
  SeenIds& seen(uint32_t peer_id) const { return reinterpret_cast<SeenIds*>(base_ + layout_.seen_offset)[peer_id]; }
  NetworkList& networks(uint32_t peer_id) const {
    return reinterpret_cast<NetworkList*>(base_ + layout_.networks_offset)[peer_id];
  }
  uint32_t workers() const { return workers_; }
  uint32_t sessions() const { return sessions_; }
  explicit operator bool() const { return base_ != nullptr; }

 private:
  std::byte* base_ = nullptr;
  Layout layout_{};
  uint32_t workers_ = 0;
  uint32_t sessions_ = 0;
};

}  // namespace culvert::abi
