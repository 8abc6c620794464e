#include "drivers/nic/parent_interface.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <vector>

#include "drivers/nic/found_mtu.h"
#include "drivers/nic/xdp_program.h"

namespace culvert::drivers {
namespace {

/// The messages of one nftables transaction, in one buffer, as the kernel demands.
class Batch {
 public:
  nl_msg* begin(uint16_t type, uint16_t flags, uint8_t family, uint16_t resource) {
    end();
    message_.reset(nlmsg_alloc());
    nlmsg_put(message_.get(), 0, ++sequence_, type, sizeof(nfgenmsg), NLM_F_REQUEST | flags);
    auto* header = static_cast<nfgenmsg*>(nlmsg_data(nlmsg_hdr(message_.get())));
    *header = {family, NFNETLINK_V0, htons(resource)};
    return message_.get();
  }
  const std::vector<char>& end() {
    if (message_) {
      const auto* bytes = reinterpret_cast<const char*>(nlmsg_hdr(message_.get()));
      bytes_.insert(bytes_.end(), bytes, bytes + NLMSG_ALIGN(nlmsg_hdr(message_.get())->nlmsg_len));
      message_.reset();
    }
    return bytes_;
  }

 private:
  struct FreeMessage {
    void operator()(nl_msg* message) const { nlmsg_free(message); }
  };
  std::unique_ptr<nl_msg, FreeMessage> message_;
  std::vector<char> bytes_;
  uint32_t sequence_ = 0;
};

constexpr uint16_t nft(uint16_t message) {
  return static_cast<uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | message);
}

/// A table that its netlink socket owns, with one chain at the interface's ingress that drops everything.
std::vector<char> drop_everything(const std::string& table, const std::string& interface) {
  Batch batch;
  batch.begin(NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
  nl_msg* message = batch.begin(nft(NFT_MSG_NEWTABLE), NLM_F_CREATE | NLM_F_ACK, NFPROTO_NETDEV, 0);
  nla_put_string(message, NFTA_TABLE_NAME, table.c_str());
  nla_put_u32(message, NFTA_TABLE_FLAGS, htonl(NFT_TABLE_F_OWNER));
  message = batch.begin(nft(NFT_MSG_NEWCHAIN), NLM_F_CREATE | NLM_F_ACK, NFPROTO_NETDEV, 0);
  nla_put_string(message, NFTA_CHAIN_TABLE, table.c_str());
  nla_put_string(message, NFTA_CHAIN_NAME, "nothing");
  nlattr* hook = nla_nest_start(message, NFTA_CHAIN_HOOK);
  nla_put_u32(message, NFTA_HOOK_HOOKNUM, htonl(NF_NETDEV_INGRESS));
  nla_put_u32(message, NFTA_HOOK_PRIORITY, htonl(0));
  nla_put_string(message, NFTA_HOOK_DEV, interface.c_str());
  nla_nest_end(message, hook);
  nla_put_u32(message, NFTA_CHAIN_POLICY, htonl(NF_DROP));
  nla_put_string(message, NFTA_CHAIN_TYPE, "filter");
  batch.begin(NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
  return batch.end();
}

/// A socket for requests about interfaces.
FileDescriptor any_socket() {
  return FileDescriptor(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

ifreq request_about(const std::string& name) {
  ifreq request{};
  std::strncpy(request.ifr_name, name.c_str(), sizeof request.ifr_name - 1);
  return request;
}

}  // namespace

Result<ParentInterface> ParentInterface::take(const Settings& settings) {
  auto index = static_cast<int>(if_nametoindex(settings.name.c_str()));
  if (index == 0) return Error{"there is no interface " + settings.name + " here: ip link lists them"};
  ParentInterface parent(settings.name, index);
  // Before anything is done to the interface: the XDP program on it may be the other dataplane's.
  if (Status claimed = parent.claim(); !claimed) return Error{claimed.error()};
  if (Status cleared = parent.clear_of_xdp(settings.also_received); !cleared) return Error{cleared.error()};
  if (Status up = parent.set_up(settings.mtu); !up) return Error{up.error()};
  if (settings.also_received)
    if (Status shut = parent.shut_the_kernel_out(); !shut) return Error{shut.error()};
  return parent;
}

ParentInterface::~ParentInterface() {
  if (!claim_) return;                   // another dataplane's
  std::array<char, IF_NAMESIZE> name{};  // somebody may have given it another one
  if (if_indextoname(static_cast<unsigned>(index_), name.data()) == nullptr) return;  // gone
  if (detaches_) detach_xdp(index_);
  give_mtu_back(name.data());  // after the program, which limits what the interface takes
}

void ParentInterface::give_mtu_back(const std::string& name) const {
  if (mtu_.found == 0) return;  // it was not asked for
  forget_noted_mtu(index_);
  if (mtu_.set == 0) return;
  FileDescriptor any = any_socket();
  ifreq request = request_about(name);
  if (ioctl(any.get(), SIOCGIFMTU, &request) != 0 || request.ifr_mtu != mtu_.set) return;
  request.ifr_mtu = mtu_.found;
  // Should it fail, the interface has the MTU of the port, as it had all the time.
  (void)ioctl(any.get(), SIOCSIFMTU, &request);
}

/// A socket with a name made of the interface's: names of that kind belong to the network namespace, as interfaces do,
/// and end with the process.
Status ParentInterface::claim() {
  claim_ = FileDescriptor(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string text = "culvert/port/" + name_;
  std::copy(text.begin(), text.end(), address.sun_path + 1);  // behind a null byte: no file
  auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + text.size());
  if (claim_ && bind(claim_.get(), reinterpret_cast<const sockaddr*>(&address), length) == 0) return {};
  int reason = errno;
  claim_.reset();
  if (reason == EADDRINUSE)
    return Error{"another port has " + name_ + ", of this or another culvert-dataplane: stop that one (ss -xap src @" +
                 text + "), or take another interface"};
  return Error{"cannot claim interface " + name_ + ": " + std::strerror(reason)};
}

/// What a killed AF_XDP port left would take the packets. A program of somebody else, such as a filter, is not ours to
/// remove: AF_PACKET gets what it lets through, AF_XDP needs its place.
Status ParentInterface::clear_of_xdp(bool may_stay) {
  XdpProgram program = xdp_program_on(index_);
  if (program.id == 0 || is_left_by_af_xdp(program)) {
    detaches_ = true;
    detach_xdp(index_);
    return {};
  }
  if (may_stay) return {};
  return Error{"interface " + name_ + " has an XDP program of somebody else (" + program.name + ", id " +
               std::to_string(program.id) + "), which would take the packets: ip link set dev " + name_ +
               " xdp off removes it; net_af_packet0,iface=" + name_ + " gets what it lets through"};
}

Status ParentInterface::set_up(uint32_t mtu) {
  auto fail = [this](const std::string& what) {
    return Error{"cannot " + what + " interface " + name_ + ": " + std::strerror(errno)};
  };
  FileDescriptor any = any_socket();
  ifreq request = request_about(name_);
  if (ioctl(any.get(), SIOCGIFMTU, &request) != 0) return fail("read the MTU of");
  const int present = request.ifr_mtu;
  mtu_.found = present;
  // Of a port that was killed, if nobody has changed it since.
  if (auto noted = noted_mtu(index_); noted && noted->set == present)
    mtu_ = {noted->found, present};
  else if (noted)
    forget_noted_mtu(index_);
  if (present != static_cast<int>(mtu)) {
    request.ifr_mtu = static_cast<int>(mtu);
    note_found_mtu(index_, {mtu_.found, request.ifr_mtu});  // first: a kill may come at any time
    if (ioctl(any.get(), SIOCSIFMTU, &request) != 0)
      return Error{"interface " + name_ + " does not take an MTU of " + std::to_string(mtu) + ": " +
                   std::strerror(errno) + "; ip -details link show " + name_ + " says how much it takes (maxmtu)"};
    mtu_.set = static_cast<int>(mtu);
  }
  if (ioctl(any.get(), SIOCGIFFLAGS, &request) != 0) return fail("read the flags of");
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  if (ioctl(any.get(), SIOCSIFFLAGS, &request) != 0) return fail("set up");
  return {};
}

std::string ParentInterface::addresses() const {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return "";
  std::string found;
  for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || name_ != one->ifa_name) continue;
    std::array<char, INET6_ADDRSTRLEN> text{};
    int family = one->ifa_addr->sa_family;
    if (family == AF_INET) {
      const auto& address = *reinterpret_cast<const sockaddr_in*>(one->ifa_addr);
      inet_ntop(family, &address.sin_addr, text.data(), text.size());
    } else if (family == AF_INET6) {
      const auto& address = *reinterpret_cast<const sockaddr_in6*>(one->ifa_addr);
      if (IN6_IS_ADDR_LINKLOCAL(&address.sin6_addr)) continue;  // the kernel gives every interface one
      inet_ntop(family, &address.sin6_addr, text.data(), text.size());
    } else {
      continue;
    }
    found += (found.empty() ? "" : ", ") + std::string(text.data());
  }
  freeifaddrs(list);
  return found;
}

Status ParentInterface::shut_the_kernel_out() {
  auto fail = [this](const std::string& why) {
    return Error{"cannot keep the kernel from answering on " + name_ + " besides the port (nftables, netdev family): " +
                 why + "; net_af_xdp0,iface=" + name_ + " needs no such thing"};
  };
  filter_.reset(nl_socket_alloc());
  if (!filter_) return fail("no memory");
  if (int error = nl_connect(filter_.get(), NETLINK_NETFILTER); error < 0) return fail(nl_geterror(error));
  nl_socket_disable_seq_check(filter_.get());
  std::vector<char> batch = drop_everything("culvert_" + name_, name_);
  if (int error = nl_sendto(filter_.get(), batch.data(), batch.size()); error < 0) return fail(nl_geterror(error));
  for (int acknowledgements = 0; acknowledgements < 2; ++acknowledgements)
    if (int error = nl_wait_for_ack(filter_.get()); error < 0) return fail(nl_geterror(error));
  return {};
}

}  // namespace culvert::drivers
