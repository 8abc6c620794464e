// Reliable delivery of control packets over a lossy path (openvpn-wire-protocol, "Reliability layer"; reliable.c):
// numbered packets, a send window of 6, a receive window of 12, acknowledgements that ride on other packets. No clock:
// time is given.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "control/now.h"
#include "dataplane/wire/openvpn.h"

namespace culvert::openvpn {

inline constexpr size_t kSendWindow = 6;
inline constexpr size_t kReceiveWindow = 12;
inline constexpr size_t kMaxAcks = 8;               ///< ids in one packet; all of them only in P_ACK_V1
inline constexpr size_t kMaxPiggybackAcks = 4;      ///< ids on a packet that carries data
inline constexpr unsigned kAcksForEarlyResend = 3;  ///< later packets acknowledged before one counts as lost

/// True when packet-id `a` comes before `b`; ids wrap at 2^32.
constexpr bool id_before(uint32_t a, uint32_t b) {
  return static_cast<int32_t>(a - b) < 0;
}

/// Packet-ids that one packet acknowledges.
struct AckList {
  std::array<uint32_t, kMaxAcks> ids{};
  size_t count = 0;

  std::span<const uint32_t> view() const { return {ids.data(), count}; }
  bool contains(uint32_t id) const;
  friend bool operator==(const AckList&, const AckList&) = default;
};

/// Which received packets still have to be acknowledged, and which were lately: those are named again while there is
/// room, so that one lost packet does not cost the peer a retransmission.
class AckQueue {
 public:
  /// Notes that `id` came in. With eight waiting already it is left out: the peer sends that packet again.
  void add(uint32_t id);
  bool pending() const { return waiting_.count != 0; }
  /// At most `max` ids for a packet that goes out now: waiting ones first (they stop waiting), then recent ones.
  AckList take(size_t max);

 private:
  AckList waiting_;
  AckList recent_;  // most recently sent first
};

/// A packet of ours until the peer acknowledges it.
struct Outgoing {
  uint32_t id = 0;
  wire::Opcode opcode{};
  std::vector<uint8_t> payload;
  unsigned transmissions = 0;
  MonoTime next_try;
  std::chrono::nanoseconds timeout{};
  unsigned later_acks = 0;
  AckList carried;  ///< acknowledgements that every transmission so far carried
};

enum class AckOutcome : uint8_t { kDelivered, kAlready, kNeverSent };

class SendQueue {
 public:
  /// `timeout`: first retransmission, then doubling. `first_id`: id of the first packet (1 when packet 0 was
  /// stateless).
  explicit SendQueue(std::chrono::nanoseconds timeout, uint32_t first_id = 0) : timeout_(timeout), next_id_(first_id) {}

  /// Packets that may be pushed now without running ahead of the peer's window.
  size_t room() const;
  /// Queues a packet for the next due(). Only with room() > 0.
  uint32_t push(wire::Opcode opcode, std::vector<uint8_t> payload, MonoTime now);
  /// The oldest packet whose time has come, marked as sent now. The caller sends it and reports carried(). Null: none.
  Outgoing* due(MonoTime now);
  /// Notes which acknowledgements a transmission of `packet` carried.
  static void carried(Outgoing& packet, const AckList& acks);
  /// The peer acknowledges `id`. `delivered` (may be null) receives the packet.
  AckOutcome acknowledge(uint32_t id, Outgoing* delivered = nullptr);

  std::optional<MonoTime> next_deadline() const;
  bool empty() const { return packets_.empty(); }
  uint32_t next_id() const { return next_id_; }
  /// True when everything before `id` was acknowledged.
  bool delivered_before(uint32_t id) const { return packets_.empty() || !id_before(packets_.front().id, id); }

 private:
  std::chrono::nanoseconds timeout_;
  uint32_t next_id_;
  std::vector<Outgoing> packets_;  // by id; at most kSendWindow
};

struct Incoming {
  wire::Opcode opcode{};
  std::vector<uint8_t> payload;
};

enum class Arrival : uint8_t { kNew, kReplay, kOutsideWindow };

class ReceiveQueue {
 public:
  explicit ReceiveQueue(uint32_t first_id = 0) : next_id_(first_id) {}

  /// What a packet with this id would be. kNew and kReplay are acknowledged, kOutsideWindow is dropped.
  Arrival judge(uint32_t id) const;
  /// Keeps a packet for which judge() said kNew.
  void insert(uint32_t id, wire::Opcode opcode, std::span<const uint8_t> payload);
  /// The next packet in order, once.
  std::optional<Incoming> pop();
  /// Id of the next packet in order: all before it were taken.
  uint32_t next_id() const { return next_id_; }

 private:
  uint32_t next_id_;
  static constexpr size_t kSlots = 16;  // a power of two, so that slots stay in order where ids wrap
  static_assert(kSlots >= kReceiveWindow);
  std::array<std::optional<Incoming>, kSlots> slots_;
};

}  // namespace culvert::openvpn
