#include "tools/culvert/run_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace culvert::cli {
namespace {

/// Does `path` still name the open file? Whoever had it before removes it at its end.
bool still_names(const std::string& path, int fd) {
  struct stat by_path {};
  struct stat by_fd {};
  return stat(path.c_str(), &by_path) == 0 && fstat(fd, &by_fd) == 0 && by_path.st_ino == by_fd.st_ino &&
         by_path.st_dev == by_fd.st_dev;
}

}  // namespace

Result<RunDir> RunDir::claim(const std::string& path) {
  bool made = mkdir(path.c_str(), 0755) == 0;
  if (!made && errno != EEXIST)
    return Error{"can't make the run dir " + path + ": " + std::strerror(errno) + ": choose another with --run-dir"};
  const std::string lock_path = path + "/up.lock";
  for (;;) {
    io::Fd lock(open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
    if (!lock) return Error{"run dir " + path + " can't be used: " + std::strerror(errno)};
    if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
      std::array<char, 16> text{};
      ssize_t n = pread(lock.get(), text.data(), text.size() - 1, 0);
      std::string pid = n > 0 ? " (pid " + std::string(text.data(), strcspn(text.data(), "\n")) + ")" : "";
      return Error{"a gateway runs already with run dir " + path + pid + ": stop it, or choose another --run-dir"};
    }
    if (!still_names(lock_path, lock.get())) continue;
    std::string pid = std::to_string(getpid()) + "\n";
    if (ftruncate(lock.get(), 0) != 0 || pwrite(lock.get(), pid.data(), pid.size(), 0) < 0)
      return Error{"run dir " + path + " can't be written: " + std::strerror(errno)};
    return RunDir(path, std::move(lock), made);
  }
}

RunDir::~RunDir() {
  if (!lock_) return;
  for (const char* name : {"/admin.sock", "/link.sock", "/cookie-secret", "/dataplane.lock", "/up.lock"})
    unlink((path_ + name).c_str());
  if (made_) rmdir(path_.c_str());
}

}  // namespace culvert::cli
