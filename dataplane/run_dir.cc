#include "dataplane/run_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace culvert::dataplane {
namespace {

/// True when `path` still names the open file `fd`: the holder before us removes it when it ends.
bool is_still(const std::string& path, int fd) {
  struct stat by_path, by_fd;
  return stat(path.c_str(), &by_path) == 0 && fstat(fd, &by_fd) == 0 && by_path.st_ino == by_fd.st_ino &&
         by_path.st_dev == by_fd.st_dev;
}

std::string read_pid(int fd) {
  std::array<char, 16> text{};
  ssize_t length = pread(fd, text.data(), text.size() - 1, 0);
  std::string pid(text.data(), length > 0 ? static_cast<size_t>(length) : 0);
  return pid.substr(0, pid.find('\n'));
}

}  // namespace

Result<RunDir> RunDir::claim(const std::string& path) {
  auto fail = [&](const std::string& what) { return Error{"run dir " + path + ": " + what}; };
  bool made = mkdir(path.c_str(), 0755) == 0;
  if (!made && errno != EEXIST) return fail(std::string("cannot make it: ") + std::strerror(errno));
  std::string lock_path = path + "/dataplane.lock";
  while (true) {
    drivers::FileDescriptor lock(open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
    if (!lock) return fail(std::string("not writable: ") + std::strerror(errno));
    if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) return fail(std::string("cannot lock it: ") + std::strerror(errno));
      std::string pid = read_pid(lock.get());
      return fail("another dataplane lives there" + (pid.empty() ? "" : " (pid " + pid + ")") +
                  ": stop it, or choose another --run-dir");
    }
    if (!is_still(lock_path, lock.get())) continue;
    std::string pid = std::to_string(getpid()) + "\n";
    if (ftruncate(lock.get(), 0) != 0 || pwrite(lock.get(), pid.data(), pid.size(), 0) < 0)
      return fail(std::string("not writable: ") + std::strerror(errno));
    RunDir claimed(path, std::move(lock), made);
    for (const std::string& socket : {claimed.socket_path(), claimed.trace_socket_path()})
      if (unlink(socket.c_str()) != 0 && errno != ENOENT)
        return fail("cannot remove an old " + socket + ": " + std::strerror(errno));
    return claimed;
  }
}

RunDir::~RunDir() {
  if (!lock_) return;
  unlink(socket_path().c_str());
  unlink(trace_socket_path().c_str());
  unlink(lock_path().c_str());  // while it is locked: who waits for it sees that the name is gone
  if (made_) rmdir(path_.c_str());
}

bool RunDir::is_own() const {
  struct stat about;
  return stat(path_.c_str(), &about) == 0 && about.st_uid == geteuid();
}

}  // namespace culvert::dataplane
