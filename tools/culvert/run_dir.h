// The folder of one running gateway, and the lock that keeps a second `culvert up` out of it.
#pragma once

#include <string>

#include "control/io/fd.h"
#include "dataplane/abi/result.h"

namespace culvert::cli {

class RunDir {
 public:
  /// Makes the folder unless it is there (its parent must exist) and locks it. The error names who has it.
  static Result<RunDir> claim(const std::string& path);
  RunDir(RunDir&&) = default;
  RunDir& operator=(RunDir&&) = delete;
  /// Removes what a gateway leaves there, and the folder if it was made here and is empty.
  ~RunDir();

 private:
  RunDir(std::string path, io::Fd lock, bool made) : path_(std::move(path)), lock_(std::move(lock)), made_(made) {}

  std::string path_;
  io::Fd lock_;
  bool made_;
};

}  // namespace culvert::cli
