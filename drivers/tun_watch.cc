#include "drivers/tun_watch.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <string>

namespace culvert::drivers {

Result<TunWatch> TunWatch::open() {
  TunWatch watch;
  watch.socket_ = FileDescriptor(socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE));
  sockaddr_nl news{};
  news.nl_family = AF_NETLINK;
  news.nl_groups = RTMGRP_LINK;
  if (!watch.socket_ || bind(watch.socket_.get(), reinterpret_cast<sockaddr*>(&news), sizeof news) != 0)
    return Error{std::string("cannot open a netlink socket: ") + std::strerror(errno)};
  return watch;
}

void TunWatch::follow(unsigned index) {
  index_ = index;
  is_up_ = true;
}

/// True: among the messages in `bytes` (netlink(7)) is that the interface is up, and it was not.
bool TunWatch::read(std::span<const char> bytes) {
  bool found = false;
  nlmsghdr header{};
  ifinfomsg link{};
  while (bytes.size() >= sizeof header) {
    std::memcpy(&header, bytes.data(), sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > bytes.size()) break;
    if (header.nlmsg_type == RTM_NEWLINK && header.nlmsg_len >= NLMSG_HDRLEN + sizeof link) {
      std::memcpy(&link, bytes.data() + NLMSG_HDRLEN, sizeof link);
      const bool ours = static_cast<unsigned>(link.ifi_index) == index_;
      const bool up = (link.ifi_flags & IFF_UP) != 0;
      found = found || (ours && up && !is_up_);
      if (ours) is_up_ = up;
    }
    bytes = bytes.subspan(std::min<size_t>(NLMSG_ALIGN(header.nlmsg_len), bytes.size()));
  }
  return found;
}

bool TunWatch::came_up() {
  bool found = false;
  bool missed = false;
  std::array<char, 32768> buffer;  // the kernel's largest message about a link
  while (true) {
    ssize_t got = recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (got > 0)
      found = read(std::span(buffer).first(static_cast<size_t>(got))) || found;
    else if (got < 0 && errno == ENOBUFS)
      missed = true;
    else if (got == 0 || errno != EINTR)
      return missed || (found && is_up_);  // not when it is down again
  }
}

}  // namespace culvert::drivers
