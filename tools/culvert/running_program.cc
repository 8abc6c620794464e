#include "tools/culvert/running_program.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>

#include "control/io/clock.h"
#include "control/io/fd.h"
#include "control/io/log.h"

namespace culvert::cli {
namespace {

constexpr auto kAnswerWithin = std::chrono::seconds(20);
constexpr size_t kMostOutput = 256 * 1024;

std::string whole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

int ms_until(MonoTime deadline) {
  auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - io::mono_now()).count();
  return static_cast<int>(std::max<int64_t>(left, 0));
}

/// What comes before the other end is closed, or the deadline.
std::string read_until(int fd, MonoTime deadline) {
  std::string text;
  std::array<char, 4096> buffer;
  for (;;) {
    pollfd wait{fd, POLLIN, 0};
    int ready = poll(&wait, 1, ms_until(deadline));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return text;
    ssize_t n = read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return text;
    // What is more is read, so that nobody waits for us, and forgotten.
    text.append(buffer.data(), std::min(static_cast<size_t>(n), kMostOutput - text.size()));
  }
}

/// The status of waitpid, if the process ends before the deadline.
bool ends_before(pid_t pid, MonoTime deadline, int& status) {
  for (;;) {
    pid_t done = waitpid(pid, &status, WNOHANG);
    if (done == pid) return true;
    if ((done < 0 && errno != EINTR) || io::mono_now() >= deadline) return false;
    poll(nullptr, 0, 2);
  }
}

std::vector<std::string> words_of(pid_t pid) {
  std::vector<std::string> words;
  const std::string text = whole("/proc/" + std::to_string(pid) + "/cmdline");
  for (size_t start = 0; start < text.size();) {
    size_t end = std::min(text.find('\0', start), text.size());
    words.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  return words;
}

/// Field 4 of /proc/PID/stat (proc(5)); the name before it may hold anything.
pid_t parent_of(pid_t pid) {
  const std::string text = whole("/proc/" + std::to_string(pid) + "/stat");
  size_t name_end = text.rfind(')');
  if (name_end == std::string::npos || name_end + 4 > text.size()) return 0;
  return static_cast<pid_t>(std::strtol(text.c_str() + name_end + 4, nullptr, 10));
}

/// Was the process started by that name? By the kernel's account, or by its own: where versions lie side by side, a
/// name leads to another file than it did.
bool goes_by(const std::string& process, const std::string& own_account, const std::string& path) {
  constexpr std::string_view kDeleted = " (deleted)";
  std::error_code error;
  std::string file = std::filesystem::read_symlink(process + "/exe", error);
  if (file.ends_with(kDeleted)) file.resize(file.size() - kDeleted.size());
  if (!error && file == path) return true;
  return own_account.starts_with('/') && std::filesystem::weakly_canonical(own_account, error) == path && !error;
}

bool same_program(const std::string& running, const std::string& path) {
  std::error_code error;
  if (std::filesystem::equivalent(running, path, error)) return true;
  return !error && std::filesystem::file_size(running, error) == std::filesystem::file_size(path, error) && !error &&
         whole(running) == whole(path);
}

}  // namespace

Result<Finished> run_and_read(const std::vector<std::string>& argv, std::chrono::milliseconds within) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return Error{argv.at(0) + ": " + std::strerror(errno)};
  io::Fd out(ends[0]);
  io::Fd in(ends[1]);
  std::vector<char*> words;
  for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  for (int number : {STDOUT_FILENO, STDERR_FILENO}) posix_spawn_file_actions_adddup2(&actions, in.get(), number);
  pid_t pid = 0;
  int error = posix_spawn(&pid, words[0], &actions, nullptr, words.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  in.reset();
  if (error != 0) return Error{argv.at(0) + " can't be run: " + std::strerror(error)};
  MonoTime deadline = io::mono_now() + within;
  Finished finished;
  finished.output = read_until(out.get(), deadline);
  int status = 0;
  if (!ends_before(pid, deadline, status)) {
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    return Error{argv.at(0) + " does not end within " + std::to_string(within.count()) + " ms"};
  }
  if (WIFEXITED(status)) finished.exit_status = WEXITSTATUS(status);
  while (finished.output.ends_with('\n')) finished.output.pop_back();
  return finished;
}

Result<RunningProgram> RunningProgram::of(pid_t pid, const std::string& path) {
  RunningProgram program;
  program.pid_ = pid;
  program.argv_ = words_of(pid);
  program.parent_ = parent_of(pid);
  const std::string process = "/proc/" + std::to_string(pid);
  if (program.argv_.empty() || program.parent_ == 0)
    return Error{"process " + std::to_string(pid) + " has just ended: try again"};
  if (!goes_by(process, program.argv_.front(), path))
    return Error{"process " + std::to_string(pid) + " runs " + io::printable(program.argv_.front()) +
                 ", and this culvert belongs to " + path + ": use the culvert of the same installation, as root"};
  program.in_service_ = whole(process + "/cgroup").find(".service") != std::string::npos;
  program.argv_.front() = path;
  program.replaced_ = !same_program(process + "/exe", path);
  return program;
}

Result<Finished> RunningProgram::run_next(const std::vector<std::string>& more) const {
  std::vector<std::string> argv = argv_;
  argv.insert(argv.end(), more.begin(), more.end());
  return run_and_read(argv, kAnswerWithin);
}

}  // namespace culvert::cli
