#include "perf/swarm/kernel_time.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <array>

#include "drivers/file_descriptor.h"
#include "perf/swarm/clock.h"
#include "tests/unit/support/wait.h"

namespace culvert::swarm {
namespace {

class KernelTimeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    ASSERT_EQ(bind(receiver_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(getsockname(receiver_.get(), reinterpret_cast<sockaddr*>(&address), &length), 0);
    ASSERT_EQ(connect(sender_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  /// Sends a datagram, receives it, and returns when that was, by the kernel.
  uint64_t pass_one() {
    EXPECT_EQ(send(sender_.get(), "x", 1, 0), 1);
    EXPECT_TRUE(testing::wait_readable(receiver_.get(), std::chrono::seconds(20)));
    char byte = 0;
    iovec piece{&byte, 1};
    alignas(cmsghdr) std::array<char, kTimeControl> control{};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    EXPECT_EQ(recvmsg(receiver_.get(), &message, 0), 1);
    return received_at(message);
  }

  drivers::FileDescriptor receiver_{socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  drivers::FileDescriptor sender_{socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
};

TEST_F(KernelTimeTest, IsBetweenSendingAndReading) {
  ASSERT_TRUE(ask_for_times(receiver_.get()));
  constexpr uint64_t kClocksDiffer = 1'000'000;  // two clocks are read one after the other
  uint64_t before = now_ns();
  uint64_t received = pass_one();
  EXPECT_GE(received + kClocksDiffer, before);
  EXPECT_LE(received, now_ns());
}

TEST_F(KernelTimeTest, NotKnownUnlessAskedFor) {
  EXPECT_EQ(pass_one(), 0u);
}

TEST_F(KernelTimeTest, RefusedForWhatIsNoSocket) {
  EXPECT_FALSE(ask_for_times(-1));
}

}  // namespace
}  // namespace culvert::swarm
