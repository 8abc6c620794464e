#include "tools/culvert/child.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>

namespace culvert::cli {
namespace {

/// In the new process: what is kept stands behind stdin, stdout and stderr, and the environment says so.
void hand_on(const KeptDescriptors& keeper) {
  constexpr int kFirst = 3;  // SD_LISTEN_FDS_START
  const std::vector<KeptDescriptors::Kept>& kept = keeper.kept();
  const int end = kFirst + static_cast<int>(kept.size());
  // Out of the way first: one may stand in another's place.
  std::vector<int> moved;
  std::string names;
  for (const auto& [name, fd] : kept) {
    moved.push_back(fcntl(fd.get(), F_DUPFD_CLOEXEC, end));
    names += (names.empty() ? "" : ":") + name;
  }
  for (int place = kFirst; place < end; ++place) {
    const int from = moved[static_cast<size_t>(place - kFirst)];
    if (from < 0 || dup2(from, place) < 0) return;  // no descriptor is left: it opens its own
  }
  setenv("NOTIFY_SOCKET", keeper.path().c_str(), 1);
  setenv("LISTEN_PID", std::to_string(getpid()).c_str(), 1);
  setenv("LISTEN_FDS", std::to_string(kept.size()).c_str(), 1);
  setenv("LISTEN_FDNAMES", names.c_str(), 1);
}

/// In the new process: everything up to exec. Never returns.
[[noreturn]] void become_program(const std::vector<char*>& argv, pid_t parent, const KeptDescriptors* kept) {
  // A session of its own: the terminal's signals are for `culvert up`, and where the scheduler shares cores out by
  // session (autogroups, sched(7)) control's handshakes are not taken for the dataplane's.
  setsid();
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(1);  // we were too late: the parent died in between
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  int null = open("/dev/null", O_RDONLY);
  if (null >= 0) dup2(null, STDIN_FILENO);
  if (kept != nullptr) hand_on(*kept);
  execv(argv[0], argv.data());
  std::array<char, 256> text{};
  int length = snprintf(text.data(), text.size(), "culvert: %s: %s\n", argv[0], strerror(errno));
  (void)!write(STDERR_FILENO, text.data(), static_cast<size_t>(length));
  _exit(127);
}

}  // namespace

Status Child::start(const KeptDescriptors* kept) {
  std::vector<char*> argv;
  for (std::string& argument : argv_) argv.push_back(argument.data());
  argv.push_back(nullptr);
  pid_t parent = getpid();
  pid_t pid = fork();
  if (pid < 0) return Error{"can't start " + name() + ": " + strerror(errno)};
  if (pid == 0) become_program(argv, parent, kept);
  pid_ = pid;
  return {};
}

void Child::signal(int number) const {
  if (pid_ > 0) kill(pid_, number);
}

std::optional<std::string> Child::reap() {
  int status = 0;
  if (pid_ <= 0 || waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
  pid_ = 0;
  exit_status_ = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  if (WIFSIGNALED(status)) return "killed by signal " + std::to_string(WTERMSIG(status));
  return "exit status " + std::to_string(WEXITSTATUS(status));
}

std::string Child::name() const {
  return std::filesystem::path(argv_.at(0)).filename();
}

Result<std::string> find_program(const std::string& name) {
  std::error_code error;
  std::filesystem::path own = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  std::filesystem::path room = name.substr(name.find('-') + 1);  // culvert-control is built in control/
  std::vector<std::filesystem::path> places = {own / name, own / "../sbin" / name, own / "../.." / room / name};
  const char* path = getenv("PATH");
  std::string folders = path ? path : "";
  for (size_t start = 0; start < folders.size();) {
    size_t end = std::min(folders.find(':', start), folders.size());
    if (end > start) places.push_back(std::filesystem::path(folders.substr(start, end - start)) / name);
    start = end + 1;
  }
  for (const auto& place : places)
    if (access(place.c_str(), X_OK) == 0) return std::filesystem::weakly_canonical(place, error).string();
  return Error{"there is no " + name + " beside " + own.string() + "/culvert nor in PATH: install all of culvert"};
}

}  // namespace culvert::cli
