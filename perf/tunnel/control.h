// The client engine as control of the worker in the same thread: reads what the worker says, carries out what the
// engine wants (control/openvpn/output.h), in order.
#pragma once

#include <string>
#include <vector>

#include "control/crypto/primitives.h"
#include "control/io/clock.h"
#include "control/openvpn/client.h"
#include "dataplane/abi/layout.h"

namespace culvert::perf {

class ClientControl {
 public:
  /// `routes`: what lies behind the server; inner packets to and from there belong to the session.
  ClientControl(abi::WorkerArea& area, openvpn::ClientSettings settings, std::vector<abi::InnerPrefix> routes);

  void start();
  /// Once per pass of the worker. False: nothing came from it and no deadline was due.
  bool pass();
  bool connected() const { return client_.connected(); }
  /// Why the session ended; empty while it has not.
  const std::string& ended() const { return ended_; }
  /// Says goodbye to the server.
  void leave();

 private:
  void carry_out();
  void push(abi::Command& command);
  bool take_packets(abi::Consumer<abi::PacketMessage, abi::PacketRing::kCapacity>& ring);

  crypto::SystemRandom random_;
  openvpn::Client client_;
  std::vector<abi::InnerPrefix> routes_;
  abi::Producer<abi::Command, abi::CommandRing::kCapacity> commands_;
  abi::Producer<abi::PacketMessage, abi::PacketRing::kCapacity> packets_;
  abi::Consumer<abi::Event, abi::EventRing::kCapacity> events_;
  abi::Consumer<abi::PacketMessage, abi::PacketRing::kCapacity> punt_known_;
  abi::Consumer<abi::PacketMessage, abi::PacketRing::kCapacity> punt_new_;
  std::string ended_;
};

}  // namespace culvert::perf
