// The poll loop of one worker: receive, path, send, a bounded number of commands, publish counters; sleeps when idle.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

#include "dataplane/abi/layout.h"
#include "dataplane/interrupt_policy.h"
#include "dataplane/path.h"
#include "dataplane/port_pace.h"
#include "dataplane/port_table.h"
#include "dataplane/run_delay.h"
#include "dataplane/sleeper.h"
#include "dataplane/wait_policy.h"

namespace culvert::dataplane {

class Worker {
 public:
  static constexpr size_t kBurst = 64;            ///< packets per port and pass
  static constexpr size_t kCommandsPerPass = 64;  ///< so that installing 10,000 sessions never stalls forwarding
  static constexpr size_t kControlPerPass = 64;   ///< packets of control per pass
  static constexpr size_t kHandedPerPass = 512;   ///< packets of other workers per pass, see take_handed()
  static constexpr uint64_t kLongestSleep = 1'000'000'000;      ///< ns; the heartbeat beats at least that often
  static constexpr uint64_t kCountLossesEvery = 1'000'000'000;  ///< ns between two looks at what was lost in front
  static constexpr uint64_t kPublishEvery = 10'000'000;  ///< ns between two publications of the counters under load

  struct Doorbells {
    int worker;   ///< eventfd that wakes this worker; never read, watched edge-triggered
    int control;  ///< eventfd to wake control
    int main;     ///< eventfd to wake the main thread: ports adopted, one found gone, losses to ask for
    std::vector<int> workers = {};  ///< those of all workers, by number; empty: there is only this one
  };

  /// Everything outlives the worker. `area` is its own area of the link.
  Worker(abi::WorkerArea& area, Path& path, PortMailbox& ports, Doorbells doorbells);

  /// Polls until stop(). Returns with no port in use any more.
  void run();
  /// From any thread.
  void stop();
  /// From any thread: its sessions when it published its counters the last time.
  uint32_t sessions() const { return sessions_.load(std::memory_order_relaxed); }
  /// Sends what others have handed over and nobody has taken, when all workers have returned from run(). The ports are
  /// still there.
  void finish();

  /// One pass of the loop. `now_ns`: CLOCK_MONOTONIC. False: there was nothing to do. (run() does it; tests step
  /// through.)
  bool pass(uint64_t now_ns);
  /// After a pass that began at `now_ns`: sleeps, naps, or does neither, as the WaitPolicy has it. `busy`: the pass had
  /// something to do, or whoever calls has.
  void rest(uint64_t now_ns, bool busy);
  /// Sleeps until something arrives, a timer is due, or kLongestSleep is over. False: did not sleep, there is something
  /// to do.
  bool sleep(uint64_t now_ns);

 private:
  struct OuterPort {
    uint16_t index;
    drivers::Port* port;
    PortPace pace;
    uint64_t bit;  // in masks of ports
  };
  static constexpr uint64_t kAllPorts = UINT64_MAX;
  static constexpr uint64_t kInnerBit = uint64_t{1} << 63;

  void adopt_ports(uint64_t now_ns);
  bool receive(uint64_t now_ns);
  void take_what_ports_hold(uint64_t now_ns);
  uint16_t ask(drivers::Port& port, PortPace& pace, uint64_t bit, std::span<rte_mbuf*> burst, uint64_t now_ns);
  bool receive_from_nics(uint64_t now_ns);
  bool take_handed(uint64_t now_ns);
  void flush_nics();
  void flush_path();
  bool carry_out_commands(uint64_t now_ns);
  bool send_control_packets();
  bool may_send(const abi::PacketMessage& message);
  void say_last_words();
  void notice_corruption(bool& known, bool corrupt);
  void check_inner_port();
  void adapt_precedence(uint64_t now_ns);
  void count_losses(uint64_t now_ns);
  void publish(uint64_t now_ns);

  abi::WorkerArea& area_;
  Path& path_;
  PortMailbox& mailbox_;
  Doorbells doorbells_;
  abi::Consumer<abi::Command, abi::CommandRing::kCapacity> commands_;
  abi::Consumer<abi::PacketMessage, abi::PacketRing::kCapacity> control_out_;
  abi::PacketMessage held_;  // taken from control_out_, waits for the commands before it
  bool is_holding_ = false;
  bool commands_corrupt_ = false;
  bool control_corrupt_ = false;

  const PortTable* table_ = nullptr;
  std::vector<OuterPort> outer_;
  drivers::Port* inner_ = nullptr;
  PortPace inner_pace_{false};
  bool inner_gone_ = false;
  bool was_busy_ = false;        // the last pass had something to do
  uint64_t to_ask_ = kAllPorts;  // ports that the next pass asks
  uint64_t had_ = 0;             // ports that had something in this pass
  size_t packets_ = 0;           // of this pass, from all ports
  WaitPolicy wait_;
  InterruptPolicy interrupts_;
  RunDelay run_delay_;
  bool waits_for_others_ = false;    // see adapt_precedence()
  bool may_wait_for_others_ = true;  // nobody has refused it yet
  Sleeper sleeper_;
  uint64_t published_ns_ = 0;
  uint64_t losses_counted_ns_ = 0;
  uint64_t inner_packets_then_ = 0;  // received until the losses were counted last
  std::atomic<bool> stop_{false};
  std::atomic<uint32_t> sessions_{0};
};

}  // namespace culvert::dataplane
