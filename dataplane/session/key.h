// One data-channel key: what sealing and opening under it need. Send and receive side are separate objects, because
// they may be worked on by different cores.
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
  aead::Key aead;  ///< ends with what every packet needs of it

  // One cache line, adjacent to it: what else every packet needs.
  ReplayWindow window;
  ImplicitIv implicit_iv{};
  uint64_t blocks = 0;                    ///< plaintext blocks opened
  std::atomic<uint64_t>* seen = nullptr;  ///< its place in abi::SeenIds
  abi::Cipher cipher{};
  abi::KeyFormat format{};
  uint8_t key_id = 0;
  bool used = false;            ///< an authenticated packet has come
  bool limit_reported = false;  ///< kKeyNearLimit is sent once
  bool exhausted = false;       ///< more forgeries than kForgeriesRefuse: opens nothing any more

  // What few packets need.
  uint64_t forgeries = 0;
  EpochReceive* epochs = nullptr;  ///< kEpoch: the keys that really open (epochs.h); `aead` is not used then

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
static_assert(offsetof(ReceiveKey, window) == sizeof(aead::Key) &&
              offsetof(ReceiveKey, forgeries) == sizeof(aead::Key) + 64);

struct alignas(64) SendKey {
  aead::Key aead;  ///< as in ReceiveKey

  // One cache line, adjacent to it.
  abi::Cipher cipher{};
  abi::KeyFormat format{};
  uint8_t key_id = 0;
  bool limit_reported = false;
  uint8_t front = 0;                                    ///< bytes that sealing puts in front of the inner packet …
  uint8_t opcode_bytes = 0;                             ///< … of which these come out of `header`: 4 (DATA_V2) or 1
  std::array<uint8_t, 4> header{};                      ///< first bytes of its data packets: opcode, key-id, peer-id
  std::array<uint8_t, aead::kNonceSize> implicit_iv{};  ///< kAead: the first 8 bytes, as ImplicitIv
  uint64_t next_id = 1;
  uint64_t reserved_end = 1;  ///< packet-ids below are recorded as used up
  uint64_t end_id = kPacketIdEnd;
  uint64_t blocks = 0;                        ///< plaintext blocks sealed
  std::atomic<uint64_t>* reserved = nullptr;  ///< its place in abi::WorkerRecord::send_reserved
  EpochSend* epochs = nullptr;                ///< kEpoch

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
  /// Counts a packet of `length` plaintext bytes. True when the key nears a limit for the first time.
  bool count_sealed(uint32_t length) {
    blocks += (length + kBlockSize - 1) / kBlockSize;
    bool near = blocks + next_id > near_usage_limit(cipher) || next_id > kNearPacketId;
    return near && !std::exchange(limit_reported, true);
  }
};
static_assert(offsetof(SendKey, cipher) == sizeof(aead::Key) && offsetof(SendKey, epochs) <= sizeof(aead::Key) + 64);

/// Brings into the cache what every packet needs of a ReceiveKey or SendKey beside `aead`, whose last line it follows.
/// Null is fine.
template <class DirectionKey>
[[gnu::always_inline]] inline void prefetch_state(const DirectionKey* key) {
  __builtin_prefetch(reinterpret_cast<const char*>(key) + sizeof(aead::Key), 1);
}

}  // namespace culvert::session
