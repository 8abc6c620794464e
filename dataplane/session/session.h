// One session in the table. Laid out by who touches it: a packet on its way in reads `where` and the end of `receive`,
// one on its way out `where` and the beginning of `send`, so that either has two adjacent lines; each part fills whole
// cache lines, so that the two directions may one day live on different cores.
#pragma once

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "dataplane/abi/command.h"
#include "dataplane/session/key.h"
#include "dataplane/session/routes.h"

namespace culvert::session {

using abi::kKeyIds;
inline constexpr uint16_t kOuterUdp = 8;       ///< bytes of a UDP header
inline constexpr uint16_t kOuterTcp = 20 + 2;  ///< TCP header and OpenVPN's length field

/// Written by commands and floats, read by every packet.
struct alignas(64) Where {
  uint32_t generation = 0;  ///< 0: no session lives here
  uint32_t peer_id = 0;     ///< its own index
  abi::Endpoint remote;
  std::array<uint8_t, 4> ip4{};
  uint16_t port = 0;  ///< outer port
  uint16_t tun_mtu = 0;
  uint16_t mss_ip4 = 0;  ///< largest MSS for TCP over inner IPv4; 0: no clamping
  uint16_t mss_ip6 = 0;
  abi::DataFormat format{};
  abi::Framing framing{};
  bool client_to_client = false;
  bool may_float = false;
  uint16_t owner = 0;    ///< worker that holds the keys; on the others only this part is in use
  bool limited = false;  ///< Table::limit_buckets() are in use; the owner's only
};
static_assert(sizeof(Where) == 64);

/// Owner: the core that receives the session's packets.
struct alignas(64) ReceiveState {
  std::array<ReceiveKey*, kKeyIds> keys{};  ///< by key-id; null: none. Changed by set_key

  // What every packet needs: a line, adjacent to Session::where.
  alignas(64) uint64_t last_ns = 0;  ///< CLOCK_MONOTONIC of the last authentic packet
  uint64_t packets = 0;
  uint64_t bytes = 0;  ///< inner
  uint64_t drops = 0;
  std::array<uint8_t, 16> ip6{};
  ReceiveKey* newest = nullptr;  ///< the key that was made last, which is nearly always the one that is used:
  uint8_t newest_id = kNoKeyId;  ///< then no packet needs `keys`

  static constexpr uint8_t kNoKeyId = 0xFF;

  /// The key of a key-id; null: none.
  ReceiveKey* key(uint8_t key_id) const { return key_id == newest_id ? newest : keys[key_id]; }
  /// Returns the one that was there before.
  ReceiveKey* set_key(uint8_t key_id, ReceiveKey* key) {
    if (key != nullptr || key_id == newest_id) newest = key, newest_id = key == nullptr ? kNoKeyId : key_id;
    return std::exchange(keys[key_id], key);
  }
};

/// Owner: the core that sends the session's packets.
struct alignas(64) SendState {
  SendKey* key = nullptr;  ///< the one to send with; null: none yet
  uint64_t last_ns = 0;    ///< CLOCK_MONOTONIC of the last data packet sent
  uint64_t packets = 0;
  uint64_t bytes = 0;
  abi::Endpoint local;  ///< our address that its packets go out from
  alignas(64) std::array<SendKey*, kKeyIds> keys{};
};

/// Events that wait for room in the ring: states, so that several of a kind become one (events.h).
struct PendingEvents {
  bool queued = false;  ///< the session stands in the queue's list
  bool floated = false;
  bool timed_out = false;
  bool exited = false;
  bool stream_ended = false;
  uint8_t near_limit = 0;  ///< a bit per key-id
  uint8_t first_use = 0;   ///< likewise
};

struct Session {
  ReceiveState receive;
  Where where;
  SendState send;

  // What only commands and the sweep touch.
  uint32_t last_generation = 0;  ///< of the life before, when none lives here: late commands are older
  uint32_t live_index = 0;       ///< place in Table::live() or among the others' sessions
  uint32_t remote_peer_id = abi::kNoPeerId;
  uint32_t replay_window = 64;
  uint32_t flags = 0;
  uint16_t mss_limit = 0;
  uint16_t ping_interval = 0;  ///< seconds, 0: none
  uint16_t ping_timeout = 0;   ///< seconds, 0: none
  bool has_epochs = false;     ///< a key of kEpoch was installed: the sweep tends them
  uint64_t timeout_reported_ns = 0;
  std::vector<uint8_t> key_order;  ///< key-ids, oldest first
  std::vector<Prefix> routes;      ///< inner prefixes: own addresses and what kAddRoute added
  PendingEvents pending;

  bool live() const { return where.generation != 0; }
  abi::SessionRef ref() const { return {where.peer_id, where.generation}; }
  /// True when `address` (4 or 16 bytes) is the session's own; false when it has none of that family.
  bool has_address(uint8_t version, const uint8_t* address) const {
    return version == 4 ? is_set_and_equal(where.ip4, address) : is_set_and_equal(receive.ip6, address);
  }

 private:
  template <size_t N>
  static bool is_set_and_equal(const std::array<uint8_t, N>& own, const uint8_t* address) {
    std::array<uint32_t, N / 4> mine, theirs;
    std::memcpy(mine.data(), own.data(), N);
    std::memcpy(theirs.data(), address, N);
    uint32_t set = 0, difference = 0;
    for (size_t i = 0; i < mine.size(); ++i) set |= mine[i], difference |= mine[i] ^ theirs[i];
    return set != 0 && difference == 0;
  }
};

}  // namespace culvert::session
