#include "control/hooks/temp_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace culvert::hooks {
namespace {

constexpr std::string_view kBegin = "culvert_";
constexpr std::string_view kRandom = "XXXXXX";  // as mkostemp(3) wants it

bool is_secret(std::string_view kind) {
  return std::ranges::find(kSecretKinds, kind) != std::end(kSecretKinds);
}

/// As make() names a secret's file, so that no file of the operator's is taken for one.
bool names_secret(std::string_view name) {
  if (!name.starts_with(kBegin) || name.size() <= kBegin.size() + 1 + kRandom.size()) return false;
  name.remove_prefix(kBegin.size());
  name.remove_suffix(kRandom.size());
  return name.ends_with('_') && is_secret(name.substr(0, name.size() - 1));
}

/// Nobody holds it any more, and it is ours: whoever made it has ended without removing it.
bool is_left(int folder, const char* name) {
  io::Fd fd(openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat status {};
  return fd && fstat(fd.get(), &status) == 0 && status.st_mode == (S_IFREG | S_IRUSR | S_IWUSR) &&
         status.st_uid == geteuid() && flock(fd.get(), LOCK_EX | LOCK_NB) == 0;
}

}  // namespace

Result<TempFile> TempFile::make(const std::string& folder, std::string_view kind, std::string_view content) {
  std::string path = folder + "/" + std::string(kBegin) + std::string(kind) + "_" + std::string(kRandom);
  io::Fd fd(mkostemp(path.data(), O_CLOEXEC));
  if (!fd)
    return Error{"can't make a file in " + folder + ": " + std::strerror(errno) +
                 ": make the folder writable, or name another with tmp-dir"};
  TempFile file(std::move(path));
  // Only these hold a descriptor: thousands of scripts may wait. What can't be locked, nobody can take for left either.
  const bool locked = is_secret(kind) && flock(fd.get(), LOCK_EX | LOCK_NB) == 0;
  while (!content.empty()) {
    ssize_t n = write(fd.get(), content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return Error{"can't write " + file.path() + ": " + std::strerror(errno)};
    content.remove_prefix(static_cast<size_t>(n));
  }
  if (locked) file.lock_ = std::move(fd);
  return file;
}

TempFile& TempFile::operator=(TempFile&& other) noexcept {
  if (this != &other) {
    remove();
    path_ = std::move(other.path_);
    lock_ = std::move(other.lock_);
    other.path_.clear();
  }
  return *this;
}

void TempFile::remove() {
  if (!path_.empty()) unlink(path_.c_str());
  path_.clear();
  lock_ = io::Fd();
}

size_t remove_left_secrets(const std::string& folder) {
  const auto close = [](DIR* opened) { closedir(opened); };
  const std::unique_ptr<DIR, decltype(close)> opened(opendir(folder.c_str()));
  if (!opened) return 0;
  const int at = dirfd(opened.get());
  size_t removed = 0;
  while (const dirent* entry = readdir(opened.get()))
    if (names_secret(entry->d_name) && is_left(at, entry->d_name))
      removed += unlinkat(at, entry->d_name, 0) == 0 ? 1 : 0;
  return removed;
}

std::optional<std::string> TempFile::read(size_t limit) const {
  // Never a FIFO's other end or a link's target: a script's mistake must not hold us up.
  io::Fd fd(open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat status {};
  if (!fd || fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  std::string text(limit + 1, '\0');
  size_t size = 0;
  while (size < text.size()) {
    ssize_t n = ::read(fd.get(), text.data() + size, text.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return std::nullopt;
    if (n == 0) break;
    size += static_cast<size_t>(n);
  }
  if (size > limit) return std::nullopt;
  text.resize(size);
  return text;
}

}  // namespace culvert::hooks
