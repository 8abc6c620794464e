// Packets that wait to go out, by port, so that each port gets a burst.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <vector>

#include "dataplane/abi/setup.h"
#include "drivers/port.h"

namespace culvert::steps {

class Transmit {
 public:
  explicit Transmit(abi::Tally& tally) : tally_(tally) {}
  ~Transmit();
  Transmit(const Transmit&) = delete;
  Transmit& operator=(const Transmit&) = delete;

  /// `port` null: there is none (any more). What was staged before goes out through the port that was.
  void set_outer(uint16_t index, drivers::Port* port);
  void set_inner(drivers::Port* port);
  /// Is there any outer port?
  bool has_outer() const { return !open_.empty(); }
  /// The port under a number; null: none.
  drivers::Port* outer(uint16_t index) const { return index < abi::kMaxPorts ? outer_[index].port : nullptr; }
  /// Port `index` has a connection that ended: the next one (drivers::Port::take_ended).
  bool take_ended(uint16_t index, abi::Endpoint& remote) const {
    drivers::Port* port = outer(index);
    return port != nullptr && port->take_ended(remote);
  }
  bool has_inner() const { return inner_.port != nullptr; }

  /// Stages a packet, and takes ownership of it. False when there is no such port: the packet is still the caller's.
  bool to_outer(uint16_t index, rte_mbuf* packet) { return index < abi::kMaxPorts && stage(outer_[index], packet); }
  bool to_inner(rte_mbuf* packet) { return stage(inner_, packet); }

  /// Sends everything that is staged.
  void flush();

 private:
  struct Queue {
    drivers::Port* port = nullptr;
    size_t count = 0;
    std::array<rte_mbuf*, 64> packets;
  };

  bool stage(Queue& queue, rte_mbuf* packet) {
    if (queue.port == nullptr) return false;
    queue.packets[queue.count++] = packet;
    if (queue.count == queue.packets.size()) send(queue);
    return true;
  }
  void set(Queue& queue, drivers::Port* port);
  void send(Queue& queue);

  abi::Tally& tally_;
  Queue inner_;
  std::vector<Queue> outer_ = std::vector<Queue>(abi::kMaxPorts);
  std::vector<uint16_t> open_;  ///< indices of outer_ that have a port
};

}  // namespace culvert::steps
