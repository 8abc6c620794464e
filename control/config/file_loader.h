// How the parsers get at files. An interface, so that tests and fuzzing parse without a disk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "dataplane/abi/result.h"

namespace culvert::config {

struct LoadedFile {
  std::string bytes;
  uint32_t mode = 0600;  ///< permission bits
};

class FileLoader {
 public:
  virtual ~FileLoader() = default;
  /// The whole file, at most `limit` bytes. The error says what is wrong with it ("no such file") without naming the
  /// path.
  virtual Result<LoadedFile> load(const std::string& path, size_t limit) = 0;
};

/// Files of the disk: regular files only, opened without blocking, so a FIFO or a device can't hang or flood the
/// caller.
class DiskLoader : public FileLoader {
 public:
  Result<LoadedFile> load(const std::string& path, size_t limit) override;
};

/// `path` when absolute, else below `folder` ("" and "." leave it as it is).
std::string join_path(const std::string& folder, const std::string& path);
/// The folder part of a path; "." when there is none.
std::string folder_of(const std::string& path);

}  // namespace culvert::config
