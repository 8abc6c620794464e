// The TCP port's connections: accepting, events, ends.
#include "drivers/kernel_tcp.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "drivers/packet_room.h"
#include "drivers/socket_address.h"

namespace culvert::drivers {

using abi::Counter;
using abi::DropReason;

namespace {

constexpr size_t kMostEnded = 65536;  ///< ends that nobody has asked for

/// Never twice the same in this process, and not one of the process before either: control may remember those, and
/// connections of it may go on here.
uint64_t next_serial() {
  static std::atomic<uint64_t> serial{static_cast<uint64_t>(std::time(nullptr)) << 16};
  return serial.fetch_add(1, std::memory_order_relaxed) & ((uint64_t{1} << 47) - 1);
}

}  // namespace

Result<std::shared_ptr<KernelTcpPort>> KernelTcpPort::make(TcpSocket socket, const TcpSettings& settings,
                                                           uint16_t index, rte_mempool* packets) {
  std::shared_ptr<KernelTcpPort> port(new KernelTcpPort(std::move(socket), settings, index, packets));
  if (auto started = port->start(); !started) return Error{port->name() + ": " + started.error()};
  return port;
}

KernelTcpPort::KernelTcpPort(TcpSocket socket, const TcpSettings& settings, uint16_t index, rte_mempool* packets)
    : listener_(std::move(socket.fd)),
      local_(socket.local),
      settings_(settings),
      index_(index),
      packets_(packets),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      timer_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)),
      scratch_(kFrameHeader + packet_room(packets) + kReadSize) {
  if (settings.share.address.family != abi::Family::kNone)
    share_ = std::make_unique<PortShare>(epoll_.get(), settings.share);
}

KernelTcpPort::~KernelTcpPort() = default;

Status KernelTcpPort::start() {
  bool watched = epoll_ && timer_ && watch(listener_.get(), kListenerTag, EPOLLIN, false) &&
                 watch(timer_.get(), kTimerTag, EPOLLIN, false);
  if (!watched) return Error{std::string("cannot watch it: ") + std::strerror(errno)};
  return {};
}

bool KernelTcpPort::watch(int fd, uint64_t tag, uint32_t events, bool modify) const {
  epoll_event event{};
  event.events = events;
  event.data.u64 = tag;
  return epoll_ctl(epoll_.get(), modify ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) == 0;
}

KernelTcpPort::Stream* KernelTcpPort::find(uint64_t id) const {
  size_t slot = id & kMostStreams;
  return slot < slots_.size() && slots_[slot] && slots_[slot]->id == id ? slots_[slot].get() : nullptr;
}

void KernelTcpPort::handle_events(abi::Tally& tally) {
  std::array<epoll_event, 64> events;
  int count = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), 0);
  bool newcomers = false;
  bool due = false;
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<size_t>(i)];
    uint64_t tag = event.data.u64;
    if (tag == kListenerTag) {
      newcomers = true;
    } else if (tag == kTimerTag) {
      due = true;
    } else if ((tag & PortShare::kTag) != 0) {
      share_->handle(tag, event.events, now_ns(), tally);
    } else if (Stream* stream = find(tag)) {
      if ((event.events & EPOLLOUT) != 0) flush(*stream, tally);
      if ((event.events & ~EPOLLOUT) == 0 || stream->in_turn) continue;
      stream->in_turn = true;
      turns_.push_back(tag);
    }
  }
  if (due) close_due(tally);
  if (newcomers) accept_some(tally);
}

void KernelTcpPort::accept_some(abi::Tally& tally) {
  for (size_t i = 0; i < kAcceptsPerPass; ++i) {
    SocketAddress address{};
    socklen_t length = sizeof address;
    FileDescriptor fd(accept4(listener_.get(), &address.any, &length, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd) {
      // Out of descriptors or memory: look again in a moment, instead of being woken all the time.
      bool none_waits = errno == EAGAIN || errno == ECONNABORTED || errno == EINTR;
      if (!none_waits) pause_accepting();
      return;
    }
    abi::Endpoint remote = from_socket_address(address);
    remote.transport = abi::Transport::kTcp;
    add_stream(std::move(fd), remote, tally);
  }
}

void KernelTcpPort::pause_accepting() {
  accepting_ = false;
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, listener_.get(), nullptr);
  set_timer();
}

