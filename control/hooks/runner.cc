#include "control/hooks/runner.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "control/hooks/spawn.h"
#include "control/io/clock.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

namespace culvert::hooks {
namespace {

constexpr size_t kMaxLine = 400;

}  // namespace

struct Runner::Job {
  JobId id = 0;
  Command command;
  Done done;
  Spawned process;
  io::EventLoop::TimerId timer = 0;
  bool timed_out = false;
  bool cancelled = false;
};

Command command_of(const std::vector<std::string>& program, const Environment& environment, std::string label,
                   std::string client) {
  return {program, environment.strings(), environment.folder(), std::move(label), std::move(client)};
}

Runner::~Runner() {
  for (auto& [id, job] : running_) {
    loop_.cancel(job->timer);
    loop_.unwatch(job->process.process.get());
    kill(-job->process.pid, SIGKILL);
    waitpid(job->process.pid, nullptr, 0);
  }
  loop_.cancel(wake_);
  for (auto& [id, output] : outputs_) loop_.unwatch(output->fd.get());
}

Runner::JobId Runner::run(Command command, Done done) {
  auto mine = waiting_of_.find(command.client);
  if (queue_.size() >= limits_.waiting || (mine != waiting_of_.end() && mine->second >= limits_.waiting_per_client))
    return 0;
  auto job = std::make_shared<Job>();
  job->id = next_++;
  job->command = std::move(command);
  job->done = std::move(done);
  ++waiting_of_[job->command.client];
  queue_.push_back(job);
  if (wake_ == 0) {
    wake_ = loop_.at(io::mono_now(), [this] {
      wake_ = 0;
      start_more();
    });
  }
  return job->id;
}

void Runner::cancel(JobId id) {
  if (auto found = running_.find(id); found != running_.end()) {
    found->second->cancelled = true;
    kill(-found->second->process.pid, SIGKILL);  // its end comes through the pidfd
    return;
  }
  auto queued = std::ranges::find(queue_, id, &Job::id);
  if (queued == queue_.end()) return;
  auto job = *queued;
  job->cancelled = true;
  queue_.erase(queued);
  finish(job, {});
}

void Runner::start_more() {
  for (size_t i = 0; i < queue_.size() && running_.size() < limits_.processes;) {
    std::shared_ptr<Job> job = queue_[i];
    if (running_of_.contains(job->command.client)) {
      ++i;
      continue;
    }
    queue_.erase(queue_.begin() + static_cast<std::ptrdiff_t>(i));
    if (!start(job)) i = 0;  // what came of its end may have changed the queue
  }
}

bool Runner::start(const std::shared_ptr<Job>& job) {
  auto spawned = spawn(job->command.argv, job->command.environment, job->command.folder);
  // Passwords may stand in there.
  for (std::string& variable : job->command.environment) std::ranges::fill(variable, '\0');
  job->command.environment.clear();
  if (!spawned) {
    finish(job, {Ending::kNotStarted, -1, "not started: " + spawned.error()});
    return false;
  }
  job->process = std::move(*spawned);
  running_[job->id] = job;
  ++running_of_[job->command.client];
  watch_output(job);
  job->timer = loop_.at(io::mono_now() + limits_.time, [job] {
    job->timer = 0;
    job->timed_out = true;
    kill(-job->process.pid, SIGKILL);
  });
  (void)loop_.watch(job->process.process.get(), EPOLLIN, [this, job](uint32_t) { on_exit(job); });
  return true;
}

void Runner::on_exit(const std::shared_ptr<Job>& job) {
  siginfo_t info{};
  idtype_t by_pidfd = static_cast<idtype_t>(P_PIDFD);
  if (waitid(by_pidfd, static_cast<id_t>(job->process.process.get()), &info, WEXITED | WNOHANG) != 0 || !info.si_pid)
    return;
  loop_.unwatch(job->process.process.get());
  loop_.cancel(job->timer);
  read_output(job->id);
  leave_behind(job->id);
  int error = 0;
  bool not_executed = read(job->process.failure.get(), &error, sizeof error) == sizeof error;
  Outcome outcome;
  if (job->timed_out) {
    auto seconds = std::chrono::duration_cast<std::chrono::seconds>(limits_.time).count();
    outcome = {Ending::kTimedOut, -1,
               "killed: not done within " + std::to_string(seconds) + " s ([control] hook_timeout)"};
  } else if (not_executed) {
    outcome = {Ending::kNotStarted, -1, job->command.argv[0] + ": can't be executed: " + std::strerror(error)};
  } else if (info.si_code == CLD_EXITED) {
    outcome = {Ending::kExited, info.si_status, ""};
    if (info.si_status != 0) outcome.text = "exit status " + std::to_string(info.si_status);
  } else {
    outcome = {Ending::kSignalled, -1, "ended by signal " + std::to_string(info.si_status)};
  }
  finish(job, std::move(outcome));
}

void Runner::finish(const std::shared_ptr<Job>& job, Outcome outcome) {
  auto count_down = [&](std::map<std::string, size_t>& counts) {
    auto found = counts.find(job->command.client);
    if (found != counts.end() && --found->second == 0) counts.erase(found);
  };
  if (running_.erase(job->id) > 0) count_down(running_of_);
  count_down(waiting_of_);
  if (!job->cancelled && job->done) job->done(outcome);
  if (wake_ == 0 && !queue_.empty()) {
    wake_ = loop_.at(io::mono_now(), [this] {
      wake_ = 0;
      start_more();
    });
  }
}

void Runner::watch_output(const std::shared_ptr<Job>& job) {
  auto output = std::make_unique<Output>();
  output->fd = std::move(job->process.output);
  output->label = job->command.label;
  const int fd = output->fd.get();
  outputs_[job->id] = std::move(output);
  (void)loop_.watch(fd, EPOLLIN, [this, id = job->id](uint32_t) { read_output(id); });
}

void Runner::read_output(JobId id) {
  auto found = outputs_.find(id);
  if (found == outputs_.end()) return;
  Output& output = *found->second;
  std::array<char, 4096> bytes;
  // A bounded piece per pass: a script that prints without end must not hold up the loop.
  ssize_t n = read(output.fd.get(), bytes.data(), bytes.size());
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  for (ssize_t i = 0; i < n; ++i) {
    char c = bytes[static_cast<size_t>(i)];
    if (c != '\n') output.line.push_back(c);
    if (c == '\n' || output.line.size() == kMaxLine) {
      print(output.label, output.line);
      output.line.clear();
    }
  }
  if (n > 0) return;
  if (!output.line.empty()) print(output.label, output.line);
  close_output(id);
}

void Runner::leave_behind(JobId id) {
  if (!outputs_.contains(id)) return;
  left_behind_.insert(id);
  if (left_behind_.size() <= limits_.left_behind) return;
  const JobId oldest = *left_behind_.begin();
  io::log_within(budget_, io::mono_now(), io::LogLevel::kWarning,
                 outputs_.at(oldest)->label + ": a process that it left behind is heard no more, as " +
                     std::to_string(limits_.left_behind) + " others were left behind since");
  close_output(oldest);
}

void Runner::close_output(JobId id) {
  loop_.unwatch(outputs_.at(id)->fd.get());
  outputs_.erase(id);
  left_behind_.erase(id);
}

void Runner::print(const std::string& label, std::string_view line) {
  if (!line.empty())
    io::log_within(budget_, io::mono_now(), io::LogLevel::kInfo, label + " says: " + std::string(line));
}

}  // namespace culvert::hooks
