// What control has to say to clients over TCP while no dataplane has a port open to say it through: it waits for the
// next one, in order. Over UDP nothing waits, since engines repeat what gets no answer; a TCP client takes no gap in
// the numbers of what it is sent (tls-auth, tls-crypt: packet-ids without a window).
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "control/io/link_mapping.h"
#include "control/io/worker_lane.h"

namespace culvert::gateway {

class HeldPackets {
 public:
  static constexpr size_t kMost = 4096;  ///< packets, of 2 KB at most

  /// `worker`: of whose ring the packet is. False: it does not wait, because it is not TCP's, or there are too many.
  bool hold(uint32_t worker, const abi::PacketMessage& packet);
  /// What stands in the rings of a dataplane that has ended and was never sent; goes before what is held already.
  void take_unsent(const io::LinkMapping& ended);
  /// Puts all into `lanes`, of which there is one at least, as far as they have room. How many that were not.
  size_t release(const std::vector<std::unique_ptr<io::WorkerLane>>& lanes);
  size_t count() const { return held_.size(); }

 private:
  struct Held {
    uint32_t worker;
    abi::PacketMessage packet;
  };
  std::deque<Held> held_;
};

}  // namespace culvert::gateway
