// Sockets and TUN queues that another process has opened: gone on with, or refused.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "drivers/tcp_socket.h"
#include "drivers/tun_device.h"
#include "drivers/udp_socket.h"
#include "tests/unit/support/delete_interface.h"
#include "tests/unit/support/endpoint.h"
#include "tests/unit/support/network_namespace.h"

namespace culvert::drivers {
namespace {

using testing::endpoint;

/// As it comes from another process.
FileDescriptor copy_of(const FileDescriptor& fd) {
  return FileDescriptor(fcntl(fd.get(), F_DUPFD_CLOEXEC, 3));
}

class Adopt : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!network_.why_not().empty()) GTEST_SKIP() << network_.why_not();
  }
  testing::NetworkNamespace network_;
};

TEST_F(Adopt, AUdpSocketIsThatOfTheSameAddressAndPort) {
  for (const char* address : {"127.0.0.1", "0.0.0.0", "::", "::1"}) {
    UdpSettings settings;
    settings.local = endpoint(address, 1194);
    auto opened = open_udp_socket(settings);
    ASSERT_TRUE(opened) << opened.error();
    auto adopted = adopt_udp_socket(settings, copy_of(opened->fd));
    ASSERT_TRUE(adopted) << adopted.error();
    EXPECT_EQ(adopted->family, opened->family);
    EXPECT_EQ(adopted->local, opened->local);
    EXPECT_EQ(adopted->offloads.gro, opened->offloads.gro);
    EXPECT_EQ(adopted->offloads.segment, opened->offloads.segment);

    UdpSettings any = settings;
    any.local.port = 0;
    auto of_any = adopt_udp_socket(any, copy_of(opened->fd));
    ASSERT_TRUE(of_any);
    EXPECT_EQ(of_any->local.port, 1194);
    UdpSettings other = settings;
    other.local.port = 1195;
    EXPECT_FALSE(adopt_udp_socket(other, copy_of(opened->fd)));
    other.local = endpoint("127.0.0.2", 1194);
    EXPECT_FALSE(adopt_udp_socket(other, copy_of(opened->fd)));
    TcpSettings tcp;
    tcp.local = settings.local;
    EXPECT_FALSE(adopt_tcp_socket(tcp, copy_of(opened->fd)));
  }
  UdpSettings settings;
  settings.local = endpoint("0.0.0.0", 1194);
  UdpSettings six = settings;
  six.local = endpoint("::", 1194);
  auto opened = open_udp_socket(settings);
  ASSERT_TRUE(opened);
  EXPECT_FALSE(adopt_udp_socket(six, copy_of(opened->fd)));
  EXPECT_FALSE(adopt_udp_socket(settings, FileDescriptor(open("/dev/null", O_RDWR | O_CLOEXEC))));
}

TEST_F(Adopt, ATcpListenerIsThatOfTheSameAddressAndPort) {
  TcpSettings settings;
  settings.local = endpoint("127.0.0.1", 443);
  auto opened = open_tcp_socket(settings);
  ASSERT_TRUE(opened) << opened.error();
  auto adopted = adopt_tcp_socket(settings, copy_of(opened->fd));
  ASSERT_TRUE(adopted) << adopted.error();
  EXPECT_EQ(adopted->local, opened->local);
  settings.local.port = 444;
  EXPECT_FALSE(adopt_tcp_socket(settings, copy_of(opened->fd)));
}

class AdoptTun : public Adopt {
 protected:
  void SetUp() override {
    Adopt::SetUp();
    if (access("/dev/net/tun", F_OK) != 0) GTEST_SKIP() << "no /dev/net/tun here";
  }
  static TunSettings settings(const std::string& name) {
    TunSettings settings;
    settings.name = name;
    settings.addresses = {{*abi::parse_ip("10.8.0.1"), 24}};
    return settings;
  }
  static std::vector<FileDescriptor> copies_of(const std::vector<TunDevice>& devices) {
    std::vector<FileDescriptor> copies;
    for (const TunDevice& device : devices) copies.push_back(copy_of(device.queue));
    return copies;
  }
};

TEST_F(AdoptTun, QueuesGoOnAsTheyAre) {
  for (size_t workers : {1, 3}) {
    auto made = make_tun_queues(settings("cvt%d"), workers);
    ASSERT_TRUE(made) << made.error();
    const std::string name = made->front().name;
    const unsigned index = if_nametoindex(name.c_str());
    auto queues = copies_of(*made);
    const auto offloads = made->front().offloads;
    made->clear();
    ASSERT_EQ(if_nametoindex(name.c_str()), index) << "the copies hold it";
    TunSettings changed = settings("cvt%d");
    changed.mtu = 1400;
    auto adopted = adopt_tun_queues(changed, std::move(queues));
    ASSERT_TRUE(adopted) << adopted.error();
    EXPECT_EQ(adopted->size(), workers);
    EXPECT_EQ(adopted->front().name, name);
    EXPECT_EQ(if_nametoindex(name.c_str()), index);
    EXPECT_EQ(adopted->front().offloads.vnet_header, offloads.vnet_header);
    EXPECT_EQ(adopted->front().offloads.tcp, offloads.tcp);
    EXPECT_EQ(adopted->front().offloads.udp, offloads.udp);
    EXPECT_TRUE(adopted->front().losses);
  }
}

TEST_F(AdoptTun, WhatIsNotTheDeviceIsRefused) {
  auto made = make_tun_queues(settings("cvt0"), 1);
  ASSERT_TRUE(made) << made.error();
  EXPECT_FALSE(adopt_tun_queues(settings("other"), copies_of(*made)));
  EXPECT_FALSE(adopt_tun_queues(settings("cvu%d"), copies_of(*made)));
  EXPECT_FALSE(adopt_tun_queues(settings("cvt0"), {}));
  auto twice = copies_of(*made);
  twice.push_back(copy_of(made->front().queue));
  EXPECT_FALSE(adopt_tun_queues(settings("cvt0"), std::move(twice))) << "it is no device of several queues";
  EXPECT_TRUE(adopt_tun_queues(settings(""), copies_of(*made))) << "any name";
  testing::delete_interface("cvt0");
  EXPECT_FALSE(adopt_tun_queues(settings("cvt0"), copies_of(*made))) << "deleted";
}

}  // namespace
}  // namespace culvert::drivers
