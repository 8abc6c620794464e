#include "perf/common/result_file.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace culvert::perf {
namespace {

Error failed(const std::string& path) {
  return Error{path + ": cannot be written: " + std::strerror(errno)};
}

}  // namespace

Status check_writable(const std::string& path) {
  if (path.empty()) return {};
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    errno = EISDIR;
    return failed(path);
  }
  if (access(path.c_str(), W_OK) == 0) return {};
  if (errno != ENOENT) return failed(path);
  std::filesystem::path folder = std::filesystem::path(path).parent_path();
  return access(folder.empty() ? "." : folder.c_str(), W_OK | X_OK) == 0 ? Status{} : failed(path);
}

Status write_file(const std::string& path, const std::string& text) {
  if (path.empty()) return {};
  std::ofstream file(path, std::ios::trunc);
  file << text;
  file.close();
  return file ? Status{} : failed(path);
}

}  // namespace culvert::perf
