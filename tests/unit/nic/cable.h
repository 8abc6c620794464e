// A virtual cable for tests of what sits on a kernel interface.
#pragma once

#include <gtest/gtest.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netlink/netlink.h>
#include <netlink/route/link/veth.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include "drivers/file_descriptor.h"

namespace culvert::testing {

/// A virtual cable between the interfaces "near" and "far" of this thread's namespace: frames sent at the far end.
class Cable {
 public:
  Cable() {
    std::unique_ptr<nl_sock, decltype(&nl_socket_free)> netlink(nl_socket_alloc(), nl_socket_free);
    EXPECT_EQ(nl_connect(netlink.get(), NETLINK_ROUTE), 0);
    EXPECT_EQ(rtnl_link_veth_add(netlink.get(), "near", "far", getpid()), 0);
    for (const char* name : {"near", "far"}) {
      ifreq request{};
      std::strcpy(request.ifr_name, name);
      request.ifr_flags = IFF_UP;
      EXPECT_EQ(ioctl(far_.get(), SIOCSIFFLAGS, &request), 0) << name;
    }
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_ifindex = static_cast<int>(if_nametoindex("far"));
    EXPECT_EQ(bind(far_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  void send() {
    std::array<uint8_t, 60> frame{};
    std::fill_n(frame.begin(), 6, 0xFF);
    frame[6] = 2;  // a source address of local administration, and a type of experiments behind it
    frame[12] = 0x88;
    frame[13] = 0xB5;
    EXPECT_EQ(write(far_.get(), frame.data(), frame.size()), ssize_t{frame.size()});
  }

 private:
  drivers::FileDescriptor far_{socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)};
};

}  // namespace culvert::testing
