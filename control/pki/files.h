// Files of the authority: written beside their place and renamed into it, so that a reader sees the old or the new one
// whole.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "dataplane/abi/result.h"

namespace culvert::pki {

/// A file that is on disk in full but not yet in its place; removed when it goes out of scope before place().
class StagedFile {
 public:
  /// Writes `text` to a new file in the folder of `path`, with `mode`, and waits until the disk has it.
  static Result<StagedFile> write(const std::string& path, std::string_view text, mode_t mode);
  /// Those for `path` that commands have left which were killed in between. Under the folder's lock, so that they are
  /// nobody's; what is not placed is removed.
  static std::vector<StagedFile> left_for(const std::string& path);
  ~StagedFile();
  StagedFile(StagedFile&& other) noexcept;
  StagedFile& operator=(StagedFile&&) = delete;

  /// Where it is until then.
  const std::string& staged() const { return staged_; }
  /// Renames it into its place. An old file there is replaced.
  Status place();

 private:
  StagedFile(std::string path, std::string staged) : path_(std::move(path)), staged_(std::move(staged)) {}
  std::string path_;
  std::string staged_;
};

/// write() and place() in one step.
Status write_file(const std::string& path, std::string_view text, mode_t mode);

/// One command at a time works in a folder: held as long as this lives. Waits for another one's end.
class FolderLock {
 public:
  static Result<FolderLock> take(const std::string& folder);
  ~FolderLock();
  FolderLock(FolderLock&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  FolderLock& operator=(FolderLock&&) = delete;

 private:
  explicit FolderLock(int fd) : fd_(fd) {}
  int fd_;
};

/// Text of a file of at most 64 MiB; the error names the path.
Result<std::string> read_file(const std::string& path);

bool exists(const std::string& path);

}  // namespace culvert::pki
