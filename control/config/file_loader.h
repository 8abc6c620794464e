// How the parsers get at files. An interface, so that tests and fuzzing parse without a disk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

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
  /// Is there a folder that can be looked into?
  virtual bool is_folder(const std::string&) { return false; }
  /// Whether a program can be run; the error says why not.
  virtual Status executable(const std::string&) { return {}; }
};

/// Longest server.conf that is read, in bytes.
inline constexpr size_t kConfLimit = 4 << 20;

/// What load() says when the user we run as may not read the file.
inline constexpr std::string_view kNotReadable =
    "not readable for this user: check owner and mode of the file and its folders";

/// Files of the disk: regular files only, opened without blocking, so a FIFO or a device can't hang or flood the
/// caller.
class DiskLoader : public FileLoader {
 public:
  Result<LoadedFile> load(const std::string& path, size_t limit) override;
  bool is_folder(const std::string& path) override;
  Status executable(const std::string& path) override;
};

/// `path` when absolute, else below `folder` ("" and "." leave it as it is).
std::string join_path(const std::string& folder, const std::string& path);
/// The folder part of a path; "." when there is none.
std::string folder_of(const std::string& path);

}  // namespace culvert::config
