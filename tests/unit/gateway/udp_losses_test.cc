// The kernel's table of UDP sockets, as text and as this machine's kernel writes it.
#include "control/gateway/udp_losses.h"

#include <gtest/gtest.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <sstream>
#include <string>

#include "control/io/fd.h"
#include "tests/unit/support/endpoint.h"

namespace culvert::gateway {
namespace {

using testing::endpoint;

/// A line of the table. `local` as the kernel of a machine with this byte order writes it.
std::string line(const std::string& local, const std::string& drops) {
  return "  417: " + local + " 00000000:0000 07 00000000:00000000 00:00000000 00000000   994        0 20416 2 " +
         "00000000e8ed0b29 " + drops + "      \n";
}

/// Eight digits: four bytes of an address as a number of this machine.
std::string word(const std::array<uint8_t, 4>& bytes) {
  uint32_t number = 0;
  std::memcpy(&number, bytes.data(), sizeof number);
  std::array<char, 9> text{};
  std::snprintf(text.data(), text.size(), "%08X", number);
  return text.data();
}

const std::string kHeadings =
    "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer "
    "drops\n";

TEST(UdpLosses, AddUpTheSocketsOfAnAddress) {
  std::stringstream table(kHeadings + line(word({192, 0, 2, 1}) + ":04AA", "7") +
                          line(word({192, 0, 2, 1}) + ":04AA", "4294967295") +
                          line(word({192, 0, 2, 1}) + ":04AB", "100") + line(word({}) + ":04AA", "1000"));
  std::stringstream table6(
      kHeadings + line(word({0x20, 0x01, 0x0d, 0xb8}) + word({}) + word({}) + word({0, 0, 0, 9}) + ":04AA", "5") +
      line(word({}) + word({}) + word({}) + word({}) + ":04AA", "6"));
  UdpLosses losses;
  losses.add(table, abi::Family::kIpv4);
  losses.add(table6, abi::Family::kIpv6);
  EXPECT_EQ(losses.of(endpoint("192.0.2.1", 1194)), 4'294'967'302u);
  EXPECT_EQ(losses.of(endpoint("192.0.2.1", 1195)), 100u);
  EXPECT_EQ(losses.of(endpoint("0.0.0.0", 1194)), 1000u);
  EXPECT_EQ(losses.of(endpoint("2001:db8::9", 1194)), 5u);
  EXPECT_EQ(losses.of(endpoint("::", 1194)), 6u);
  EXPECT_EQ(losses.of(endpoint("192.0.2.2", 1194)), 0u);
}

TEST(UdpLosses, LeaveOutWhatIsNoLineOfTheTable) {
  const std::string good = word({192, 0, 2, 1}) + ":04AA";
  std::stringstream table(kHeadings + "\n" + line(good, "-1") + line(good, "") + line(good, "4294967296") +
                          line(good, "7 8") + line("0000:04AA", "1") + line(good + "F", "1") + line("nothing", "1") +
                          line(word({192, 0, 2, 1}) + "04AA", "1") + line(good, "3"));
  UdpLosses losses;
  losses.add(table, abi::Family::kIpv4);
  EXPECT_EQ(losses.of(endpoint("192.0.2.1", 1194)), 3u);
}

/// A socket on loopback that nobody reads, and what it lost after it was sent more than it has room for.
struct Loser {
  io::Fd fd;
  abi::Endpoint local;
  uint32_t lost = 0;
};

Loser overflow(int family) {
  Loser made{io::Fd(socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0)), {}, 0};
  const int room = 4096;
  setsockopt(made.fd.get(), SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  auto* in4 = reinterpret_cast<sockaddr_in*>(&address);
  auto* in6 = reinterpret_cast<sockaddr_in6*>(&address);
  address.ss_family = static_cast<sa_family_t>(family);
  if (family == AF_INET)
    in4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  else
    in6->sin6_addr = in6addr_loopback;
  if (bind(made.fd.get(), reinterpret_cast<sockaddr*>(&address), length) != 0) return {};
  getsockname(made.fd.get(), reinterpret_cast<sockaddr*>(&address), &length);
  made.local =
      endpoint(family == AF_INET ? "127.0.0.1" : "::1", ntohs(family == AF_INET ? in4->sin_port : in6->sin6_port));
  io::Fd sender(socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const std::array<char, 1000> bytes{};
  std::array<uint32_t, SK_MEMINFO_VARS> memory{};
  for (int i = 0; i < 1000; ++i) {
    sendto(sender.get(), bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&address), length);
    socklen_t size = sizeof memory;
    getsockopt(made.fd.get(), SOL_SOCKET, SO_MEMINFO, memory.data(), &size);
    if (memory[SK_MEMINFO_DROPS] >= 5) break;
  }
  made.lost = memory[SK_MEMINFO_DROPS];
  return made;
}

TEST(UdpLosses, AreWhatTheKernelSaysOfEachSocket) {
  Loser one = overflow(AF_INET);
  Loser other = overflow(AF_INET);
  Loser ip6 = overflow(AF_INET6);
  ASSERT_GE(one.lost, 5u);
  ASSERT_GE(other.lost, 5u);
  UdpLosses losses = UdpLosses::read();
  EXPECT_EQ(losses.of(one.local), one.lost);
  EXPECT_EQ(losses.of(other.local), other.lost);
  EXPECT_EQ(losses.of(ip6.local), ip6.lost) << "or there is no IPv6 here, and so no socket";
}

}  // namespace
}  // namespace culvert::gateway
