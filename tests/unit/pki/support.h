// What the tests of the authority share: a folder of their own, and a disk that is full.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "control/pki/pki.h"

namespace culvert::pki::test {

namespace fs = std::filesystem;
using namespace std::chrono;

inline constexpr sys_seconds kNow{sys_days(2026y / 6 / 1)};

inline std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

class PkiTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // In memory where possible: every file is synced, which takes its time on a busy disk.
    fs::path place = fs::is_directory("/dev/shm") ? fs::path("/dev/shm") : fs::temp_directory_path();
    std::string pattern = (place / "culvert-pki-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    top_ = pattern;
    folder_ = top_ / "etc";
  }
  void TearDown() override { fs::remove_all(top_); }

  InitOptions options() const {
    InitOptions made;
    made.folder = folder_;
    made.host = "vpn.example.org";
    return made;
  }
  void make() {
    auto made = init(options(), kNow);
    ASSERT_TRUE(made) << made.error();
  }
  /// Every file below the folder with its text: to show that nothing has changed.
  std::map<std::string, std::string> snapshot() const {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(folder_)) {
      files[entry.path()] = entry.is_regular_file() ? text_of(entry.path()) : "folder";
    }
    return files;
  }
  Result<ClientRow> add(const std::string& name, const std::string& remote = "") {
    return add_client({folder_, name, remote, 825}, kNow);
  }

  fs::path top_;
  fs::path folder_;
};

/// An inline block of a profile.
inline std::string block_of(const std::string& profile, const std::string& name) {
  size_t from = profile.find("<" + name + ">\n") + name.size() + 3;
  return profile.substr(from, profile.find("</" + name + ">") - from);
}

/// Limits the size of files that this process writes, as a full disk would.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() { setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

}  // namespace culvert::pki::test
