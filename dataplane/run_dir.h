// The folder of one instance: a lock that says "a dataplane lives here", the setup socket and the trace socket.
#pragma once

#include <string>

#include "dataplane/abi/result.h"
#include "drivers/file_descriptor.h"

namespace culvert::dataplane {

class RunDir {
 public:
  /// Makes `path` (its parent must exist) unless it is there, and locks it for this process. What a dataplane that was
  /// killed left there is removed. Errors: not writable, another dataplane lives there (with its pid).
  static Result<RunDir> claim(const std::string& path);
  RunDir(RunDir&&) noexcept = default;
  RunDir& operator=(RunDir&&) = delete;
  /// Removes sockets and lock, and the folder if this object made it and nobody put anything else there.
  ~RunDir();

  const std::string& path() const { return path_; }
  std::string socket_path() const { return path_ + "/link.sock"; }
  std::string trace_socket_path() const { return path_ + "/trace.sock"; }
  /// True when removing files there needs no privilege: the folder is this user's own.
  bool is_own() const;

 private:
  RunDir(std::string path, drivers::FileDescriptor lock, bool made)
      : path_(std::move(path)), lock_(std::move(lock)), made_(made) {}
  std::string lock_path() const { return path_ + "/dataplane.lock"; }

  std::string path_;
  drivers::FileDescriptor lock_;
  bool made_;
};

}  // namespace culvert::dataplane
