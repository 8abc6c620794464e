// Keeps dataplane and control running: starts both, says when the gateway is ready, starts again what dies, ends both.
#pragma once

#include <memory>
#include <string>

#include "control/io/event_loop.h"
#include "tools/culvert/child.h"

namespace culvert::cli {

class Supervisor {
 public:
  /// `descriptors`: what outlives a dataplane.
  Supervisor(io::EventLoop& loop, std::string run_dir, Child dataplane, Child control,
             std::unique_ptr<KeptDescriptors> descriptors);

  /// Runs until SIGTERM or SIGINT, or until a process fails at start. Returns the exit status.
  int run();

 private:
  enum class Phase : uint8_t { kStarting, kRunning, kStopping, kDone };
  struct Kept {
    Child child;
    unsigned deaths = 0;  ///< in a row
    MonoTime started{};
  };

  Status take_signals();
  bool start(Kept& kept);
  void look_for_ready();
  void on_child_signal();
  void on_end(Kept& kept, const std::string& how);
  /// At once: an orderly end at which all sessions stay.
  void start_next_control();
  void start_again(Kept& kept, const std::string& how);
  void give_up(const std::string& why);
  void stop();
  void stop_next();

  io::EventLoop& loop_;
  std::string run_dir_;
  Kept dataplane_;
  Kept control_;
  std::unique_ptr<KeptDescriptors> descriptors_;
  Phase phase_ = Phase::kStarting;
  MonoTime start_deadline_{};
  io::EventLoop::TimerId kill_timer_ = 0;
  int exit_status_ = 0;
};

}  // namespace culvert::cli
