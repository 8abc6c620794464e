#include "drivers/nic/tap_twin.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "dataplane/packet.h"

namespace culvert::drivers {
namespace {

using abi::DropReason;

Error twin_error(const TwinSettings& settings, const std::string& what) {
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
    return twin_error(settings, std::string("cannot give it the port's MAC address: ") + std::strerror(errno));
  return {};
}

/// Attaches to the device, which is made when there is none. 0, or the reason.
int attach(int queue, std::string& name, bool one_of_several) {
  ifreq request{};
  request.ifr_flags = IFF_TAP | IFF_NO_PI;
  if (one_of_several) request.ifr_flags |= IFF_MULTI_QUEUE;
  std::memcpy(request.ifr_name, name.data(), name.size());
  if (ioctl(queue, TUNSETIFF, &request) != 0) return errno;
  name = request.ifr_name;
  return 0;
}

/// A queue of the device `name`, which is set to its real name.
Result<FileDescriptor> open_queue(const TwinSettings& settings, std::string& name, bool one_of_several) {
  if (name.size() >= IFNAMSIZ) return twin_error(settings, "the name is longer than 15 characters");
  for (bool again = true;; again = false) {
    FileDescriptor queue(open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
    if (!queue) return twin_error(settings, std::string("cannot open /dev/net/tun: ") + std::strerror(errno));
    int reason = attach(queue.get(), name, one_of_several);
    if (reason == 0) return queue;
    // A killed dataplane's device may be of the other kind, if it had one worker and we have several, or the reverse:
    // it goes, and a new one is made.
    if (reason != EINVAL || !again || attach(queue.get(), name, !one_of_several) != 0)
      return twin_error(settings, attach_error(reason));
    ioctl(queue.get(), TUNSETPERSIST, 0);
  }
}

}  // namespace

Result<std::vector<std::unique_ptr<Twin>>> TapTwin::make(const TwinSettings& settings, rte_mempool* packets,
                                                         size_t queues) {
  std::vector<std::unique_ptr<Twin>> twins;
  for (std::string name = settings.name; twins.size() < queues;) {
    auto queue = open_queue(settings, name, queues > 1);
    if (!queue) return Error{queue.error()};
    ioctl(queue->get(), TUNSETPERSIST, 1);
    int end = queue->get();
    auto index = static_cast<int>(if_nametoindex(name.c_str()));
    twins.emplace_back(new TapTwin(std::move(*queue), name, index, packets));  // takes the device away on an error
    if (twins.size() == 1)
      if (Status set = set_mac(end, settings); !set) return Error{set.error()};
  }
  if (Status done = configure_twin(settings); !done) return Error{done.error()};
  return twins;
}

TapTwin::~TapTwin() {
  if (queue_) ioctl(queue_.get(), TUNSETPERSIST, 0);
}

bool TapTwin::is_gone() const {
  ifreq request{};
  return ioctl(queue_.get(), TUNGETIFF, &request) != 0 && errno == EBADFD;
}

/// The kernel puts the new device behind the old number in one step: a read or write is of the one or of the other.
Status TapTwin::go_on_with(Twin& next) {
  auto* other = dynamic_cast<TapTwin*>(&next);
  if (other == nullptr || dup3(other->queue_.get(), queue_.get(), O_CLOEXEC) < 0)
    return Error{"twin " + name_ + ": cannot go on with " + next.text() + ": " + std::strerror(errno)};
  other->queue_.reset();
  index_ = other->index_;
  return {};
}

uint16_t TapTwin::rx_burst(std::span<rte_mbuf*> out, abi::Tally& tally) {
  uint16_t taken = 0;
  rte_mbuf* frame = nullptr;
  for (size_t reads = 0; reads < out.size(); ++reads) {
    if (frame == nullptr) frame = rte_pktmbuf_alloc(packets_);
    if (frame == nullptr) break;  // what waits stays in the device's queue; nobody knows yet whether anything does
    frame->data_off = kHeadroom;
    // The kernel cuts what is longer than the room it gets: the byte behind the buffer tells.
    uint16_t room = rte_pktmbuf_tailroom(frame);
    uint8_t behind = 0;
    std::array<iovec, 2> pieces{{{rte_pktmbuf_mtod(frame, void*), room}, {&behind, sizeof behind}}};
    ssize_t length = readv(queue_.get(), pieces.data(), pieces.size());
    if (length <= 0) break;
    if (length > room) {
      tally.drop(DropReason::outer_too_long);
      continue;
    }
    frame->data_len = static_cast<uint16_t>(length);
    frame->pkt_len = frame->data_len;
    out[taken++] = std::exchange(frame, nullptr);
  }
  rte_pktmbuf_free(frame);
  return taken;
}

void TapTwin::tx_burst(std::span<rte_mbuf*> frames, abi::Tally& tally) {
  for (rte_mbuf* frame : frames) {
    ssize_t written;
    do written = write(queue_.get(), rte_pktmbuf_mtod(frame, void*), frame->data_len);
    while (written < 0 && errno == EINTR);
    if (written >= 0) {
      tally.add(abi::Counter::twin_tx_packets);
      continue;
    }
    bool full = errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM;
    bool down = errno == EIO || errno == EBADFD;
    tally.drop(full ? DropReason::tx_queue_full : down ? DropReason::tx_port_down : DropReason::tx_refused);
  }
  rte_pktmbuf_free_bulk(frames.data(), static_cast<unsigned>(frames.size()));
}

}  // namespace culvert::drivers
