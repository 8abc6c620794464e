// Why nobody answers: no gateway, or one whose control is just being started again.
#include "tools/culvert/admin_client.h"

#include <gtest/gtest.h>

#include <sys/socket.h>

#include "control/io/unix_socket.h"
#include "tests/unit/support/temporary_folder.h"

namespace culvert::cli {
namespace {

TEST(Ask, TellsAStoppedControlFromNoGateway) {
  testing::TemporaryFolder folder;
  auto none = ask(folder.path(), {{"command", "status"}});
  ASSERT_FALSE(none);
  EXPECT_TRUE(none.error().starts_with("no gateway runs with run dir ")) << none.error();
  // What a killed control leaves: a socket that nobody listens on.
  {
    auto socket = io::listen_unix(folder.path() + "/admin.sock", SOCK_STREAM, 0600, 1);
    ASSERT_TRUE(socket) << socket.error();
  }
  auto killed = ask(folder.path(), {{"command", "status"}});
  ASSERT_FALSE(killed);
  EXPECT_TRUE(killed.error().starts_with("culvert-control of " + folder.path() + " does not run ")) << killed.error();
  EXPECT_NE(killed.error().find("clients stay connected meanwhile"), std::string::npos) << killed.error();
}

}  // namespace
}  // namespace culvert::cli
