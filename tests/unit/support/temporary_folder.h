// A folder of the test's own under /tmp, removed with everything in it.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace culvert::testing {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = "/tmp/culvert-test-XXXXXX";
    if (!mkdtemp(pattern.data())) std::abort();
    path_ = pattern;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace culvert::testing
