#include "tools/culvert/supervisor.h"

#include <signal.h>

#include <algorithm>
#include <cstdio>

#include "control/io/clock.h"
#include "control/options.h"
#include "tools/culvert/admin_client.h"

namespace culvert::cli {
namespace {

constexpr auto kReadyWithin = std::chrono::seconds(20);
constexpr auto kReadyLookEvery = std::chrono::milliseconds(50);
constexpr auto kChildEndsWithin = std::chrono::seconds(25);
constexpr auto kSteadyAfter = std::chrono::seconds(10);
constexpr auto kLongestPause = std::chrono::milliseconds(5000);

void say(const std::string& text) {
  std::fprintf(stderr, "culvert: %s\n", text.c_str());
}

}  // namespace

Supervisor::Supervisor(io::EventLoop& loop, std::string run_dir, Child dataplane, Child control,
                       std::unique_ptr<KeptDescriptors> descriptors)
    : loop_(loop),
      run_dir_(std::move(run_dir)),
      dataplane_{std::move(dataplane), 0, {}},
      control_{std::move(control), 0, {}},
      descriptors_(std::move(descriptors)) {}

Status Supervisor::take_signals() {
  for (int number : {SIGTERM, SIGINT})
    if (Status status = loop_.on_signal(number, [this] { stop(); }); !status) return status;
  // For control: to read its configuration again, to leave its sessions to the next one, to have all clients connect
  // again, and to write the status.
  for (int number : {SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2})
    if (Status status = loop_.on_signal(number, [this, number] { control_.child.signal(number); }); !status)
      return status;
  return loop_.on_signal(SIGCHLD, [this] { on_child_signal(); });
}

int Supervisor::run() {
  if (Status status = take_signals(); !status) {
    say(status.error());
    return 1;
  }
  start_deadline_ = io::mono_now() + kReadyWithin;
  if (start(dataplane_) && start(control_)) look_for_ready();
  while (phase_ != Phase::kDone) loop_.run_once();
  return exit_status_;
}

bool Supervisor::start(Kept& kept) {
  kept.started = io::mono_now();
  const bool is_dataplane = &kept == &dataplane_;
  if (is_dataplane) descriptors_->serve();
  Status status = kept.child.start(is_dataplane ? descriptors_.get() : nullptr);
  // A machine that has no process to spare for a moment is no reason to end the other one.
  if (!status && phase_ == Phase::kRunning)
    start_again(kept, status.error());
  else if (!status)
    give_up(status.error());
  return static_cast<bool>(status);
}

void Supervisor::look_for_ready() {
  if (phase_ != Phase::kStarting) return;
  auto status = ask(run_dir_, {{"command", "status"}}, std::chrono::milliseconds(500));
  if (status && status->value("ready", false)) {
    phase_ = Phase::kRunning;
    std::string where;
    for (const auto& port : (*status)["listening"]) where += port.get<std::string>() + ", ";
    std::printf("ready: %s%s\n", where.c_str(), status->value("tun", "").c_str());
    std::fflush(stdout);
    return;
  }
  // Held by management-hold: it is up to the operator when it becomes ready.
  if (status && status->value("state", "").starts_with("held")) {
    if (phase_ == Phase::kStarting) say(status->value("state", ""));
    phase_ = Phase::kRunning;
    return;
  }
  // A script has a time limit of its own ([control] hook_timeout).
  if (status && status->value("state", "").starts_with("ports are open"))
    start_deadline_ = io::mono_now() + kReadyWithin;
  if (io::mono_now() >= start_deadline_)
    return give_up("the gateway is not ready after " + std::to_string(kReadyWithin.count()) +
                   " s: " + (status ? status->value("state", "") : status.error()));
  loop_.at(io::mono_now() + kReadyLookEvery, [this] { look_for_ready(); });
}

void Supervisor::on_child_signal() {
  for (Kept* kept : {&control_, &dataplane_})
    if (auto how = kept->child.reap()) on_end(*kept, *how);
}

void Supervisor::on_end(Kept& kept, const std::string& how) {
  // The management interface may have asked for it, even before we have looked whether all is ready.
  bool asked = &kept == &control_ && kept.child.exit_status() == kStoppedForGood;
  bool may_start = phase_ == Phase::kStarting || phase_ == Phase::kRunning;
  if (&kept == &control_ && kept.child.exit_status() == kLeft && may_start) return start_next_control();
  switch (phase_) {
    case Phase::kStarting:
      if (asked) return stop();
      // Whoever killed it may have seen it serve, which we look at now and then. One that can't start exits by itself;
      // one that crashes again and again is given up when its time is over.
      if (kept.child.exit_status() < 0) return start_again(kept, how);
      return give_up(kept.child.name() + " did not start (" + how + "): it says above why");
    case Phase::kRunning:
      if (asked) return stop();
      return start_again(kept, how);
    case Phase::kStopping:
      return stop_next();
    case Phase::kDone:
      return;
  }
}

void Supervisor::start_next_control() {
  say(control_.child.name() + " has left its sessions to the next one: starting that");
  control_.deaths = 0;
  start(control_);
}

void Supervisor::start_again(Kept& kept, const std::string& how) {
  // At once when it ran well; with growing pauses when it dies again and again.
  MonoTime now = io::mono_now();
  kept.deaths = now - kept.started >= kSteadyAfter ? 0 : kept.deaths + 1;
  std::chrono::milliseconds pause(0);
  if (kept.deaths > 1)
    pause = std::min(std::chrono::milliseconds(100) * (1 << std::min(kept.deaths, 8u)), kLongestPause);
  say(kept.child.name() + " ended (" + how + "): starting it again" +
      (pause.count() > 0 ? " in " + std::to_string(pause.count()) + " ms" : ""));
  loop_.at(now + pause, [this, &kept] {
    bool wanted = phase_ == Phase::kStarting || phase_ == Phase::kRunning;
    if (wanted && !kept.child.running()) start(kept);
  });
}

void Supervisor::give_up(const std::string& why) {
  if (phase_ == Phase::kStopping) return;
  say(why);
  exit_status_ = 1;
  stop();
}

void Supervisor::stop() {
  if (phase_ == Phase::kStopping || phase_ == Phase::kDone) return;
  phase_ = Phase::kStopping;
  stop_next();
}

void Supervisor::stop_next() {
  // Control first: it says goodbye to the clients, and the dataplane carries that out.
  loop_.cancel(kill_timer_);
  Kept* next = control_.child.running() ? &control_ : dataplane_.child.running() ? &dataplane_ : nullptr;
  if (!next) {
    phase_ = Phase::kDone;
    return;
  }
  next->child.signal(SIGTERM);
  kill_timer_ = loop_.at(io::mono_now() + kChildEndsWithin, [next] {
    say(next->child.name() + " does not end: killing it");
    next->child.signal(SIGKILL);
  });
}

}  // namespace culvert::cli