void KernelTcpPort::add_stream(FileDescriptor fd, const abi::Endpoint& remote, abi::Tally& tally) {
  make_place(network_of(remote.address), tally);
  if (free_.empty() && slots_.size() >= std::min<size_t>(settings_.most_streams, kMostStreams))
    return tally.drop(DropReason::stream_no_place);
  if (settings_.no_delay) (void)set_option(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  uint16_t slot;
  if (free_.empty()) {
    slot = static_cast<uint16_t>(slots_.size());
    slots_.emplace_back();
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  slots_[slot] = std::make_unique<Stream>();
  Stream& stream = *slots_[slot];
  stream.id = next_serial() << 16 | slot;
  stream.remote = remote;
  stream.remote.stream = stream.id;
  SocketAddress address{};
  socklen_t length = sizeof address;
  if (getsockname(fd.get(), &address.any, &length) == 0) stream.local = from_socket_address(address);
  stream.local.transport = abi::Transport::kTcp;
  stream.fd = std::move(fd);
  tally.add(Counter::streams_accepted);
  start_waiting(stream, deadline_in(State::kAccepted));
  if (watch(stream.fd.get(), stream.id, EPOLLIN, false)) return;
  tally.drop(DropReason::stream_no_place);
  end(stream, tally);
}

void KernelTcpPort::end(Stream& stream, abi::Tally& tally) {
  stop_waiting(stream);
  if (stream.state == State::kOpen && ended_.size() < kMostEnded) ended_.push_back(stream.remote);
  tally.add(Counter::streams_ended);
  lose_unread(stream, tally);
  tally.drop(DropReason::tx_stream_closed, stream.out.packets());
  auto slot = static_cast<uint16_t>(stream.id & kMostStreams);
  slots_[slot].reset();  // closes it
  free_.push_back(slot);
}

/// Counts the whole packets that were read, and keeps the beginning of the next.
void KernelTcpPort::lose_unread(Stream& stream, abi::Tally& tally) const {
  std::span<const uint8_t> rest = stream.received.bytes();
  tally.drop(DropReason::stream_closing, skip_frames(rest, packet_room(packets_)));
  stream.received.consume(stream.received.size() - rest.size());
}

void KernelTcpPort::share(Stream& stream, std::span<const uint8_t> first, abi::Tally& tally) {
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, stream.fd.get(), nullptr);
  share_->take(std::move(stream.fd), first, now_ns(), tally);
  set_timer();
}

bool KernelTcpPort::has_room(uint64_t id) const {
  const Stream* stream = find(id);
  return stream == nullptr || stream->out.has_room();
}

bool KernelTcpPort::keep_stream(uint64_t id, bool keep) {
  Stream* stream = find(id);
  if (stream == nullptr || stream->state == State::kClosing) return false;
  if (keep) {
    stop_waiting(*stream);
    stream->kept = true;
  } else if (stream->kept) {
    start_waiting(*stream, deadline_in(State::kOpen));
  }
  return true;
}

bool KernelTcpPort::has_stream(uint64_t id) const {
  const Stream* stream = find(id);
  return stream != nullptr && !stream->finished_send;
}

void KernelTcpPort::close_stream(uint64_t id, bool at_once, abi::Tally& tally) {
  Stream* stream = find(id);
  if (stream == nullptr) return;
  if (at_once) return end(*stream, tally);
  if (stream->state == State::kClosing) return;
  stream->state = State::kClosing;
  lose_unread(*stream, tally);
  start_waiting(*stream, deadline_in(State::kClosing));
  finish(*stream);
}

void KernelTcpPort::end_streams(abi::Tally& tally) {
  for (const auto& stream : slots_)
    if (stream) end(*stream, tally);
}

bool KernelTcpPort::take_ended(abi::Endpoint& remote) {
  if (ended_.empty()) return false;
  remote = ended_.front();
  ended_.pop_front();
  return true;
}

size_t KernelTcpPort::buffered() const {
  size_t sum = unread() + (share_ ? share_->buffered() : 0);
  for (const auto& stream : slots_)
    if (stream) sum += stream->out.size();
  return sum;
}

size_t KernelTcpPort::unread() const {
  size_t sum = 0;
  for (const auto& stream : slots_)
    if (stream) sum += stream->received.size();
  return sum;
}

}  // namespace culvert::drivers
