#include "control/hooks/spawn.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace culvert::hooks {
namespace {

/// The two pipes and /dev/null can be had, and nothing behind them.
TEST(Spawn, AProcessThatCanNotBeWatchedIsNotLeftBehind) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers open descriptors of their own";
#endif
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlim_t highest = 0;
  {
    std::array<io::Fd, 5> free;
    for (io::Fd& fd : free) {
      fd = io::Fd(open("/dev/null", O_RDONLY | O_CLOEXEC));
      highest = std::max(highest, static_cast<rlim_t>(fd.get()));
    }
  }
  const rlimit few{highest + 1, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  auto spawned = spawn({"/bin/true"}, {});
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_FALSE(spawned);
  EXPECT_NE(spawned.error().find("pidfd_open"), std::string::npos) << spawned.error();
  int status = 0;
  EXPECT_EQ(waitpid(-1, &status, 0), -1) << "a child waits to be reaped";
  EXPECT_EQ(errno, ECHILD);
}

}  // namespace
}  // namespace culvert::hooks
