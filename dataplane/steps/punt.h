// Control-channel packets on their way to control.
#pragma once

#include "dataplane/abi/layout.h"
#include "dataplane/packet.h"
#include "dataplane/steps/burst.h"

namespace culvert::steps {

/// The rings to control. Hard resets have one of their own, so that a flood of them leaves room for clients that are
/// known.
class Punt {
 public:
  explicit Punt(abi::WorkerArea& area) : new_(area.punt_new), known_(area.punt_known) {}

  /// Copies the packet into its ring; the packet stays the caller's. Taken, or why it is dropped.
  Verdict copy(const Packet& packet);
  /// True when control sleeps and must be woken.
  bool must_wake();

 private:
  abi::Producer<abi::PacketMessage, abi::PacketRing::kCapacity> new_;
  abi::Producer<abi::PacketMessage, abi::PacketRing::kCapacity> known_;
  bool pushed_ = false;
};

}  // namespace culvert::steps
