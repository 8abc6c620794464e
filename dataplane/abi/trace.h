// Looking at packets: what the operator's `culvert trace` and `culvert capture` agree on with the dataplane. It has a
// socket of its own (SOCK_SEQPACKET, RUN_DIR/trace.sock), so that it neither passes through control, which never
// touches a data packet, nor changes the link.
//
//   culvert                         dataplane
//   connect                      →  checks SO_PEERCRED
//   TraceRequest                 →  checks every field, makes the memory, tells its workers
//                                ←  TraceReply + file descriptor (SCM_RIGHTS): a size-sealed memfd
//   reads the rings, one a worker
//   closes                       →  the workers stop looking, the memory goes
//
//   memfd: TraceRing | slots × slot_size bytes, once per worker. A slot: TraceEntry, then `captured` bytes of packet.
//
// A ring is single-producer single-consumer and each side distrusts the other, as in spsc_ring.h: the writer keeps its
// own index and reads only `head`; the reader copies a slot once and then validates it. A reader that is slow loses
// entries (`lost`), never makes a worker wait. No key is ever in it; decrypted packets are.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

#include "dataplane/abi/command.h"
#include "dataplane/abi/drop_reasons.h"
#include "dataplane/abi/endpoint.h"

namespace culvert::abi {

inline constexpr uint64_t kTraceMagic = 0x6563'6172'7474'6c63;
inline constexpr uint32_t kTraceVersion = 1;  ///< of everything in this file

inline constexpr uint32_t kMaxTraceSnap = 9216;    ///< bytes of packet per entry
inline constexpr uint16_t kNoDropReason = 0xFFFF;  ///< TraceRequest: any; TraceEntry: the packet was not dropped

enum class PacketContent : uint8_t {
  kNone = 0,
  kInner = 1,  ///< the IP packet inside the tunnel, decrypted
  kOuter = 2,  ///< the tunnel packet, without the outer IP and UDP headers
};

/// Where packets come from, as bits. A packet from one client to another counts as kFromClient.
namespace trace_direction {
inline constexpr uint8_t kFromClient = 1;  ///< received from an outer port
inline constexpr uint8_t kToClient = 2;    ///< received from an inner port, or made by the dataplane itself
inline constexpr uint8_t kBoth = 3;
}  // namespace trace_direction

/// What to look at: a packet must fit every field.
struct TraceRequest {
  uint64_t magic;
  uint32_t version;
  uint32_t snap;          ///< copy that many bytes of the packet at most, 0..kMaxTraceSnap; 0 when `content` is kNone
  PacketContent content;  ///< which form of the packet to copy
  uint8_t directions;     ///< trace_direction bits
  uint8_t drops_only;     ///< 1: only what is dropped
  uint8_t reserved;
  uint16_t reason;  ///< DropReason, then drops_only is 1; kNoDropReason: any
  uint16_t reserved2;
  uint32_t every;      ///< look at every Nth packet of a worker (with drops_only: at every Nth that fits); at least 1
  SessionRef session;  ///< packets from and to it, and what comes from its client's address; kNoPeerId: any
  IpAddress remote;    ///< outer address of the client; family kNone: any
  std::array<uint8_t, 7> reserved3;
};
static_assert(std::is_trivially_copyable_v<TraceRequest> && sizeof(TraceRequest) == 64);

struct TraceReply {
  uint32_t failed;  ///< 1: `text` says why, and no descriptor comes along
  uint32_t workers;
  uint32_t slots;      ///< per ring
  uint32_t slot_size;  ///< bytes, a multiple of 64
  std::array<char, 240> text;
};
static_assert(std::is_trivially_copyable_v<TraceReply> && sizeof(TraceReply) == 256);

/// One packet, or several drops that no step saw (`count`).
struct alignas(64) TraceEntry {
  uint64_t time_ns;       ///< CLOCK_MONOTONIC of the poll pass in which the packet came
  Endpoint remote;        ///< the client's outer end; family kNone: not known
  Endpoint local;         ///< ours
  SessionRef session;     ///< the client it came from or goes to; kNoPeerId: none was found
  SessionRef to;          ///< the other client, of a packet between two; kNoPeerId: none
  uint32_t outer_length;  ///< bytes of the tunnel packet; 0: none there, or none yet
  uint32_t inner_length;  ///< bytes inside; 0: not known
  uint32_t captured;      ///< bytes of packet behind this entry
  uint32_t count;         ///< packets that the entry stands for
  uint16_t reason;        ///< DropReason, or kNoDropReason: `step` took it to where it belongs
  uint8_t direction;      ///< one trace_direction bit; 0: of drops that no step saw
  PacketContent content;  ///< of the captured bytes
  uint8_t inner_version;  ///< 4 or 6; 0: the four fields behind it are not known
  uint8_t inner_protocol;
  uint16_t inner_source_port;  ///< of TCP and UDP; 0: none
  uint16_t inner_destination_port;
  std::array<uint8_t, 16> inner_source;
  std::array<uint8_t, 16> inner_destination;
  std::array<char, 22> step;  ///< name of the step that ended the packet's way, NUL-padded; "elsewhere": no step
};
static_assert(std::is_trivially_copyable_v<TraceEntry> && sizeof(TraceEntry) == 192);

struct alignas(64) TraceRing {
  alignas(64) std::atomic<uint64_t> tail;  ///< writer: worker; entries ever published
  std::atomic<uint64_t> lost;              ///< writer: worker; entries that found the ring full
  alignas(64) std::atomic<uint64_t> head;  ///< writer: reader; entries ever taken
};

/// The sizes that a trace's memory follows from.
struct TraceShape {
  uint32_t workers = 0;
  uint32_t slots = 0;
  uint32_t slot_size = 0;

