// Owner of a file descriptor: closed once, by whoever holds it last.
#pragma once

#include <unistd.h>

#include <utility>

namespace culvert::drivers {

class FileDescriptor {
 public:
  FileDescriptor() = default;
  /// Takes over `fd`; negative: none.
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileDescriptor() {
    if (fd_ >= 0) close(fd_);
  }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  /// Gives the descriptor away: the caller closes it.
  int release() { return std::exchange(fd_, -1); }
  void reset() { FileDescriptor().swap(*this); }
  void swap(FileDescriptor& other) { std::swap(fd_, other.fd_); }

 private:
  int fd_ = -1;
};

}  // namespace culvert::drivers
