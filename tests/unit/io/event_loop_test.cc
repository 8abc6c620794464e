#include "control/io/event_loop.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/eventfd.h>

#include "tests/unit/io/support.h"

namespace culvert::io {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

struct EventLoopTest : ::testing::Test {
  std::unique_ptr<EventLoop> loop = std::move(*EventLoop::make());
};

Fd ringing() {
  return Fd(eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
}

TEST_F(EventLoopTest, TimersRunInOrderOnceAndCanBeCancelled) {
  std::string order;
  MonoTime now = mono_now();
  loop->at(now + milliseconds(2), [&] { order += 'c'; });
  loop->at(now, [&] { order += 'a'; });
  auto cancelled = loop->at(now, [&] { order += 'x'; });
  loop->at(now + milliseconds(1), [&] { order += 'b'; });
  loop->cancel(cancelled);
  loop->cancel(cancelled);
  EXPECT_TRUE(run_until(*loop, [&] { return order.size() >= 3; }));
  EXPECT_EQ(order, "abc");
}

TEST_F(EventLoopTest, ATimerThatSetsItselfAnewDoesNotStarveDescriptors) {
  int timers = 0;
  int reads = 0;
  std::function<void()> again = [&] {
    ++timers;
    loop->at(mono_now() - milliseconds(1), again);
  };
  again();
  Fd fd = ringing();
  ASSERT_TRUE(loop->watch(fd.get(), EPOLLIN, [&](uint32_t) { ++reads; }));
  for (int i = 0; i < 5; ++i) loop->run_once(mono_now() + hours(1));
  EXPECT_EQ(reads, 5);
  EXPECT_EQ(timers, 6);
}

TEST_F(EventLoopTest, AnUnwatchedDescriptorIsNotCalledEvenWhenItsEventWasFetched) {
  Fd a = ringing();
  Fd b = ringing();
  int calls = 0;
  auto callback = [&](uint32_t) {
    ++calls;
    loop->unwatch(a.get());
    loop->unwatch(b.get());
  };
  ASSERT_TRUE(loop->watch(a.get(), EPOLLIN, callback));
  ASSERT_TRUE(loop->watch(b.get(), EPOLLIN, callback));
  loop->run_once();
  EXPECT_EQ(calls, 1) << "the first callback took the second one's watch away";
}

TEST_F(EventLoopTest, SignalsArriveAsCallbacks) {
  int got = 0;
  ASSERT_TRUE(loop->on_signal(SIGUSR1, [&] { got += 1; }));
  ASSERT_TRUE(loop->on_signal(SIGUSR2, [&] { got += 10; }));
  kill(getpid(), SIGUSR1);
  kill(getpid(), SIGUSR2);
  EXPECT_TRUE(run_until(*loop, [&] { return got == 11; }));
}

TEST_F(EventLoopTest, ADescriptorThatCannotBeWatchedIsAnError) {
  auto status = loop->watch(-1, EPOLLIN, [](uint32_t) {});
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().find("epoll_ctl"), std::string::npos);
}

}  // namespace
}  // namespace culvert::io
