#include "control/hooks/temp_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "control/io/fd.h"

namespace culvert::hooks {

Result<TempFile> TempFile::make(const std::string& folder, std::string_view kind, std::string_view content) {
  std::string path = folder + "/culvert_" + std::string(kind) + "_XXXXXX";
  io::Fd fd(mkostemp(path.data(), O_CLOEXEC));
  if (!fd)
    return Error{"can't make a file in " + folder + ": " + std::strerror(errno) +
                 ": make the folder writable, or name another with tmp-dir"};
  TempFile file(std::move(path));
  while (!content.empty()) {
    ssize_t n = write(fd.get(), content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return Error{"can't write " + file.path() + ": " + std::strerror(errno)};
    content.remove_prefix(static_cast<size_t>(n));
  }
  return file;
}

TempFile& TempFile::operator=(TempFile&& other) noexcept {
  if (this != &other) {
    remove();
    path_ = std::move(other.path_);
    other.path_.clear();
  }
  return *this;
}

void TempFile::remove() {
  if (!path_.empty()) unlink(path_.c_str());
  path_.clear();
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
