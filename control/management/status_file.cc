#include "control/management/status_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace culvert::management {
namespace {

io::Fd open_file(const std::string& path) {
  return io::Fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600));
}

bool same_file(int fd, const std::string& path) {
  struct stat ours {};
  struct stat there {};
  return fstat(fd, &ours) == 0 && stat(path.c_str(), &there) == 0 && ours.st_dev == there.st_dev &&
         ours.st_ino == there.st_ino;
}

}  // namespace

Result<StatusFile> StatusFile::open(const std::string& path) {
  io::Fd fd = open_file(path);
  if (!fd) return Error{"status " + path + ": " + std::strerror(errno)};
  return StatusFile(path, std::move(fd));
}

Status StatusFile::write(const std::vector<std::string>& lines) {
  // Moved away by a log rotation, perhaps: where we may, we begin a new one.
  if (!same_file(fd_.get(), path_))
    if (io::Fd fresh = open_file(path_)) fd_ = std::move(fresh);
  std::string text;
  for (const std::string& line : lines) text.append(line).append(1, '\n');
  ssize_t n = pwrite(fd_.get(), text.data(), text.size(), 0);
  bool whole = n == static_cast<ssize_t>(text.size()) && ftruncate(fd_.get(), n) == 0;
  if (!whole) return Error{"status " + path_ + ": " + std::strerror(n < 0 ? errno : ENOSPC)};
  return {};
}

}  // namespace culvert::management
