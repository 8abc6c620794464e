// The TCP port's connections: accepting, deadlines, ends.
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

constexpr uint64_t kListenerTag = 1;
constexpr uint64_t kTimerTag = 2;
constexpr uint64_t kMillisecond = 1'000'000;
constexpr uint64_t kClosingNs = 2'000 * kMillisecond;  ///< for a peer to take what waits for it, and to close its end
constexpr size_t kMostStreams = 0xFFFF;                ///< slots; the number is part of a stream's id
constexpr size_t kMostEnded = 65536;                   ///< ends that nobody has asked for

uint64_t clock_ns(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

uint64_t now_ns() {
  return clock_ns(CLOCK_MONOTONIC_COARSE);
}

/// Never twice the same in this process, and not one of the process before either: control may remember those.
uint64_t next_serial() {
  static std::atomic<uint64_t> serial{clock_ns(CLOCK_REALTIME) / 1'000'000'000 << 16};
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
  start_waiting(stream, now_ns() + settings_.first_packet_ms * kMillisecond);
  if (watch(stream.fd.get(), stream.id, EPOLLIN, false)) return;
  tally.drop(DropReason::stream_no_place);
  end(stream, tally);
}

KernelTcpPort::Network KernelTcpPort::network_of(const abi::IpAddress& address) {
  Network network{};
  network[0] = static_cast<uint8_t>(address.family);
  std::copy_n(address.bytes.begin(), address.family == abi::Family::kIpv4 ? 4 : 8, network.begin() + 1);
  return network;
}

/// Closes the oldest connection without session when there are as many as may be, in all or of the newcomer's network.
void KernelTcpPort::make_place(const Network& network, abi::Tally& tally) {
  auto of_network = waiting_per_network_.find(network);
  bool crowded = of_network != waiting_per_network_.end() && of_network->second >= settings_.most_waiting_per_network;
  if (!crowded && waiting_.size() < settings_.most_waiting) return;
  for (uint64_t id : waiting_) {
    Stream* stream = find(id);
    if (crowded && network_of(stream->remote.address) != network) continue;
    tally.add(Counter::streams_silent);
    return end(*stream, tally);
  }
}

void KernelTcpPort::start_waiting(Stream& stream, uint64_t deadline_ns) {
  stop_waiting(stream);
  stream.kept = false;
  stream.deadline_ns = deadline_ns;
  stream.waiting = waiting_.insert(waiting_.end(), stream.id);
  ++waiting_per_network_[network_of(stream.remote.address)];
  set_timer();
}

void KernelTcpPort::stop_waiting(Stream& stream) {
  if (stream.deadline_ns == 0) return;
  stream.deadline_ns = 0;
  waiting_.erase(stream.waiting);
  auto of_network = waiting_per_network_.find(network_of(stream.remote.address));
  if (--of_network->second == 0) waiting_per_network_.erase(of_network);
}

/// The timer only runs while something can come due, so that an idle port sleeps.
void KernelTcpPort::set_timer() {
  if (timer_set_) return;
  // Deadlines are looked at some ten times in the shortest time that one may take.
  uint64_t shortest_ms = std::min({settings_.first_packet_ms, settings_.hand_window_ms, 10'000u});
  uint64_t after_ns = std::max<uint64_t>(shortest_ms / 10, 1) * kMillisecond;
  if (short_of_packets_) after_ns = kMillisecond;
  itimerspec when{};
  when.it_value.tv_sec = static_cast<time_t>(after_ns / 1'000'000'000);
  when.it_value.tv_nsec = static_cast<long>(after_ns % 1'000'000'000);
  timer_set_ = timerfd_settime(timer_.get(), 0, &when, nullptr) == 0;
}

void KernelTcpPort::close_due(abi::Tally& tally) {
  uint64_t expirations = 0;
  [[maybe_unused]] ssize_t got = ::read(timer_.get(), &expirations, sizeof expirations);
  timer_set_ = false;
  short_of_packets_ = false;
  uint64_t now = now_ns();
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    Stream* stream = find(*it++);
    if (stream->deadline_ns > now) continue;
    if (stream->state != State::kClosing) tally.add(Counter::streams_silent);
    end(*stream, tally);
  }
  if (share_) share_->close_idle(now, tally);
  if (!accepting_) accepting_ = watch(listener_.get(), kListenerTag, EPOLLIN, false);
  if (!waiting_.empty() || !accepting_ || (share_ && share_->count() > 0)) set_timer();
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
    start_waiting(*stream, now_ns() + settings_.hand_window_ms * kMillisecond);
  }
  return true;
}

void KernelTcpPort::close_stream(uint64_t id, bool at_once, abi::Tally& tally) {
  Stream* stream = find(id);
  if (stream == nullptr) return;
  if (at_once) return end(*stream, tally);
  if (stream->state == State::kClosing) return;
  stream->state = State::kClosing;
  lose_unread(*stream, tally);
  start_waiting(*stream, now_ns() + kClosingNs);
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
