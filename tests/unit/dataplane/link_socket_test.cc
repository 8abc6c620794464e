// The file of a socket of the link: who may open it, who may attach.
#include "dataplane/link/link_socket.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/support/temporary_folder.h"

namespace culvert::dataplane {
namespace {

TEST(LinkSocket, WhoMayAttach) {
  Allowed nobody_else;
  Allowed configured{1000, 2000};
  EXPECT_TRUE(may_attach({1, 0, 0}, nobody_else));
  EXPECT_TRUE(may_attach({1, geteuid(), 5}, nobody_else));
  EXPECT_FALSE(may_attach({1, geteuid() + 1, getegid()}, nobody_else));
  EXPECT_TRUE(may_attach({1, 1000, 5}, configured));
  EXPECT_TRUE(may_attach({1, 77, 2000}, configured));
  EXPECT_FALSE(may_attach({1, 1001, 2001}, configured));
}

TEST(LinkSocket, FileIsOpenToThoseWhoMayAttachOnly) {
  testing::TemporaryFolder folder;
  struct stat about;
  std::string closed = folder.path() + "/closed.sock";
  ASSERT_TRUE(listen_on(closed, {}));
  ASSERT_EQ(stat(closed.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600u);
  if (geteuid() != 0) GTEST_SKIP() << "giving it away needs root";
  std::string given = folder.path() + "/given.sock";
  ASSERT_TRUE(listen_on(given, {1234, 4321}));
  ASSERT_EQ(stat(given.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0660u);
  EXPECT_EQ(about.st_uid, 1234u);
  EXPECT_EQ(about.st_gid, 4321u);
}

TEST(LinkSocket, TooLongAPathIsAClearError) {
  auto listener = listen_on("/tmp/" + std::string(120, 'x'), {});
  ASSERT_FALSE(listener);
  EXPECT_NE(listener.error().find("choose a shorter run dir"), std::string::npos) << listener.error();
}

}  // namespace
}  // namespace culvert::dataplane
