// What a sleeping worker is told when it wakes.
#include "dataplane/sleeper.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include "dataplane/clock.h"

namespace culvert::dataplane {
namespace {

constexpr uint64_t kOneSecond = 1'000'000'000;

class SleeperTest : public ::testing::Test {
 protected:
  static drivers::FileDescriptor make() { return drivers::FileDescriptor(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)); }
  static void ring(const drivers::FileDescriptor& fd) { ASSERT_EQ(eventfd_write(fd.get(), 1), 0); }

  drivers::FileDescriptor bell_ = make(), one_ = make(), two_ = make();
  Sleeper sleeper_{bell_.get()};
};

TEST_F(SleeperTest, TellsWhichPortsAreReadableUntilTheyAreEmpty) {
  sleeper_.add(one_.get(), 1);
  sleeper_.add(two_.get(), 2);
  ring(two_);
  EXPECT_EQ(sleeper_.wait(60 * kOneSecond), 2u);
  ring(one_);
  EXPECT_EQ(sleeper_.wait(60 * kOneSecond), 3u) << "what was not read is told again";
  eventfd_t value;
  ASSERT_EQ(eventfd_read(two_.get(), &value), 0);
  EXPECT_EQ(sleeper_.wait(60 * kOneSecond), 1u);
  sleeper_.remove(one_.get());
  EXPECT_EQ(sleeper_.wait(1), 0u);
}

TEST_F(SleeperTest, ADoorbellIsNoPortAndRingsOnce) {
  sleeper_.add(one_.get(), 1);
  ring(bell_);
  uint64_t from_ns = monotonic_ns();
  EXPECT_EQ(sleeper_.wait(60 * kOneSecond), 0u);
  EXPECT_LT(monotonic_ns() - from_ns, 60 * kOneSecond) << "it has woken the sleeper";
  from_ns = monotonic_ns();
  EXPECT_EQ(sleeper_.wait(2'000'000), 0u);
  EXPECT_GE(monotonic_ns() - from_ns, 2'000'000u) << "nobody reads it, and yet it does not wake for ever";
}

TEST_F(SleeperTest, APortWithoutDescriptorKeepsItAwake) {
  EXPECT_TRUE(sleeper_.may_sleep());
  sleeper_.add(-1);
  EXPECT_FALSE(sleeper_.may_sleep());
}

TEST_F(SleeperTest, ANapIsNotEndedByPackets) {
  sleeper_.add(one_.get(), 1);
  ring(one_);
  uint64_t from_ns = monotonic_ns();
  Sleeper::nap(1'000'000);
  EXPECT_GE(monotonic_ns() - from_ns, 1'000'000u);
}

}  // namespace
}  // namespace culvert::dataplane
