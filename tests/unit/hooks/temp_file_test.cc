#include "control/hooks/temp_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace culvert::hooks {
namespace {

TEST(TempFile, IsPrivateHoldsItsContentAndGoesAway) {
  std::string path;
  {
    auto file = TempFile::make("/tmp", "test", "alice\nsecret\n");
    ASSERT_TRUE(file);
    path = file->path();
    struct stat status {};
    ASSERT_EQ(stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u);
    EXPECT_EQ(file->read(100), "alice\nsecret\n");
    EXPECT_EQ(file->read(5), std::nullopt);
    TempFile moved = std::move(*file);
    EXPECT_EQ(moved.path(), path);
  }
  EXPECT_NE(access(path.c_str(), F_OK), 0);
}

TEST(TempFile, NothingButARegularFileIsRead) {
  auto file = TempFile::make("/tmp", "test");
  ASSERT_TRUE(file);
  unlink(file->path().c_str());
  EXPECT_EQ(file->read(10), std::nullopt);
  ASSERT_EQ(mkfifo(file->path().c_str(), 0600), 0);
  EXPECT_EQ(file->read(10), std::nullopt);  // and it does not wait for a writer
  unlink(file->path().c_str());
  ASSERT_EQ(symlink("/etc/passwd", file->path().c_str()), 0);
  EXPECT_EQ(file->read(1 << 20), std::nullopt);
}

TEST(TempFile, AFolderThatIsNotThereIsNamed) {
  auto file = TempFile::make("/nonexistent", "test");
  ASSERT_FALSE(file);
  EXPECT_NE(file.error().find("/nonexistent"), std::string::npos);
  EXPECT_NE(file.error().find("tmp-dir"), std::string::npos);
}

/// A folder with what a process that was killed has left: passwords in files that nobody holds.
struct LeftSecrets : ::testing::Test {
  void leave(const std::string& name, mode_t mode = 0600) {
    std::ofstream(folder / name) << "alice\nsecret\n";
    chmod((folder / name).c_str(), mode);
  }
  bool is_there(const std::string& name) const {
    return std::filesystem::is_symlink(folder / name) || exists(folder / name);
  }
  ~LeftSecrets() override { remove_all(folder); }
  std::string made = "/tmp/culvert-left-XXXXXX";
  std::filesystem::path folder = mkdtemp(made.data());
};

TEST_F(LeftSecrets, AreRemovedAndThoseInUseAreNot) {
  leave("culvert_up_abcdef");
  leave("culvert_cr_abcdef");
  auto used = TempFile::make(folder, "up", "bob\nsecret\n");
  ASSERT_TRUE(used);
  TempFile moved = std::move(*used);
  EXPECT_EQ(remove_left_secrets(folder), 2u);
  EXPECT_FALSE(is_there("culvert_up_abcdef"));
  EXPECT_EQ(moved.read(100), "bob\nsecret\n");
}

TEST_F(LeftSecrets, NothingElseIsRemoved) {
  const std::vector<std::string> others = {"notes",
                                           "culvert_abcdef",
                                           "culvert_up_abcde",
                                           "culvert_up_abcdefg",
                                           "culvert_acf_abcdef",
                                           "culvert_up-abcdef",
                                           "culvert_upx_abcdef"};
  for (const std::string& name : others) leave(name);
  leave("culvert_up_public", 0644);
  std::filesystem::create_directory(folder / "culvert_up_folder");
  std::filesystem::create_symlink(folder / "notes", folder / "culvert_up_symlnk");
  ASSERT_EQ(mkfifo((folder / "culvert_up_afifo1").c_str(), 0600), 0);
  leave("culvert_up_others");
  const bool is_root = chown((folder / "culvert_up_others").c_str(), 65534, 65534) == 0;
  EXPECT_EQ(remove_left_secrets(folder), is_root ? 0u : 1u);
  for (const std::string& name : others) EXPECT_TRUE(is_there(name)) << name;
  for (const char* name : {"culvert_up_public", "culvert_up_folder", "culvert_up_symlnk", "culvert_up_afifo1"})
    EXPECT_TRUE(is_there(name)) << name;
  EXPECT_EQ(remove_left_secrets("/nonexistent"), 0u);
}

}  // namespace
}  // namespace culvert::hooks
