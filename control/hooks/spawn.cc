#include "control/hooks/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

namespace culvert::hooks {
namespace {

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> out;
  for (const std::string& word : words) out.push_back(const_cast<char*>(word.c_str()));
  out.push_back(nullptr);
  return out;
}

/// In the new process: async-signal-safe calls only, no return.
[[noreturn]] void become_program(const char* program, char** argv, char** environment, const char* folder, int null,
                                 int output, int failure) {
  setpgid(0, 0);
  for (int number = 1; number < NSIG; ++number) {
    if (number != SIGKILL && number != SIGSTOP) signal(number, SIG_DFL);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  dup2(null, STDIN_FILENO);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  // Everything else of ours stays ours.
  syscall(SYS_close_range, 3u, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */);
  // As with the reference, which is in its folder when it becomes another user, one that it may not enter is no reason
  // not to run.
  [[maybe_unused]] int entered = *folder != '\0' ? chdir(folder) : 0;
  execve(program, argv, environment);
  int error = errno;
  [[maybe_unused]] ssize_t n = write(failure, &error, sizeof error);
  _exit(127);
}

}  // namespace

Result<Spawned> spawn(const std::vector<std::string>& argv, const std::vector<std::string>& environment,
                      const std::string& folder) {
  auto failed = [](const char* what) { return Error{std::string(what) + ": " + std::strerror(errno)}; };
  std::vector<char*> words = pointers(argv);
  std::error_code no_folder;
  std::string program = std::filesystem::absolute(argv.at(0), no_folder);
  if (no_folder) program = argv.at(0);
  std::vector<char*> variables = pointers(environment);
  int output[2];
  int failure[2];
  if (pipe2(output, O_CLOEXEC) != 0) return failed("pipe");
  io::Fd output_read(output[0]), output_write(output[1]);
  if (pipe2(failure, O_CLOEXEC | O_NONBLOCK) != 0) return failed("pipe");
  io::Fd failure_read(failure[0]), failure_write(failure[1]);
  io::Fd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!null) return failed("/dev/null");
  fcntl(output_read.get(), F_SETFL, O_NONBLOCK);
  // fork, not vfork: we go on while the child waits for a slow disk.
  pid_t pid = fork();
  if (pid < 0) return failed("fork");
  if (pid == 0)
    become_program(program.c_str(), words.data(), variables.data(), folder.c_str(), null.get(), output_write.get(),
                   failure_write.get());
  // In both processes: whichever comes first, nobody can miss the group.
  setpgid(pid, pid);
  Spawned spawned;
  spawned.pid = pid;
  spawned.process = io::Fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!spawned.process) {
    Error error = failed("pidfd_open");
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    return error;
  }
  spawned.output = std::move(output_read);
  spawned.failure = std::move(failure_read);
  return spawned;
}

}  // namespace culvert::hooks
