// Files that scripts read from and write to.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "dataplane/abi/result.h"

namespace culvert::hooks {

/// A file of mode 0600 with a name that nobody can foresee; removed when this goes out of scope.
class TempFile {
 public:
  /// In `folder`, beginning with `content`. `kind` stands in the name.
  static Result<TempFile> make(const std::string& folder, std::string_view kind, std::string_view content = "");
  TempFile(TempFile&& other) noexcept : path_(std::move(other.path_)) { other.path_.clear(); }
  TempFile& operator=(TempFile&& other) noexcept;
  ~TempFile() { remove(); }

  const std::string& path() const { return path_; }
  /// What stands in it now. Nothing: gone, no regular file, or larger than `limit`.
  std::optional<std::string> read(size_t limit) const;

 private:
  explicit TempFile(std::string path) : path_(std::move(path)) {}
  void remove();
  std::string path_;
};

}  // namespace culvert::hooks
