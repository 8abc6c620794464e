// One data-channel key: what sealing and opening under it need. Send and receive side are separate objects, because
// they may be worked on by different cores.
//
// Keys lie side by side, each with a compact form of itself; what they were expanded to, a kilobyte each, lies
// elsewhere. So what the packets of very many sessions touch is little, and close together.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "dataplane/abi/session_record.h"
#include "dataplane/crypto/aead.h"
#include "dataplane/session/key_limits.h"
#include "dataplane/session/replay_window.h"

namespace culvert::session {

struct EpochReceive;
struct EpochSend;

using ImplicitIv = std::array<uint8_t, 8>;  ///< follows the packet-id in the nonce (RFC, AEAD)

struct alignas(64) ReceiveKey {
  // First line: what every packet changes.
  ReplayWindow window;
  uint64_t blocks = 0;                    ///< plaintext blocks opened
  std::atomic<uint64_t>* seen = nullptr;  ///< its place in abi::SeenIds
  uint32_t used_at = 0;                   ///< PathContext::clock of its last packet
  abi::Cipher cipher{};
  abi::KeyFormat format{};
  uint8_t key_id = 0;
  bool used = false;            ///< an authenticated packet has come
  bool limit_reported = false;  ///< kKeyNearLimit is sent once
  bool exhausted = false;       ///< more forgeries than kForgeriesRefuse: opens nothing any more
  bool has_compact = false;     ///< `compact` is set

  // Second line: what every packet reads.
  alignas(64) aead::CompactKey compact;
  aead::Key* aead = nullptr;  ///< expanded; kEpoch: null, but for the keys in `epochs`
  ImplicitIv implicit_iv{};

  // What few packets need.
  uint64_t forgeries = 0;
  EpochReceive* epochs = nullptr;  ///< kEpoch: the keys that really open (epochs.h)

  /// Counts an authentic packet of `length` plaintext bytes. True when the key nears its limit for the first time.
  bool count_opened(uint32_t length) {
    blocks += (length + kBlockSize - 1) / kBlockSize;
    return blocks + window.highest() > near_usage_limit(cipher) && !std::exchange(limit_reported, true);
  }
  /// Counts a failed tag. True when the key nears its limit for the first time.
  bool count_forgery() {
    exhausted = ++forgeries > kForgeriesRefuse;
    return forgeries > kForgeriesNear && !std::exchange(limit_reported, true);
  }
};
static_assert(offsetof(ReceiveKey, compact) == 64 && offsetof(ReceiveKey, forgeries) == 128);

struct alignas(64) SendKey {
  // First line: what every packet changes.
  abi::Cipher cipher{};
  abi::KeyFormat format{};
  uint8_t key_id = 0;
  bool limit_reported = false;
  uint8_t front = 0;                ///< bytes that sealing puts in front of the inner packet …
  uint8_t opcode_bytes = 0;         ///< … of which these come out of `header`: 4 (DATA_V2) or 1
  std::array<uint8_t, 4> header{};  ///< first bytes of its data packets: opcode, key-id, peer-id
  bool has_compact = false;         ///< `compact` is set
  uint32_t used_at = 0;             ///< PathContext::clock of its last packet
  uint64_t next_id = 1;
  uint64_t reserved_end = 1;                            ///< packet-ids below are recorded as used up
  uint64_t blocks = 0;                                  ///< plaintext blocks sealed
  std::atomic<uint64_t>* reserved = nullptr;            ///< its place in abi::WorkerRecord::send_reserved
  std::array<uint8_t, aead::kNonceSize> implicit_iv{};  ///< kAead: the first 8 bytes, as ImplicitIv

  // Second line: what every packet reads.
  alignas(64) aead::CompactKey compact;
  aead::Key* aead = nullptr;  ///< expanded

  // What few packets need.
  uint64_t end_id = kPacketIdEnd;
  EpochSend* epochs = nullptr;  ///< kEpoch

  /// Packet-ids that are reserved in one go: what a restart of the dataplane may skip.
  static constexpr uint64_t kReserve = 65536;

  /// The next packet-id, or 0 when they are used up. It is recorded as used before it is handed out, so that whoever
  /// takes the session over after a crash never repeats a nonce.
  uint64_t take_packet_id() {
    if (next_id >= reserved_end) [[unlikely]] {
      if (next_id >= end_id) return 0;
      reserved_end = (next_id | (kReserve - 1)) + 1;
      reserved->store(reserved_end, std::memory_order_seq_cst);
    }
    return next_id++;
  }
  /// Takes the reservation back to what was really used, so that the next dataplane goes on without a gap, which
  /// clients over TCP don't take. The next packet reserves again.
  void give_back_packet_ids() {
    reserved_end = next_id;
    reserved->store(next_id, std::memory_order_seq_cst);
  }
  /// Counts a packet of `length` plaintext bytes. True when the key nears a limit for the first time.
  bool count_sealed(uint32_t length) {
    blocks += (length + kBlockSize - 1) / kBlockSize;
    bool near = blocks + next_id > near_usage_limit(cipher) || next_id > kNearPacketId;
    return near && !std::exchange(limit_reported, true);
  }
};
static_assert(offsetof(SendKey, compact) == 64 && offsetof(SendKey, epochs) == 128);

/// Brings into the cache what every packet needs of a ReceiveKey or SendKey, two adjacent lines; what it was expanded
/// to is fetched only when it is likely to be near (steps/cold_jobs.h). Null is fine.
template <class DirectionKey>
[[gnu::always_inline]] inline void prefetch(const DirectionKey* key) {
  __builtin_prefetch(key, 1);
  __builtin_prefetch(reinterpret_cast<const char*>(key) + 64);
}

}  // namespace culvert::session
