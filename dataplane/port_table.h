// The ports of a worker, and how the main thread changes them while the worker polls: it posts a whole new table, the
// worker adopts it between two passes, and only then are the old table and the ports that are not in the new one
// destroyed. No lock, one load per pass.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <vector>

#include "dataplane/abi/setup.h"
#include "drivers/nic/nic_port.h"
#include "drivers/port.h"

namespace culvert::dataplane {

/// Never changed once posted.
struct PortTable {
  std::array<std::shared_ptr<drivers::Port>, abi::kMaxPorts> outer;  ///< by number; null: none
  std::shared_ptr<drivers::Port> inner;                              ///< the TUN; null: none
  std::vector<std::shared_ptr<drivers::NicPort>> nics;               ///< NIC mode: the same in every table
  std::vector<drivers::Listener> listeners;                          ///< NIC mode: whose packets NICs take
};

/// Between the main thread and one worker.
class PortMailbox {
 public:
  /// Main thread. `table` must live until another one has been adopted.
  void post(const PortTable* table) { posted_.store(table, std::memory_order_release); }
  bool is_adopted(const PortTable* table) const { return adopted_.load(std::memory_order_acquire) == table; }
  /// Main thread: the inner port that the worker found gone; null: none.
  const drivers::Port* gone() const { return gone_.load(std::memory_order_acquire); }

  /// Worker: the table to use from now on; null: no change since the last call.
  const PortTable* take() {
    const PortTable* posted = posted_.load(std::memory_order_acquire);
    return posted == adopted_.load(std::memory_order_relaxed) ? nullptr : posted;
  }
  /// Worker: it uses no other table any more.
  void adopt(const PortTable* table) { adopted_.store(table, std::memory_order_release); }
  void report_gone(const drivers::Port* port) { gone_.store(port, std::memory_order_release); }

 private:
  alignas(64) std::atomic<const PortTable*> posted_{nullptr};   // writer: main thread
  alignas(64) std::atomic<const PortTable*> adopted_{nullptr};  // writer: worker
  std::atomic<const drivers::Port*> gone_{nullptr};             // writer: worker
};

}  // namespace culvert::dataplane
