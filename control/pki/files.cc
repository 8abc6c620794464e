#include "control/pki/files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "control/config/file_loader.h"

namespace culvert::pki {
namespace {

constexpr size_t kReadLimit = 64 << 20;

Error failed(const std::string& path, int number) {
  std::string text = path + ": " + std::strerror(number);
  if (number == EACCES || number == EPERM || number == EROFS) text += "; run it as a user who may write there (root)";
  if (number == ENOSPC || number == EDQUOT) text += "; free some space and run it again";
  return Error{text};
}

/// 0, or the number of what went wrong.
int write_all(int fd, std::string_view text, mode_t mode) {
  while (!text.empty()) {
    ssize_t done = ::write(fd, text.data(), text.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return errno;
    text.remove_prefix(static_cast<size_t>(done));
  }
  if (::fchmod(fd, mode) != 0) return errno;
  return ::fsync(fd) == 0 ? 0 : errno;
}

}  // namespace

Result<StagedFile> StagedFile::write(const std::string& path, std::string_view text, mode_t mode) {
  std::string staged = path + ".XXXXXX";
  int fd = ::mkostemp(staged.data(), O_CLOEXEC);  // made with 0600
  if (fd < 0) return failed(path, errno);
  int problem = write_all(fd, text, mode);
  if (::close(fd) != 0 && problem == 0) problem = errno;
  if (problem == 0) return StagedFile(path, staged);
  ::unlink(staged.c_str());
  return failed(path, problem);
}

std::vector<StagedFile> StagedFile::left_for(const std::string& path) {
  std::vector<StagedFile> left;
  const std::string stem = path + ".";
  std::error_code problem;
  for (const auto& entry : std::filesystem::directory_iterator(config::folder_of(path), problem)) {
    const std::string found = entry.path().string();
    // The six letters and digits of mkostemp(3): "alice.ovpn.abcd.ovpn" is another client's.
    const bool ours = found.size() == stem.size() + 6 && found.starts_with(stem) &&
                      std::all_of(found.end() - 6, found.end(), [](unsigned char c) { return std::isalnum(c) != 0; });
    if (ours) left.push_back(StagedFile(path, found));
  }
  return left;
}

StagedFile::StagedFile(StagedFile&& other) noexcept : path_(std::move(other.path_)), staged_(std::move(other.staged_)) {
  other.staged_.clear();
}

StagedFile::~StagedFile() {
  if (!staged_.empty()) ::unlink(staged_.c_str());
}

Status StagedFile::place() {
  if (::rename(staged_.c_str(), path_.c_str()) != 0) return failed(path_, errno);
  staged_.clear();
  // The rename itself lives in the folder: without this it may be lost with the power.
  int folder = ::open(config::folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return {};
  ::fsync(folder);
  ::close(folder);
  return {};
}

Status write_file(const std::string& path, std::string_view text, mode_t mode) {
  Result<StagedFile> staged = StagedFile::write(path, text, mode);
  if (!staged) return Error{staged.error()};
  return staged->place();
}

Result<FolderLock> FolderLock::take(const std::string& folder) {
  int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) {
    if (errno == ENOENT) return Error{folder + ": no such folder; `culvert init` makes one"};
    return failed(folder, errno);
  }
  while (::flock(fd, LOCK_EX) != 0) {
    if (errno == EINTR) continue;
    int number = errno;
    ::close(fd);
    return failed(folder, number);
  }
  return FolderLock(fd);
}

FolderLock::~FolderLock() {
  if (fd_ >= 0) ::close(fd_);
}

Result<std::string> read_file(const std::string& path) {
  Result<config::LoadedFile> loaded = config::DiskLoader().load(path, kReadLimit);
  if (!loaded) return Error{path + ": " + loaded.error()};
  return std::move(loaded->bytes);
}

bool exists(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0;
}

}  // namespace culvert::pki
