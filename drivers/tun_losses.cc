#include "drivers/tun_losses.h"

#include <net/if.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <netlink/socket.h>

namespace culvert::drivers {

void TunLosses::FreeSocket::operator()(nl_sock* socket) const {
  nl_socket_free(socket);
}

Result<std::shared_ptr<TunLosses>> TunLosses::watch(const std::string& name) {
  std::shared_ptr<TunLosses> losses(new TunLosses);
  losses->socket_.reset(nl_socket_alloc());
  if (!losses->socket_) return Error{"no memory for a netlink socket"};
  if (int error = nl_connect(losses->socket_.get(), NETLINK_ROUTE); error < 0)
    return Error{std::string("cannot open a netlink socket: ") + nl_geterror(error)};
  losses->index_ = static_cast<int>(if_nametoindex(name.c_str()));
  uint64_t before = 0;
  if (losses->index_ == 0 || !losses->ask(before)) return Error{"the kernel does not tell its statistics"};
  losses->dropped_.store(before, std::memory_order_relaxed);
  losses->taken_ = before;
  return losses;
}

bool TunLosses::ask(uint64_t& dropped) {
  rtnl_link* link = nullptr;
  if (rtnl_link_get_kernel(socket_.get(), index_, nullptr, &link) < 0) return false;
  dropped = rtnl_link_get_stat(link, RTNL_LINK_TX_DROPPED);
  rtnl_link_put(link);
  return true;
}

void TunLosses::look() {
  uint64_t dropped = 0;
  if (ask(dropped)) dropped_.store(dropped, std::memory_order_relaxed);
}

uint64_t TunLosses::take() {
  uint64_t dropped = dropped_.load(std::memory_order_relaxed);
  uint64_t lost = dropped - taken_;
  taken_ = dropped;
  return lost;
}

}  // namespace culvert::drivers
