// Opening an outer port's socket: options that reach the kernel, errors that say what to do.
#include "drivers/udp_socket.h"
#include "tests/unit/support/endpoint.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

namespace culvert::drivers {
namespace {

using testing::endpoint;

TEST(UdpSocket, TakenPortNamesThePortAndTheWayOut) {
  UdpSettings settings;
  settings.local = endpoint("127.0.0.1", 0);
  auto first = open_udp_socket(settings);
  ASSERT_TRUE(first);
  settings.local.port = first->local.port;
  auto second = open_udp_socket(settings);
  ASSERT_FALSE(second);
  std::string port = std::to_string(first->local.port);
  EXPECT_NE(second.error().find("127.0.0.1:" + port), std::string::npos) << second.error();
  EXPECT_NE(second.error().find("ss -lunp 'sport = :" + port + "'"), std::string::npos) << second.error();
}

TEST(UdpSocket, OtherErrorsSayWhatIsWrong) {
  auto error = [](UdpSettings settings) {
    auto opened = open_udp_socket(settings);
    return opened ? std::string("opened") : opened.error();
  };
  UdpSettings settings;
  EXPECT_NE(error(settings).find("needs an IPv4 or IPv6 address"), std::string::npos);
  settings.local = endpoint("192.0.2.1", 0);
  EXPECT_NE(error(settings).find("does not have the address"), std::string::npos);
  settings.local = endpoint("127.0.0.1", 0);
  settings.device = "no-such-device";
  EXPECT_NE(error(settings).find("'no-such-device': there is no such interface"), std::string::npos);
}

TEST(UdpSocket, MarkDeviceAndBuffersAreSet) {
  if (geteuid() != 0) GTEST_SKIP() << "SO_MARK needs root";
  UdpSettings settings;
  settings.local = endpoint("127.0.0.1", 0);
  settings.mark = 42;
  settings.device = "lo";
  settings.receive_buffer = 3u << 20;
  auto opened = open_udp_socket(settings);
  ASSERT_TRUE(opened) << opened.error();
  EXPECT_TRUE(opened->warnings.empty()) << opened->warnings[0];
  int value = 0;
  socklen_t length = sizeof value;
  getsockopt(opened->fd.get(), SOL_SOCKET, SO_MARK, &value, &length);
  EXPECT_EQ(value, 42);
  getsockopt(opened->fd.get(), SOL_SOCKET, SO_RCVBUF, &value, &length);
  EXPECT_EQ(value, 6 << 20);
  std::array<char, 16> device{};
  length = device.size();
  getsockopt(opened->fd.get(), SOL_SOCKET, SO_BINDTODEVICE, device.data(), &length);
  EXPECT_STREQ(device.data(), "lo");
}

}  // namespace
}  // namespace culvert::drivers
