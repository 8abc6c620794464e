#include "dataplane/precedence.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>

#include <functional>
#include <thread>

#include "dataplane/privileges.h"

namespace culvert::dataplane {
namespace {

/// In a thread of its own: nice values and capabilities are a thread's, and what is given up does not come back.
void in_thread(const std::function<void()>& body) {
  std::thread(body).join();
}

int nice_now() {
  return getpriority(PRIO_PROCESS, 0);
}

TEST(Precedence, RaisedWhereAllowedAndGivenBack) {
  in_thread([] {
    const int before = nice_now();
    if (before != 0) GTEST_SKIP() << "runs with nice " << before;
    if (!take_precedence()) GTEST_SKIP() << "may not raise its priority";
    EXPECT_EQ(nice_now(), kWorkerNice);
    int inherited = 0;
    std::thread([&] { inherited = nice_now(); }).join();
    EXPECT_EQ(inherited, kWorkerNice);
    give_up_precedence();
    EXPECT_EQ(nice_now(), 0);
  });
}

TEST(Precedence, AnotherNiceValueStays) {
  in_thread([] {
    ASSERT_EQ(setpriority(PRIO_PROCESS, 0, 15), 0);
    EXPECT_TRUE(take_precedence());
    EXPECT_EQ(nice_now(), 15);
    give_up_precedence();
    EXPECT_EQ(nice_now(), 15);
  });
}

TEST(Precedence, RefusedWithoutPrivileges) {
  in_thread([] {
    if (nice_now() != 0) GTEST_SKIP() << "runs with nice " << nice_now();
    rlimit limit{};
    ASSERT_EQ(getrlimit(RLIMIT_NICE, &limit), 0);
    if (limit.rlim_cur > 20) GTEST_SKIP() << "RLIMIT_NICE allows it to everybody";
    ASSERT_TRUE(drop_worker_privileges());
    EXPECT_FALSE(take_precedence());
    EXPECT_EQ(nice_now(), 0);
  });
}

TEST(Precedence, ShortTurnsLeaveTheRestAsItIs) {
  in_thread([] {
    ASSERT_EQ(setpriority(PRIO_PROCESS, 0, 15), 0);
    bool granted = ask_for_short_turns();  // not by every kernel
    EXPECT_EQ(ask_for_short_turns(), granted);
    EXPECT_EQ(sched_getscheduler(0), SCHED_OTHER);
    EXPECT_EQ(nice_now(), 15);
  });
}

}  // namespace
}  // namespace culvert::dataplane
