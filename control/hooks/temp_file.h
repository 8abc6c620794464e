// Files that scripts read from and write to.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "control/io/fd.h"
#include "dataplane/abi/result.h"

namespace culvert::hooks {

/// Kinds of files in which a secret stands: user name and password; the answer to a challenge. Scripts get them through
/// tmp-dir.
inline constexpr std::string_view kSecretKinds[] = {"up", "cr"};

/// A file of mode 0600 with a name that nobody can foresee; removed when this goes out of scope.
class TempFile {
 public:
  /// In `folder`, beginning with `content`. `kind` stands in the name.
  static Result<TempFile> make(const std::string& folder, std::string_view kind, std::string_view content = "");
  TempFile(TempFile&& other) noexcept : path_(std::move(other.path_)), lock_(std::move(other.lock_)) {
    other.path_.clear();
  }
  TempFile& operator=(TempFile&& other) noexcept;
  ~TempFile() { remove(); }

  const std::string& path() const { return path_; }
  /// What stands in it now. Nothing: gone, no regular file, or larger than `limit`.
  std::optional<std::string> read(size_t limit) const;

 private:
  explicit TempFile(std::string path) : path_(std::move(path)) {}
  void remove();
  std::string path_;
  io::Fd lock_;  ///< of a secret's file: as long as this lives, remove_left_secrets() lets it be
};

/// Removes from `folder` files of the kinds above that processes of our user have left there when they were killed.
/// Returns how many.
size_t remove_left_secrets(const std::string& folder);

}  // namespace culvert::hooks
