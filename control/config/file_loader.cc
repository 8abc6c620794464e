#include "control/config/file_loader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace culvert::config {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

Error open_error(int number) {
  if (number == ENOENT) return Error{"no such file"};
  if (number == EACCES) return Error{std::string(kNotReadable)};
  return Error{std::strerror(number)};
}

Error too_large(size_t limit) {
  return Error{"larger than " + std::to_string(limit / 1024) + " KiB: is this the right file?"};
}

/// Twice the room, without leaving a copy of what may be a key behind.
void grow(std::string& bytes) {
  std::string larger(bytes.size() * 2 + 4096, '\0');
  bytes.copy(larger.data(), bytes.size());
  explicit_bzero(bytes.data(), bytes.size());
  bytes = std::move(larger);
}

}  // namespace

Result<LoadedFile> DiskLoader::load(const std::string& path, size_t limit) {
  if (path.find('\0') != std::string::npos) return Error{"the name holds a NUL byte"};
  // O_NONBLOCK: opening a FIFO without a writer would wait for ever. It has no effect on regular files.
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (file.get() < 0) return open_error(errno);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return open_error(errno);
  if (S_ISDIR(status.st_mode)) return Error{"is a folder, not a file"};
  if (!S_ISREG(status.st_mode)) return Error{"is not a regular file"};
  if (status.st_size > static_cast<off_t>(limit)) return too_large(limit);

  LoadedFile loaded;
  loaded.mode = status.st_mode & 07777;
  // One more than the file should have: it may grow meanwhile, and files of /proc say 0.
  loaded.bytes.resize(static_cast<size_t>(status.st_size) + 1);
  size_t used = 0;
  while (true) {
    if (used == loaded.bytes.size()) grow(loaded.bytes);
    ssize_t got = ::read(file.get(), loaded.bytes.data() + used, loaded.bytes.size() - used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return open_error(errno);
    if (got == 0) break;
    used += static_cast<size_t>(got);
    if (used > limit) return too_large(limit);
  }
  loaded.bytes.resize(used);
  return loaded;
}

bool DiskLoader::is_folder(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode) && ::access(path.c_str(), R_OK | X_OK) == 0;
}

Status DiskLoader::executable(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return Error{std::strerror(errno)};
  if (!S_ISREG(status.st_mode)) return Error{"no regular file"};
  if (access(path.c_str(), X_OK) != 0) return Error{"not executable: chmod +x " + path};
  return {};
}

std::string join_path(const std::string& folder, const std::string& path) {
  if (path.empty() || path.front() == '/' || folder.empty() || folder == ".") return path;
  if (path == ".") return folder;
  return folder.back() == '/' ? folder + path : folder + "/" + path;
}

std::string folder_of(const std::string& path) {
  size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace culvert::config
