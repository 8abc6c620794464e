// The link as the dataplane makes it: a size-sealed memfd, mapped here, and the doorbells of each worker.
#pragma once

#include <vector>

#include "dataplane/abi/layout.h"
#include "dataplane/abi/result.h"
#include "drivers/file_descriptor.h"

namespace culvert::dataplane {

class LinkMemory {
 public:
  /// Makes and maps a link for `workers` (1..kMaxWorkers) and `sessions` (1..kMaxSessions) with its header filled in: a
  /// new boot_id, this process, `version`. Its pages are locked as they are touched, where that is permitted (they hold
  /// keys), and never part of a core dump. Error: no memory.
  static Result<LinkMemory> make(uint32_t workers, uint32_t sessions, const char* version);
  LinkMemory(LinkMemory&&) noexcept;
  LinkMemory& operator=(LinkMemory&&) noexcept;
  ~LinkMemory();

  const abi::LinkView& view() const { return view_; }
  int memory_fd() const { return memory_.get(); }
  /// eventfd that wakes worker `index`: commands, packets, or new ports for it.
  int worker_doorbell(uint32_t index) const { return worker_doorbells_[index].get(); }
  /// eventfd on which worker `index` tells control of events and punted packets.
  int control_doorbell(uint32_t index) const { return control_doorbells_[index].get(); }
  /// What control gets at its Hello: memory, then worker and control doorbell of each worker (setup.h).
  std::vector<int> handover() const;
  /// False when the kernel did not permit locking (RLIMIT_MEMLOCK): key material may reach swap.
  bool locked() const { return locked_; }

 private:
  LinkMemory() = default;

  drivers::FileDescriptor memory_;
  std::vector<drivers::FileDescriptor> worker_doorbells_;
  std::vector<drivers::FileDescriptor> control_doorbells_;
  abi::LinkView view_;
  void* base_ = nullptr;
  size_t size_ = 0;
  bool locked_ = false;
};

/// Rings an eventfd without ever blocking: one that the neighbour filled up counts as rung. Nobody here reads a
/// doorbell that the neighbour holds as well (it could make the read block): sleepers watch it edge-triggered.
void ring_doorbell(int fd);

}  // namespace culvert::dataplane
