// A TUN that somebody sets down and up again has what it had.
#include <gtest/gtest.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "dataplane/clock.h"
#include "drivers/tun_netlink.h"
#include "tests/unit/dataplane/stepped_gateway.h"

namespace culvert::dataplane {
namespace {

/// Sets the interface up or down, as `ip link set` does.
void set_up(const char* name, bool up) {
  drivers::FileDescriptor any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strcpy(request.ifr_name, name);
  ASSERT_EQ(ioctl(any.get(), SIOCGIFFLAGS, &request), 0);
  request.ifr_flags = static_cast<short>(up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP);
  ASSERT_EQ(ioctl(any.get(), SIOCSIFFLAGS, &request), 0);
}

/// The last word of the lines of a file of /proc/thread-self/net is an interface; the first word of those of `name`.
std::set<std::string> lines_of(const char* file, const std::string& name) {
  std::ifstream lines(std::string("/proc/thread-self/net/") + file);
  std::set<std::string> found;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string first, word;
    words >> first;
    while (words >> word) continue;
    if (word == name) found.insert(first);
  }
  return found;
}

class TunDownUp : public testing::SteppedGateway {
 protected:
  static abi::OpenTun request() {
    abi::OpenTun request = tun("cvt0");
    request.addresses[1] = {*abi::parse_ip("fd00:8::1"), 112};
    request.routes[0] = {.network = *abi::parse_ip("192.168.7.0"), .prefix = 24, .gateway = *abi::parse_ip("10.8.0.2")};
    request.routes[1] = {.network = *abi::parse_ip("fd77::"), .prefix = 64};
    return request;
  }
  /// Everything that the kernel lists of the TUN.
  struct Listed {
    std::set<std::string> addresses6 = lines_of("if_inet6", "cvt0");
    std::set<std::string> routes6 = lines_of("ipv6_route", "cvt0");
    std::set<std::string> routes4 = routes_into("cvt0");
    bool operator==(const Listed&) const = default;
  };
  static std::set<std::string> routes_into(const std::string& name) {
    std::ifstream lines("/proc/thread-self/net/route");
    std::set<std::string> found;
    for (std::string line; std::getline(lines, line);)
      if (line.starts_with(name)) found.insert(line);
    return found;
  }
  /// What is listed once the kernel has done what it does later: the route to the IPv6 address itself.
  static Listed settled() {
    EXPECT_TRUE(testing::wait_until([] { return Listed().routes6.contains("fd000008000000000000000000000001"); }));
    return {};
  }
  bool look_until(const Listed& wanted) {
    return testing::wait_until([&] {
      gateway_.look_after(monotonic_ns());
      return Listed() == wanted;
    });
  }
};

TEST_F(TunDownUp, AddressesAndRoutesComeBack) {
  open_tun(request());
  const Listed before = settled();
  EXPECT_EQ(before.addresses6.size(), 1u);
  EXPECT_TRUE(before.routes6.contains("fd770000000000000000000000000000"));
  EXPECT_EQ(before.routes4.size(), 2u);
  for (int round = 0; round < 3; ++round) {
    set_up("cvt0", false);
    EXPECT_TRUE(Listed().addresses6.empty()) << "the kernel has taken it";
    EXPECT_TRUE(Listed().routes4.empty());
    set_up("cvt0", true);
    EXPECT_NE(Listed(), before) << "the kernel does not give it back";
    EXPECT_TRUE(testing::wait_readable(gateway_.wake_fd()));
    EXPECT_TRUE(look_until(before));
    EXPECT_FALSE(testing::wait_readable(gateway_.wake_fd(), std::chrono::milliseconds(0)));
  }
  EXPECT_TRUE(logged("tun cvt0 came up again: its addresses and routes are back"));
  EXPECT_EQ(std::ranges::count_if(log_, [](const std::string& line) { return line.find("came up") != line.npos; }), 3);
}

TEST_F(TunDownUp, WhileItIsDownItIsLeftAlone) {
  open_tun(request());
  set_up("cvt0", false);
  EXPECT_TRUE(testing::wait_readable(gateway_.wake_fd()));
  gateway_.look_after(monotonic_ns());
  EXPECT_TRUE(Listed().addresses6.empty());
  EXPECT_FALSE(logged("came up"));
  EXPECT_FALSE(testing::wait_readable(gateway_.wake_fd(), std::chrono::milliseconds(0))) << "nor looked at again";
}

TEST_F(TunDownUp, WhatTheOperatorHasAddedStays) {
  open_tun(request());
  abi::OpenTun more = request();
  more.addresses[2] = {*abi::parse_ip("10.99.0.1"), 24};
  drivers::TunSettings theirs;
  theirs.mtu = 1400;
  theirs.addresses = {more.addresses[0], more.addresses[1], more.addresses[2]};
  theirs.routes = {more.routes[0], more.routes[1]};
  ASSERT_TRUE(drivers::configure_tun("cvt0", theirs));
  const Listed before = settled();
  ASSERT_EQ(before.routes4.size(), 3u);
  set_up("cvt0", false);
  set_up("cvt0", true);
  EXPECT_TRUE(look_until(before)) << "also the other address, and the MTU that the routes show";
}

TEST_F(TunDownUp, OtherInterfacesAreNoMatter) {
  for (bool has_tun : {false, true}) {
    if (has_tun) open_tun(tun("cvt0"));
    set_up("lo", false);
    set_up("lo", true);
    EXPECT_TRUE(testing::wait_readable(gateway_.wake_fd()));
    gateway_.look_after(monotonic_ns());
    EXPECT_FALSE(testing::wait_readable(gateway_.wake_fd(), std::chrono::milliseconds(0))) << "taken";
  }
  EXPECT_FALSE(logged("came up"));
}

}  // namespace
}  // namespace culvert::dataplane
