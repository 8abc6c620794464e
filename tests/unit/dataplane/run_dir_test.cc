// The run dir: one dataplane at a time, nothing left behind.
#include "dataplane/run_dir.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/unit/support/temporary_folder.h"

namespace culvert::dataplane {
namespace {

TEST(RunDir, IsMadeLockedAndRemoved) {
  testing::TemporaryFolder folder;
  std::string path = folder.path() + "/run";
  {
    auto first = RunDir::claim(path);
    ASSERT_TRUE(first) << first.error();
    EXPECT_EQ(first->socket_path(), path + "/link.sock");
    EXPECT_TRUE(first->is_own());
    auto second = RunDir::claim(path);
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().find("another dataplane lives there (pid " + std::to_string(getpid()) + ")"),
              std::string::npos)
        << second.error();
    std::ofstream(first->socket_path()) << "";
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_TRUE(RunDir::claim(path));
}

TEST(RunDir, TakesOverWhatAKilledDataplaneLeft) {
  testing::TemporaryFolder folder;
  std::ofstream(folder.path() + "/dataplane.lock") << "1\n";
  std::ofstream(folder.path() + "/link.sock") << "";
  {
    auto claimed = RunDir::claim(folder.path());
    ASSERT_TRUE(claimed) << claimed.error();
    EXPECT_FALSE(std::filesystem::exists(claimed->socket_path()));
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(RunDir, ErrorsNameThePath) {
  auto missing = RunDir::claim("/nonexistent/run");
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().find("run dir /nonexistent/run: cannot make it"), std::string::npos) << missing.error();
  testing::TemporaryFolder folder;
  std::string file = folder.path() + "/file";
  std::ofstream(file) << "";
  auto no_folder = RunDir::claim(file);
  ASSERT_FALSE(no_folder);
  EXPECT_NE(no_folder.error().find("not writable"), std::string::npos) << no_folder.error();
}

}  // namespace
}  // namespace culvert::dataplane
