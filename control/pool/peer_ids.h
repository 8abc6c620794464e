// Gives out peer-ids, which are indices into the dataplane's session table, and the generation that names one life of
// each.
#pragma once

#include <cstdint>
#include <deque>
#include <unordered_map>
#include <vector>

#include "control/openvpn/server.h"

namespace culvert::pool {

class PeerIdPool final : public openvpn::PeerIds {
 public:
  /// Peer-ids 0 .. `count` - 1. One that was given back rests at least `rest`, because packets of its last life may
  /// still be under way; the one that has rested longest goes first.
  explicit PeerIdPool(uint32_t count, MonoClock::duration rest = std::chrono::seconds(1));

  std::optional<abi::SessionRef> take(Now now) override;
  void give_back(abi::SessionRef session, Now now) override;
  std::optional<abi::SessionRef> take_again(abi::SessionRef session) override;

  /// At start, before any take(): `peer_id` has been used up to `generation` by an earlier control.
  void seen(uint32_t peer_id, uint32_t generation);
  /// At start, after seen(): `session` is alive. False: out of range or taken already.
  bool adopt(abi::SessionRef session);

  size_t taken() const { return taken_count_; }

 private:
  struct Resting {
    uint32_t peer_id;
    MonoTime since;
  };
  abi::SessionRef begin_life(uint32_t peer_id);
  struct Slot {
    uint32_t generation = 0;  ///< of the current or last life
    bool taken = false;
    bool used = false;  ///< was taken at least once, so it is either taken or in resting_
  };

  std::vector<Slot> slots_;
  uint32_t next_fresh_ = 0;  ///< slots before it are taken or resting
  std::deque<Resting> resting_;
  MonoClock::duration rest_;
  size_t taken_count_ = 0;
};

}  // namespace culvert::pool
