// Control-channel packets on their way to control.
#pragma once

#include "dataplane/abi/layout.h"
#include "dataplane/packet.h"
#include "dataplane/steps/burst.h"

namespace culvert::steps {

/// The rings to control. Hard resets have one of their own, so that a flood of them leaves room for clients that are
/// known. In the other, half is kept for addresses that sessions are at: whoever else sends what a client in the midst
/// of its handshake might send (and anybody can) does not keep them from new keys and goodbyes.
class Punt {
 public:
  explicit Punt(abi::WorkerArea& area) : new_(area.punt_new), known_(area.punt_known), known_ring_(area.punt_known) {}

  /// Copies the packet into its ring; the packet stays the caller's. Taken, or why it is dropped. `of_session`: a
  /// session is at the address that it came from.
  Verdict copy(const Packet& packet, bool of_session);
  /// True when control sleeps and must be woken.
  bool must_wake();

 private:
  bool is_half_full() const;

  abi::Producer<abi::PacketMessage, abi::PacketRing::kCapacity> new_;
  abi::Producer<abi::PacketMessage, abi::PacketRing::kCapacity> known_;
  const abi::PacketRing& known_ring_;
  bool pushed_ = false;
};

}  // namespace culvert::steps
