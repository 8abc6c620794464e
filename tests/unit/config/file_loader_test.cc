// What the disk can hold in the place of a configuration file: nothing of it may hang or flood the caller.
#include "control/config/file_loader.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace culvert::config {
namespace {

class FileLoaderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "culvert-config-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ + "/" + name) << text;
    return folder_ + "/" + name;
  }

  std::string folder_;
  DiskLoader loader_;
};

TEST_F(FileLoaderTest, ReadsTextAndMode) {
  std::string path = write("a", "hello");
  ASSERT_EQ(chmod(path.c_str(), 0640), 0);
  auto loaded = loader_.load(path, 5);
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->bytes, "hello");
  EXPECT_EQ(loaded->mode, 0640u);
  EXPECT_TRUE(loader_.load(write("empty", ""), 5));
}

TEST_F(FileLoaderTest, ReadsAFileThatSaysItIsEmpty) {
  auto loaded = loader_.load("/proc/self/status", 1 << 20);
  ASSERT_TRUE(loaded);
  EXPECT_TRUE(loaded->bytes.starts_with("Name:"));
  EXPECT_TRUE(loaded->bytes.ends_with("\n"));
}

TEST_F(FileLoaderTest, RefusesWhatIsNotAFile) {
  EXPECT_EQ(loader_.load(folder_ + "/none", 5).error(), "no such file");
  EXPECT_EQ(loader_.load(folder_, 5).error(), "is a folder, not a file");
  std::string fifo = folder_ + "/fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_EQ(loader_.load(fifo, 5).error(), "is not a regular file");
  EXPECT_EQ(loader_.load("/dev/zero", 5).error(), "is not a regular file");
  EXPECT_EQ(loader_.load(std::string("a\0b", 3), 5).error(), "the name holds a NUL byte");
}

TEST_F(FileLoaderTest, RefusesWhatIsTooLarge) {
  EXPECT_EQ(loader_.load(write("large", std::string(2049, 'x')), 2048).error(),
            "larger than 2 KiB: is this the right file?");
  // Says 0 bytes and holds more: the limit is on what is read.
  auto grown = loader_.load("/proc/self/status", 16);
  EXPECT_FALSE(grown);
}

TEST(Paths, Join) {
  EXPECT_EQ(join_path("etc", "a"), "etc/a");
  EXPECT_EQ(join_path("etc/", "a"), "etc/a");
  EXPECT_EQ(join_path("etc", "/a"), "/a");
  EXPECT_EQ(join_path(".", "a"), "a");
  EXPECT_EQ(folder_of("a"), ".");
  EXPECT_EQ(folder_of("/a"), "/");
  EXPECT_EQ(folder_of("x/y/a"), "x/y");
}

}  // namespace
}  // namespace culvert::config
