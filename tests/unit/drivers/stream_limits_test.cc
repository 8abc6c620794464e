// Connections without a session: how many, whose place a newcomer takes, for how long; and what their sockets are
// given.
#include <netinet/tcp.h>
#include <sys/resource.h>

#include <memory>

#include "tests/unit/drivers/tcp_rig.h"
#include "tests/unit/support/network_namespace.h"

namespace culvert::drivers {
namespace {

class StreamLimits : public TcpRig {
 protected:
  /// A client that says nothing, and that the port has accepted.
  std::unique_ptr<Client> silent(const std::string& from) {
    auto client = std::make_unique<Client>(port_->local(), from);
    const uint64_t accepted = counted(Counter::streams_accepted);
    EXPECT_TRUE(passes_until([&] { return counted(Counter::streams_accepted) == accepted + 1; }));
    return client;
  }
  static bool has_ended(Client& client) {
    client.receive();
    return client.ended;
  }
};

TEST_F(StreamLimits, ACrowdedNetworkLosesItsOwn) {
  open([](TcpSettings& settings) { settings.most_waiting_per_network = 3; });
  auto stranger = silent("127.0.0.10");
  std::vector<std::unique_ptr<Client>> crowd;
  for (int i = 0; i < 3; ++i) crowd.push_back(silent("127.0.0.11"));
  EXPECT_EQ(port_->waiting_count(), 4u) << "so many may be";
  crowd.push_back(silent("127.0.0.11"));
  EXPECT_EQ(port_->waiting_count(), 4u);
  EXPECT_EQ(counted(Counter::streams_silent), 1u);
  EXPECT_TRUE(has_ended(*crowd[0])) << "its oldest";
  EXPECT_FALSE(has_ended(*stranger)) << "not the oldest of all";
}

TEST_F(StreamLimits, InAllTheOldestGoes) {
  open([](TcpSettings& settings) { settings.most_waiting = 3; });
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(silent("127.0.0." + std::to_string(10 + i)));
  EXPECT_EQ(port_->waiting_count(), 3u);
  clients.push_back(silent("127.0.0.20"));
  EXPECT_EQ(port_->waiting_count(), 3u);
  EXPECT_TRUE(has_ended(*clients[0]));
}

/// Gives loopback an IPv6 address (netdevice(7), ipv6(7)), and waits until it can be used.
bool add_to_loopback(const std::string& text) {
  struct {
    in6_addr address;
    uint32_t prefix_length;
    int interface;
  } request{};
  inet_pton(AF_INET6, text.c_str(), &request.address);
  request.prefix_length = 128;
  request.interface = static_cast<int>(if_nametoindex("lo"));
  FileDescriptor any(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  SocketAddress address;
  const socklen_t length = to_socket_address(at(text, 0), AF_INET6, address);
  return ioctl(any.get(), SIOCSIFADDR, &request) == 0 &&
         testing::wait_until([&] { return bind(any.get(), &address.any, length) == 0; });
}

TEST_F(StreamLimits, OfIpv6ANetworkIsWhatOneClientHas) {
  testing::NetworkNamespace network;
  if (!network.why_not().empty()) GTEST_SKIP() << network.why_not();
  for (const char* address : {"2001:db8:1::1", "2001:db8:1::2", "2001:db8:1::3", "2001:db8:1:1::1"})
    if (!add_to_loopback(address)) GTEST_SKIP() << "no IPv6 here";
  open([](TcpSettings& settings) { settings.most_waiting_per_network = 2; }, "::1");
  auto other = silent("2001:db8:1:1::1");
  std::vector<std::unique_ptr<Client>> crowd;
  for (const char* from : {"2001:db8:1::1", "2001:db8:1::2", "2001:db8:1::3"}) crowd.push_back(silent(from));
  EXPECT_EQ(port_->waiting_count(), 3u);
  EXPECT_TRUE(has_ended(*crowd[0]));
  EXPECT_FALSE(has_ended(*other));
}

TEST_F(StreamLimits, WhoHasSpokenHasTheTimeOfAHandshake) {
  open([](TcpSettings& settings) {
    settings.first_packet_ms = 30;
    settings.hand_window_ms = 600'000;
  });
  Client client(port_->local());
  introduce(client);
  Client quiet(port_->local());
  ASSERT_TRUE(passes_until([&] { return counted(Counter::streams_silent) == 1; }));
  EXPECT_FALSE(has_ended(client));
  EXPECT_EQ(port_->stream_count(), 1u);
}

TEST_F(StreamLimits, WithoutDescriptorsItWaitsAndTriesAgain) {
  open();
  Client client(port_->local());
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  {
    FileDescriptor next(dup(client.fd()));
    rlimit none_left = before;
    none_left.rlim_cur = static_cast<rlim_t>(next.get());
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none_left), 0);
  }
  pass();
  EXPECT_EQ(counted(Counter::streams_accepted), 0u);
  EXPECT_FALSE(testing::wait_readable(port_->wake_fd(), std::chrono::milliseconds(0))) << "not woken all the time";
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(passes_until([&] { return counted(Counter::streams_accepted) == 1; }));
}

TEST_F(StreamLimits, DelayIsTheSettings) {
  for (bool no_delay : {false, true}) {
    open([&](TcpSettings& settings) { settings.no_delay = no_delay; });
    Client client(port_->local());
    introduce(client);
    std::vector<LeftStream> left = port_->leave_streams();
    ASSERT_EQ(left.size(), 1u);
    int value = -1;
    socklen_t size = sizeof value;
    ASSERT_EQ(getsockopt(left[0].fd.get(), IPPROTO_TCP, TCP_NODELAY, &value, &size), 0);
    EXPECT_EQ(value != 0, no_delay);
  }
}

}  // namespace
}  // namespace culvert::drivers
