#include "dataplane/precedence.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <fstream>
#include <functional>
#include <string>
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

/// The turn of the calling thread: sched_runtime, the fourth word of struct sched_attr (sched_setattr(2)).
uint64_t turn_ns() {
  std::array<uint64_t, 6> attributes{};
  EXPECT_EQ(syscall(SYS_sched_getattr, 0, attributes.data(), sizeof attributes, 0), 0);
  return attributes[3];
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

/// "/autogroup-25 nice 0"; empty: this kernel has none.
std::string autogroup() {
  std::string line;
  std::getline(std::ifstream("/proc/self/autogroup"), line);
  return line;
}

/// Exit status of a child process that runs `body`.
int in_process(const std::function<int()>& body) {
  pid_t child = fork();
  if (child == 0) _exit(body());
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(Precedence, RaisesASessionOfItsOwn) {
  constexpr int kMayNot = 2;
  if (autogroup().empty() || nice_now() != 0) GTEST_SKIP() << "no autogroups, or runs with nice " << nice_now();
  int status = in_process([] {
    setsid();
    // Does the kernel take it from this process at all?
    if (!(std::ofstream("/proc/self/autogroup") << "-1" << std::flush)) return kMayNot;
    return take_precedence() && autogroup().ends_with(" nice -10") ? 0 : 1;
  });
  if (status == kMayNot) GTEST_SKIP() << "may not raise its session's priority";
  EXPECT_EQ(status, 0);
}

TEST(Precedence, LeavesTheSessionOfOthersAlone) {
  std::string before = autogroup();
  EXPECT_EQ(in_process([&] {
              (void)take_precedence();
              return autogroup() == before ? 0 : 1;
            }),
            0);
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

TEST(Precedence, WaitsForOthersAndInterruptsThemAgain) {
  in_thread([] {
    if (sched_getscheduler(0) != SCHED_OTHER) GTEST_SKIP() << "has a policy of its own";
    ASSERT_EQ(setpriority(PRIO_PROCESS, 0, 15), 0);
    ASSERT_TRUE(drop_worker_privileges()) << "it needs none";
    (void)ask_for_short_turns();  // not by every kernel
    const uint64_t turn = turn_ns();
    ASSERT_TRUE(wait_for_others());
    EXPECT_EQ(sched_getscheduler(0), SCHED_BATCH);
    EXPECT_EQ(nice_now(), 15);
    EXPECT_EQ(turn_ns(), turn);
    EXPECT_FALSE(wait_for_others()) << "does so already";
    interrupt_others();
    EXPECT_EQ(sched_getscheduler(0), SCHED_OTHER);
    EXPECT_EQ(nice_now(), 15);
    EXPECT_EQ(turn_ns(), turn);
  });
}

TEST(Precedence, AnotherPolicyStays) {
  in_thread([] {
    sched_param none{};
    ASSERT_EQ(sched_setscheduler(0, SCHED_IDLE, &none), 0);
    EXPECT_FALSE(wait_for_others());
    interrupt_others();
    EXPECT_EQ(sched_getscheduler(0), SCHED_IDLE);
  });
}

}  // namespace
}  // namespace culvert::dataplane
