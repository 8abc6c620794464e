// The file of directive `status`: opened at start, when the process may still do so, and rewritten in place.
#pragma once

#include <string>
#include <vector>

#include "control/io/fd.h"
#include "dataplane/abi/result.h"

namespace culvert::management {

class StatusFile {
 public:
  /// Opens or makes the file (0600, as the reference does).
  static Result<StatusFile> open(const std::string& path);

  /// Replaces its contents: one write, so that a reader sees the old or the new text.
  Status write(const std::vector<std::string>& lines);

 private:
  StatusFile(std::string path, io::Fd fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  std::string path_;
  io::Fd fd_;
};

}  // namespace culvert::management
