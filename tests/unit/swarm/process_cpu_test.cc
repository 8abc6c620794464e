#include "perf/swarm/process_cpu.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace culvert::swarm {
namespace {

TEST(ProcessCpu, NamesWithBracketsDoNotConfuseIt) {
  EXPECT_EQ(cpu_ticks("12 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0"), 300);
}

TEST(ProcessCpu, OtherTextIsRefused) {
  EXPECT_LT(cpu_ticks(""), 0);
  EXPECT_LT(cpu_ticks("12 (a) S 1 2"), 0);
}

TEST(ProcessCpu, OwnProcessHasSome) {
  auto seconds = cpu_seconds(getpid());
  ASSERT_TRUE(seconds) << seconds.error();
  EXPECT_GE(*seconds, 0);
}

TEST(ProcessCpu, AProcessThatIsGoneIsNamed) {
  auto seconds = cpu_seconds(0x7FFFFFFF);
  ASSERT_FALSE(seconds);
  EXPECT_NE(seconds.error().find("2147483647"), std::string::npos);
}

}  // namespace
}  // namespace culvert::swarm
