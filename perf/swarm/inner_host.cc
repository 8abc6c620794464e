#include "perf/swarm/inner_host.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <future>

#include "perf/swarm/clock.h"
#include "perf/swarm/kernel_time.h"

namespace culvert::swarm {
namespace {

constexpr int kInnerBufferBytes = 16 << 20;
constexpr size_t kReceiveSize = 64 << 10;
constexpr int kMostReads = 16;     ///< of a pass, so that sending gets its turn
constexpr long kPauseNs = 50'000;  ///< while packets are on the way
constexpr long kIdlePauseNs = 1'000'000;

Error host_failed(const std::string& what) {
  return Error{what + ": " + std::strerror(errno)};
}

drivers::FileDescriptor udp_socket(uint16_t port) {
  drivers::FileDescriptor fd(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  int on = 1;
  if (!fd || setsockopt(fd.get(), SOL_UDP, UDP_GRO, &on, sizeof on) != 0) return {};
  for (int option : {SO_RCVBUFFORCE, SO_SNDBUFFORCE})
    if (setsockopt(fd.get(), SOL_SOCKET, option, &kInnerBufferBytes, sizeof kInnerBufferBytes) != 0) return {};
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return {};
  return fd;
}

/// Room for the one control message that names a segment size, in or out.
union SegmentControl {
  cmsghdr header;
  std::array<char, CMSG_SPACE(sizeof(int))> bytes;
};

}  // namespace

Result<std::unique_ptr<InnerHost>> InnerHost::start(const std::string& net_namespace) {
  drivers::FileDescriptor there(open(net_namespace.c_str(), O_RDONLY | O_CLOEXEC));
  if (!there) return host_failed(net_namespace);
  std::unique_ptr<InnerHost> host(new InnerHost);
  host->buffer_.resize(kReceiveSize);
  std::promise<Status> opened;
  host->thread_ = std::thread([host = host.get(), &there, &opened] {
    bool entered = setns(there.get(), CLONE_NEWNET) == 0;
    Status status = entered ? host->open_sockets() : Status(host_failed("entering the gateway's namespace"));
    bool good = status ? true : false;
    opened.set_value(std::move(status));
    if (good) host->run();
  });
  if (Status status = opened.get_future().get(); !status) return Error{status.error()};
  return host;
}

InnerHost::~InnerHost() {
  ends_ = true;
  if (thread_.joinable()) thread_.join();
}

Status InnerHost::open_sockets() {
  data_ = udp_socket(kDataPort);
  if (!data_) return host_failed("UDP port " + std::to_string(kDataPort) + " in the gateway's namespace");
  echo_ = udp_socket(kEchoPort);
  if (!echo_) return host_failed("UDP port " + std::to_string(kEchoPort) + " in the gateway's namespace");
  if (!ask_for_times(echo_.get())) return host_failed("SO_TIMESTAMPNS");
  epoll_ = drivers::FileDescriptor(epoll_create1(EPOLL_CLOEXEC));
  for (const auto* fd : {&data_, &echo_}) {
    epoll_event event{};
    event.events = EPOLLIN;
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd->get(), &event) != 0) return host_failed("epoll");
  }
  return {};
}

void InnerHost::begin(InnerTask task) {
  std::lock_guard lock(mutex_);
  task_ = std::move(task);
  pace_ = Pace(task_.rate, task_.window, now_ns());
  sequences_.assign(task_.clients.size(), {});
  numbers_.assign(task_.clients.size(), 0);
  account_ = {};
  in.sent = in.received = 0;
  out.sent = out.received = 0;
}

void InnerHost::stop_sending() {
  std::lock_guard lock(mutex_);
  task_.sends = false;
}

Account InnerHost::arrived() {
  std::lock_guard lock(mutex_);
  return account_;
}

