#include "dataplane/run_delay.h"

#include <gtest/gtest.h>

#include <thread>

namespace culvert::dataplane {
namespace {

TEST(RunDelay, GrowsAndIsTheThreadsOwn) {
  RunDelay mine;
  auto first = mine.read();
  if (!first) GTEST_SKIP() << "this kernel does not count it";
  std::thread([] {
    RunDelay of_another;
    EXPECT_TRUE(of_another.read());
  }).join();
  auto second = mine.read();
  ASSERT_TRUE(second);
  EXPECT_GE(*second, *first);
}

}  // namespace
}  // namespace culvert::dataplane
