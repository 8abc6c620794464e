#include "control/hooks/temp_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

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

}  // namespace
}  // namespace culvert::hooks
