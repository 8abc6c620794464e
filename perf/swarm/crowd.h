// Members of the swarm in one thread: their sockets in one epoll, their deadlines, who is connected.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "control/crypto/primitives.h"
#include "dataplane/crypto/engine.h"
#include "drivers/file_descriptor.h"
#include "perf/swarm/member.h"

namespace culvert::swarm {

/// Where members come from.
struct Sources {
  abi::IpAddress first;  ///< family kNone: the kernel's choice
  uint32_t count = 1;    ///< addresses that are used in turn
};
/// The address `number` after the first one.
abi::IpAddress source_at(const Sources& sources, uint32_t number);

class Crowd {
 public:
  using Inner = std::function<void(size_t member, const InnerPacket&)>;

  static Result<std::unique_ptr<Crowd>> make(const openvpn::ClientSettings& settings, const Sources& sources,
                                             size_t size);

  /// A new client in place `index`, whatever was there; it starts to connect. Error: no socket.
  Status open(size_t index, Now now);
  /// Closes the socket without a word.
  void close(size_t index) { slots_[index] = {}; }
  /// nullptr: none.
  Member* at(size_t index) { return slots_[index].member.get(); }
  size_t size() const { return slots_.size(); }
  /// Waits at most `pause` for packets, then does what is due.
  void pass(std::chrono::nanoseconds pause, const Inner& inner);
  /// After sending through a member: asks for word when the kernel has room again.
  void watch_room(size_t index);
  Account& outer() { return shared_.outer; }

 private:
  struct Slot {
    std::unique_ptr<Member> member;
    uint32_t serial = 0;  ///< an event of a closed socket must not reach its successor
    bool wants_room = false;
  };

  Crowd(const openvpn::ClientSettings& settings, const Sources& sources, size_t size,
        std::unique_ptr<aead::Engine> engine);
  bool watch(size_t index, bool add);

  openvpn::ClientSettings settings_;
  Sources sources_;
  crypto::SystemRandom random_;
  std::unique_ptr<aead::Engine> engine_;
  Shared shared_;
  drivers::FileDescriptor epoll_;
  std::vector<Slot> slots_;
  uint32_t opened_ = 0;
  MonoTime ticked_{};
};

}  // namespace culvert::swarm
