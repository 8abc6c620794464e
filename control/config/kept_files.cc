#include "control/config/kept_files.h"

#include <string.h>

#include <utility>

namespace culvert::config {
namespace {

constexpr size_t kLargestKept = 256 * 1024;

}  // namespace

KeptFiles::~KeptFiles() {
  for (auto& [path, file] : kept_) explicit_bzero(file.bytes.data(), file.bytes.size());
}

Result<LoadedFile> KeptFiles::load(const std::string& path, size_t limit) {
  Result<LoadedFile> loaded = files_.load(path, limit);
  if (loaded) {
    // Not only secrets: a folder above may be closed to the user we become.
    if (keeping_ && loaded->bytes.size() <= kLargestKept) kept_.insert_or_assign(path, *loaded);
    return loaded;
  }
  auto found = kept_.find(path);
  if (found == kept_.end() || loaded.error() != kNotReadable) return loaded;
  used_.push_back(path);
  return found->second;
}

void KeptFiles::stop_keeping(const std::vector<std::string>& configuration_files) {
  keeping_ = false;
  for (const std::string& path : configuration_files) kept_.erase(path);
}

std::vector<std::string> KeptFiles::take_used() {
  return std::exchange(used_, {});
}

}  // namespace culvert::config
