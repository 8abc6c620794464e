// Somebody deletes an interface of this network namespace.
#pragma once

#include <gtest/gtest.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>

#include <string>

namespace culvert::testing {

inline void delete_interface(const std::string& name) {
  nl_sock* socket = nl_socket_alloc();
  nl_connect(socket, NETLINK_ROUTE);
  rtnl_link* link = rtnl_link_alloc();
  rtnl_link_set_name(link, name.c_str());
  EXPECT_EQ(rtnl_link_delete(socket, link), 0);
  rtnl_link_put(link);
  nl_socket_free(socket);
}

}  // namespace culvert::testing
