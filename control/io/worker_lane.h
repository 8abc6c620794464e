// Control's end of one worker's rings: commands and packets to it, events and punted packets from it.
#pragma once

#include <deque>
#include <memory>
#include <span>

#include "control/io/fd.h"
#include "control/io/link_mapping.h"
#include "dataplane/abi/layout.h"

namespace culvert::io {

/// Who handles what a worker says. Everything given here has been validated.
class LaneSink {
 public:
  virtual ~LaneSink() = default;
  virtual void on_event(uint32_t worker, const abi::Event& event) = 0;
  virtual void on_punt(uint32_t worker, const abi::PacketMessage& packet) = 0;
  /// A message that failed validation, or a ring whose index is impossible.
  virtual void on_bad_message(uint32_t worker) = 0;
};

class WorkerLane {
 public:
  /// `worker_bell` wakes the worker, `control_bell` wakes us (setup.h).
  WorkerLane(uint32_t worker, std::shared_ptr<LinkMapping> mapping, Fd worker_bell, Fd control_bell);
  ~WorkerLane();
  WorkerLane(const WorkerLane&) = delete;
  WorkerLane& operator=(const WorkerLane&) = delete;

  /// Attaches to the same dataplane's link again, as it was handed over anew. Commands that wait stay in line.
  void reattach(std::shared_ptr<LinkMapping> mapping, Fd worker_bell, Fd control_bell);
  /// The dataplane's socket is closed: commands wait until reattach().
  void detach() { attached_ = false; }

  /// Puts a command into the ring, or in line behind those that found it full. False: the line is full as well; the
  /// command is lost, and the caller must install its sessions again once backlog() is 0.
  bool push(const abi::Command& command);
  /// Puts a packet into the ring, to be sent after all commands pushed so far. False: no room (or no dataplane); the
  /// peers send again what they miss.
  bool push_packet(abi::PacketMessage& packet);
  /// Moves commands that wait into the ring and wakes the worker if it sleeps. Call after a batch.
  void flush();
  /// Commands that wait for room.
  size_t backlog() const { return backlog_.size(); }
  /// Has the worker taken all commands? It carries out each before it looks at the next packets.
  bool is_settled() { return backlog_.empty() && commands_.free() == abi::CommandRing::kCapacity; }

  /// Takes a bounded number of messages from each ring. True: there may be more. False: all empty, the doorbell will
  /// ring.
  /// Of a dataplane that is gone, this takes its last words.
  /// Without `newcomers`, first packets of clients stay in their ring for whoever attaches next.
  bool drain(LaneSink& sink, bool newcomers = true);

  uint32_t worker() const { return worker_; }
  /// To be watched edge-triggered and never read: the neighbour could make a read block.
  int control_bell() const { return control_bell_.get(); }

 private:
  abi::WorkerArea& area() const { return mapping_->view().worker(worker_); }
  void attach_rings();
  // Both return false when the ring's index is impossible.
  bool drain_events(LaneSink& sink);
  bool drain_punts(abi::Consumer<abi::PacketMessage, abi::PacketRing::kCapacity>& ring, unsigned limit, LaneSink& sink);

  uint32_t worker_;
  bool attached_ = true;
  std::shared_ptr<LinkMapping> mapping_;
  Fd worker_bell_;
  Fd control_bell_;
  abi::Producer<abi::Command, abi::CommandRing::kCapacity> commands_;
  abi::Producer<abi::PacketMessage, abi::PacketRing::kCapacity> packets_;
  abi::Consumer<abi::Event, abi::EventRing::kCapacity> events_;
  abi::Consumer<abi::PacketMessage, abi::PacketRing::kCapacity> punt_known_;
  abi::Consumer<abi::PacketMessage, abi::PacketRing::kCapacity> punt_new_;
  std::deque<abi::Command> backlog_;  ///< holds keys: wiped as it empties
  size_t backlog_limit_;
};

}  // namespace culvert::io
