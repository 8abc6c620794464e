#include "drivers/nic/tap_twin.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "dataplane/packet.h"

namespace culvert::drivers {
namespace {

using abi::DropReason;

Error fail(const TwinSettings& settings, const std::string& what) {
  return Error{"twin " + settings.name + ": " + what};
}

std::string attach_error(int reason) {
  switch (reason) {
    case EBUSY:
      return "another program uses this TAP device: choose another name for the port";
    case EINVAL:
      return "there is an interface of this name that is no TAP device: choose another name for the port";
    case EPERM:
      return "making a TAP device needs CAP_NET_ADMIN: run as root";
    default:
      return std::string("cannot make the TAP device: ") + std::strerror(reason);
  }
}

Status set_mac(int queue, const TwinSettings& settings) {
  ifreq request{};
  request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
  std::memcpy(request.ifr_hwaddr.sa_data, settings.mac.data(), settings.mac.size());
  if (ioctl(queue, SIOCSIFHWADDR, &request) != 0)
    return fail(settings, std::string("cannot give it the port's MAC address: ") + std::strerror(errno));
  return {};
}

}  // namespace

Result<std::unique_ptr<Twin>> TapTwin::make(const TwinSettings& settings, rte_mempool* packets) {
  FileDescriptor queue(open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!queue) return fail(settings, std::string("cannot open /dev/net/tun: ") + std::strerror(errno));
  ifreq request{};
  request.ifr_flags = IFF_TAP | IFF_NO_PI;
  if (settings.name.size() >= sizeof request.ifr_name) return fail(settings, "the name is longer than 15 characters");
  std::memcpy(request.ifr_name, settings.name.data(), settings.name.size());
  if (ioctl(queue.get(), TUNSETIFF, &request) != 0) return fail(settings, attach_error(errno));
  ioctl(queue.get(), TUNSETPERSIST, 1);
  std::string name = request.ifr_name;
  auto index = static_cast<int>(if_nametoindex(name.c_str()));
  std::unique_ptr<Twin> twin(new TapTwin(std::move(queue), name, index, packets));
  if (Status set = set_mac(static_cast<TapTwin&>(*twin).queue_.get(), settings); !set) return Error{set.error()};
  if (Status done = configure_twin(settings); !done) return Error{done.error()};
  return twin;
}

TapTwin::~TapTwin() {
  ioctl(queue_.get(), TUNSETPERSIST, 0);
}

uint16_t TapTwin::rx_burst(std::span<rte_mbuf*> out, abi::Tally& tally) {
  uint16_t taken = 0;
  for (rte_mbuf*& slot : out) {
    rte_mbuf* frame = rte_pktmbuf_alloc(packets_);
    if (frame == nullptr) {
      // It stays in the device's queue, which drops what does not fit.
      tally.drop(DropReason::mempool_empty);
      break;
    }
    frame->data_off = kHeadroom;
    ssize_t length = read(queue_.get(), rte_pktmbuf_mtod(frame, void*), rte_pktmbuf_tailroom(frame));
    if (length <= 0) {
      rte_pktmbuf_free(frame);
      break;
    }
    frame->data_len = static_cast<uint16_t>(length);
    frame->pkt_len = frame->data_len;
    slot = frame;
    ++taken;
  }
  return taken;
}

void TapTwin::tx_burst(std::span<rte_mbuf*> frames, abi::Tally& tally) {
  for (rte_mbuf* frame : frames) {
    ssize_t written;
    do written = write(queue_.get(), rte_pktmbuf_mtod(frame, void*), frame->data_len);
    while (written < 0 && errno == EINTR);
    if (written >= 0) continue;
    bool full = errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM;
    bool down = errno == EIO || errno == EBADFD;
    tally.drop(full ? DropReason::tx_queue_full : down ? DropReason::tx_port_down : DropReason::tx_refused);
  }
  rte_pktmbuf_free_bulk(frames.data(), static_cast<unsigned>(frames.size()));
}

}  // namespace culvert::drivers