  static constexpr uint32_t kMostSlots = 16384;
  static constexpr uint32_t kRingBytes = 8u << 20;  ///< what a ring may take

  static constexpr TraceShape of(uint32_t workers, uint32_t snap) {
    uint32_t slot_size = (static_cast<uint32_t>(sizeof(TraceEntry)) + snap + 63) & ~63u;
    return {workers, std::min(kMostSlots, kRingBytes / slot_size), slot_size};
  }
  constexpr uint64_t ring_size() const { return sizeof(TraceRing) + uint64_t{slots} * slot_size; }
  constexpr uint64_t total_size() const { return workers * ring_size(); }
  friend bool operator==(const TraceShape&, const TraceShape&) = default;
};

/// A worker's side of a ring. Never blocks, never reads what it wrote.
class TraceWriter {
 public:
  TraceWriter() = default;
  /// `ring`: the worker's part of a mapping made for `shape`, zeroed.
  TraceWriter(std::byte* ring, const TraceShape& shape)
      : ring_(ring), slots_(shape.slots), slot_size_(shape.slot_size) {}

  /// Publishes `entry` with `bytes` (as many as fit) behind it. False: the ring is full, or its reader's index is
  /// impossible; the entry is counted as lost.
  bool write(const TraceEntry& entry, std::span<const uint8_t> bytes) {
    TraceRing& ring = *reinterpret_cast<TraceRing*>(ring_);
    if (tail_ - ring.head.load(std::memory_order_acquire) >= slots_) {  // also when it is ahead of us
      ring.lost.store(++lost_, std::memory_order_relaxed);
      return false;
    }
    std::byte* slot = ring_ + sizeof(TraceRing) + (tail_ % slots_) * slot_size_;
    auto captured = static_cast<uint32_t>(std::min<size_t>(bytes.size(), slot_size_ - sizeof entry));
    std::memcpy(slot, &entry, sizeof entry);
    std::memcpy(slot + offsetof(TraceEntry, captured), &captured, sizeof captured);
    if (captured != 0) std::memcpy(slot + sizeof entry, bytes.data(), captured);
    ring.tail.store(++tail_, std::memory_order_release);
    return true;
  }
  uint64_t lost() const { return lost_; }
  uint64_t written() const { return tail_; }

 private:
  std::byte* ring_ = nullptr;
  uint32_t slots_ = 0;
  uint32_t slot_size_ = 0;
  uint64_t tail_ = 0;
  uint64_t lost_ = 0;
};

/// True when the fields of an entry that was copied out of a slot of `slot_size` bytes can be relied on.
constexpr bool is_sane(const TraceEntry& entry, uint32_t slot_size) {
  auto known = [](const IpAddress& address) {
    return address.family == Family::kNone || address.family == Family::kIpv4 || address.family == Family::kIpv6;
  };
  auto end = std::find(entry.step.begin(), entry.step.end(), '\0');
  bool named = end != entry.step.end() && end != entry.step.begin() &&
               std::all_of(entry.step.begin(), end, [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
  return entry.captured <= slot_size - sizeof entry && entry.count != 0 &&
         (entry.reason == kNoDropReason || entry.reason < kDropReasonCount) &&
         entry.direction <= trace_direction::kToClient && entry.content <= PacketContent::kOuter &&
         (entry.captured == 0) == (entry.content == PacketContent::kNone) &&
         (entry.inner_version == 0 || entry.inner_version == 4 || entry.inner_version == 6) &&
         known(entry.remote.address) && known(entry.local.address) &&
         (entry.remote.transport == Transport::kUdp || entry.remote.transport == Transport::kTcp) && named;
}

/// The operator's side of a ring.
class TraceReader {
 public:
  TraceReader() = default;
  TraceReader(std::byte* ring, const TraceShape& shape)
      : ring_(ring), slots_(shape.slots), slot_size_(shape.slot_size) {}

  enum class Status : uint8_t {
    kEntry,
    kEmpty,
    kBad,  ///< an entry that makes no sense was skipped, or the writer's index is impossible: not a worker of ours
  };
  /// Takes the oldest entry; `bytes` gets what was captured (it is reused, room for a slot).
  Status read(TraceEntry& entry, std::span<uint8_t> buffer, std::span<const uint8_t>& bytes) {
    TraceRing& ring = *reinterpret_cast<TraceRing*>(ring_);
    uint64_t tail = ring.tail.load(std::memory_order_acquire);
    if (tail == head_) return Status::kEmpty;
    if (tail - head_ > slots_) return Status::kBad;
    const std::byte* slot = ring_ + sizeof(TraceRing) + (head_ % slots_) * slot_size_;
    std::memcpy(&entry, slot, sizeof entry);
    bool sane = is_sane(entry, slot_size_) && entry.captured <= buffer.size();
    if (sane && entry.captured != 0) std::memcpy(buffer.data(), slot + sizeof entry, entry.captured);
    ring.head.store(++head_, std::memory_order_release);
    if (!sane) return Status::kBad;
    bytes = buffer.first(entry.captured);
    return Status::kEntry;
  }
  /// Entries that found the ring full.
  uint64_t lost() const { return reinterpret_cast<const TraceRing*>(ring_)->lost.load(std::memory_order_relaxed); }

 private:
  std::byte* ring_ = nullptr;
  uint32_t slots_ = 0;
  uint32_t slot_size_ = 0;
  uint64_t head_ = 0;
};

}  // namespace culvert::abi