void InnerHost::run() {
  while (!ends_) {
    long wait_ns = kIdlePauseNs;
    {
      std::lock_guard lock(mutex_);
      take_echoes();
      take_data();
      if (task_.sends) {
        send_some();
        wait_ns = pace_.turn_is_over() ? 0 : kPauseNs;
      }
    }
    std::array<epoll_event, 2> events;
    timespec pause{0, wait_ns};
    epoll_pwait2(epoll_.get(), events.data(), static_cast<int>(events.size()), &pause, nullptr);
  }
}

void InnerHost::take_data() {
  for (int reads = 0; reads < kMostReads; ++reads) {
    iovec piece{buffer_.data(), buffer_.size()};
    SegmentControl control{};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
    ssize_t got = recvmsg(data_.get(), &message, MSG_DONTWAIT);
    if (got < 0) return;
    std::span<const uint8_t> bytes(buffer_.data(), static_cast<size_t>(got));
    int segment = static_cast<int>(got);
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header))
      if (header->cmsg_level == SOL_UDP && header->cmsg_type == UDP_GRO)
        std::memcpy(&segment, CMSG_DATA(header), sizeof segment);
    while (!bytes.empty()) {
      auto payload = bytes.first(std::min(bytes.size(), static_cast<size_t>(segment)));
      bytes = bytes.subspan(payload.size());
      Stamp stamp;
      if (!read_payload(payload, stamp) || stamp.client >= sequences_.size()) {
        ++account_.damaged;
        continue;
      }
      if (stamp.phase != task_.phase) continue;
      uint64_t before = account_.received;
      sequences_[stamp.client].receive(stamp.number, payload.size() + kInnerHeaders, account_);
      in.received.fetch_add(account_.received - before, std::memory_order_relaxed);
    }
  }
}

void InnerHost::take_echoes() {
  for (int reads = 0; reads < kMostReads; ++reads) {
    sockaddr_in from{};
    iovec piece{buffer_.data(), buffer_.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int)) + kTimeControl> control;
    msghdr message{};
    message.msg_name = &from;
    message.msg_namelen = sizeof from;
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    ssize_t got = recvmsg(echo_.get(), &message, MSG_DONTWAIT);
    if (got < 0) return;
    auto bytes = std::span(buffer_).first(static_cast<size_t>(got));
    uint64_t received = received_at(message);
    if (Stamp stamp; received != 0 && read_payload(bytes, stamp)) {
      stamp.echo_wait_ns = now_ns() - received;
      std::memcpy(bytes.data(), &stamp, sizeof stamp);
    }
    (void)sendto(echo_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&from),
                 sizeof from);
  }
}

void InnerHost::send_some() {
  size_t payload = task_.size - kInnerHeaders;
  size_t refused = 0;  // clients in a row for whom there is no room now
  pace_.begin_turn();
  while (refused < task_.clients.size()) {
    uint64_t now = now_ns();
    size_t count = pace_.allowance(out, task_.burst, now);
    if (count == 0) return;
    size_t client = turn_++ % task_.clients.size();
    for (size_t i = 0; i < count; ++i) {
      Stamp stamp{kMagic, task_.phase, static_cast<uint32_t>(client), numbers_[client] + i, now, 0};
      write_payload(std::span(buffer_).subspan(i * payload, payload), stamp);
    }
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(kDataPort);
    std::memcpy(&to.sin_addr, task_.clients[client].data(), sizeof to.sin_addr);
    iovec piece{buffer_.data(), count * payload};
    SegmentControl control{};
    msghdr message{};
    message.msg_name = &to;
    message.msg_namelen = sizeof to;
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = &control;
    message.msg_controllen = CMSG_SPACE(sizeof(uint16_t));
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_UDP;
    header->cmsg_type = UDP_SEGMENT;
    header->cmsg_len = CMSG_LEN(sizeof(uint16_t));
    auto segment = static_cast<uint16_t>(payload);
    std::memcpy(CMSG_DATA(header), &segment, sizeof segment);
    refused = sendmsg(data_.get(), &message, MSG_DONTWAIT) < 0 ? refused + 1 : 0;
    if (refused > 0) continue;
    numbers_[client] += count;
    out.sent.fetch_add(count, std::memory_order_relaxed);
  }
}

}  // namespace culvert::swarm
