// The TCP port's connections without a session: how many there may be, and for how long.
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>

#include "drivers/kernel_tcp.h"

namespace culvert::drivers {

using abi::Counter;

namespace {

constexpr uint64_t kMillisecond = 1'000'000;
constexpr uint64_t kClosingNs = 2'000 * kMillisecond;  ///< for a peer to take what waits for it, and to close its end

}  // namespace

uint64_t KernelTcpPort::now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
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

uint64_t KernelTcpPort::deadline_in(State state) const {
  uint64_t time_ns = kClosingNs;
  if (state == State::kAccepted) time_ns = settings_.first_packet_ms * kMillisecond;
  if (state == State::kOpen) time_ns = settings_.hand_window_ms * kMillisecond;
  return now_ns() + time_ns;
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

}  // namespace culvert::drivers
