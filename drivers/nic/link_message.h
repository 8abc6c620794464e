// Requests to the kernel about one interface (rtnetlink(7), RTM_*LINK*).
#pragma once

#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include <memory>

namespace culvert::drivers {

using LinkSocket = std::unique_ptr<nl_sock, decltype(&nl_socket_free)>;
using LinkMessage = std::unique_ptr<nl_msg, decltype(&nlmsg_free)>;

/// A socket that is connected to the kernel; null: it can't be had.
inline LinkSocket connected_link_socket() {
  LinkSocket socket(nl_socket_alloc(), nl_socket_free);
  if (socket && nl_connect(socket.get(), NETLINK_ROUTE) < 0) socket.reset();
  return socket;
}

/// A request of `type` (RTM_*) with `flags` (NLM_F_*) about the interface of that index, without attributes yet; null:
/// no memory.
inline LinkMessage link_message(int interface, int type, int flags) {
  LinkMessage message(nlmsg_alloc_simple(type, NLM_F_REQUEST | flags), nlmsg_free);
  ifinfomsg header{};
  header.ifi_index = interface;
  if (message) nlmsg_append(message.get(), &header, sizeof header, NLMSG_ALIGNTO);
  return message;
}

}  // namespace culvert::drivers
