#include "perf/swarm/outer_socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "drivers/socket_address.h"
#include "drivers/stream_frames.h"
#include "perf/swarm/kernel_time.h"

namespace culvert::swarm {
namespace {

constexpr int kOuterBufferBytes = 4 << 20;
constexpr size_t kMostQueued = 256 << 10;  ///< of a TCP connection: control packets and the rest of one burst

class UdpOuter final : public OuterSocket {
 public:
  explicit UdpOuter(drivers::FileDescriptor fd) : OuterSocket(std::move(fd)) {}
  size_t front() const override { return 0; }

  size_t send(uint8_t* first, size_t count, size_t length) override {
    iovec piece{first, count * length};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(uint16_t))> control{};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    if (count > 1) {
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_UDP;
      header->cmsg_type = UDP_SEGMENT;
      header->cmsg_len = CMSG_LEN(sizeof(uint16_t));
      auto segment = static_cast<uint16_t>(length);
      std::memcpy(CMSG_DATA(header), &segment, sizeof segment);
    }
    return sendmsg(fd(), &message, MSG_DONTWAIT) >= 0 ? count : 0;
  }

  bool receive(ReceiveBuffers& buffers, Packets& packets) override {
    constexpr size_t kMessages = ReceiveBuffers::kMessages;
    using Control = std::array<char, CMSG_SPACE(sizeof(int)) + kTimeControl>;
    alignas(cmsghdr) std::array<Control, kMessages> controls;
    std::array<iovec, kMessages> pieces;
    std::array<mmsghdr, kMessages> messages{};
    for (size_t i = 0; i < kMessages; ++i) {
      pieces[i] = {buffers.message(i).data(), ReceiveBuffers::kMessageSize};
      messages[i].msg_hdr.msg_iov = &pieces[i];
      messages[i].msg_hdr.msg_iovlen = 1;
      messages[i].msg_hdr.msg_control = controls[i].data();
      messages[i].msg_hdr.msg_controllen = controls[i].size();
    }
    int got = recvmmsg(fd(), messages.data(), kMessages, MSG_DONTWAIT, nullptr);
    // A refused port (the server is not up yet, or gone) is no end: the engine asks again, or gives up.
    for (int i = 0; i < got; ++i) {
      mmsghdr& message = messages[static_cast<size_t>(i)];
      auto bytes = buffers.message(static_cast<size_t>(i)).first(message.msg_len);
      size_t segment = segment_size(message.msg_hdr, bytes.size());
      uint64_t received = received_at(message.msg_hdr);
      for (; !bytes.empty(); bytes = bytes.subspan(std::min(segment, bytes.size())))
        packets.push_back({bytes.first(std::min(segment, bytes.size())), received});
    }
    return true;
  }

  bool flush() override { return true; }
  bool waits() const override { return false; }

 private:
  static size_t segment_size(msghdr& message, size_t whole) {
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
      if (header->cmsg_level != SOL_UDP || header->cmsg_type != UDP_GRO) continue;
      int size = 0;
      std::memcpy(&size, CMSG_DATA(header), sizeof size);
      if (size > 0) return static_cast<size_t>(size);
    }
    return whole;
  }
};

class TcpOuter final : public OuterSocket {
 public:
  explicit TcpOuter(drivers::FileDescriptor fd) : OuterSocket(std::move(fd)) {}
  size_t front() const override { return drivers::kFrameHeader; }

  size_t send(uint8_t* first, size_t count, size_t length) override {
    size_t stride = front() + length;
    if (unsent_.size() + count * stride > kMostQueued) return 0;
    for (size_t i = 0; i < count; ++i) {
      first[i * stride] = static_cast<uint8_t>(length >> 8);
      first[i * stride + 1] = static_cast<uint8_t>(length);
    }
    ssize_t written = 0;
    if (unsent_.empty())
      written = std::max<ssize_t>(0, ::send(fd(), first, count * stride, MSG_DONTWAIT | MSG_NOSIGNAL));
    unsent_.insert(unsent_.end(), first + written, first + count * stride);
    return count;
  }

  bool flush() override {
    while (!unsent_.empty()) {
      ssize_t written = ::send(fd(), unsent_.data(), unsent_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (written < 0) return errno == EAGAIN || errno == EINTR || errno == ENOTCONN;
      unsent_.erase(unsent_.begin(), unsent_.begin() + written);
    }
    return true;
  }
  bool waits() const override { return !unsent_.empty(); }

  bool receive(ReceiveBuffers& buffers, Packets& packets) override {
    std::span<uint8_t> all = buffers.all();
    std::copy(rest_.begin(), rest_.end(), all.begin());
    ssize_t got = recv(fd(), all.data() + rest_.size(), all.size() - rest_.size(), MSG_DONTWAIT);
    if (got < 0) return errno == EAGAIN || errno == EINTR || errno == ENOTCONN;
    if (got == 0) return false;
    std::span<uint8_t> bytes = all.first(rest_.size() + static_cast<size_t>(got));
    for (;;) {
      drivers::CutFrame frame = drivers::cut_frame(bytes);
      if (frame.verdict == drivers::Cut::kBad) return false;
      if (frame.verdict == drivers::Cut::kNeedMore) break;
      packets.push_back({bytes.subspan(drivers::kFrameHeader, frame.packet.size())});
      bytes = bytes.subspan(frame.used);
    }
    rest_.assign(bytes.begin(), bytes.end());
    return true;
  }

 private:
  std::vector<uint8_t> unsent_;
  std::vector<uint8_t> rest_;  ///< beginning of a packet that is not whole yet
};

bool set_int(int fd, int level, int name, int value) {
  return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

Error socket_failed(const char* what) {
  return Error{std::string(what) + ": " + std::strerror(errno)};
}

}  // namespace

Result<std::unique_ptr<OuterSocket>> open_outer(const abi::Endpoint& server, const abi::IpAddress& source) {
  bool udp = server.transport == abi::Transport::kUdp;
  int family = server.address.family == abi::Family::kIpv4 ? AF_INET : AF_INET6;
  drivers::FileDescriptor fd(socket(family, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return socket_failed("socket");
  if (source.family != abi::Family::kNone) {
    abi::Endpoint from;
    from.address = source;
    drivers::SocketAddress address{};
    socklen_t length = drivers::to_socket_address(from, family, address);
    (void)set_int(fd.get(), IPPROTO_IP, IP_FREEBIND, 1);
    if (bind(fd.get(), &address.any, length) != 0) return socket_failed("bind");
  }
  if (udp) {
    if (!set_int(fd.get(), SOL_UDP, UDP_GRO, 1)) return socket_failed("UDP_GRO");
    if (!ask_for_times(fd.get())) return socket_failed("SO_TIMESTAMPNS");
    if (!set_int(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, kOuterBufferBytes))
      (void)set_int(fd.get(), SOL_SOCKET, SO_RCVBUF, kOuterBufferBytes);
    if (!set_int(fd.get(), SOL_SOCKET, SO_SNDBUFFORCE, kOuterBufferBytes))
      (void)set_int(fd.get(), SOL_SOCKET, SO_SNDBUF, kOuterBufferBytes);
  } else {
    (void)set_int(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  }
  drivers::SocketAddress to{};
  socklen_t length = drivers::to_socket_address(server, family, to);
  if (connect(fd.get(), &to.any, length) != 0 && errno != EINPROGRESS) return socket_failed("connect");
  if (udp) return std::unique_ptr<OuterSocket>(std::make_unique<UdpOuter>(std::move(fd)));
  return std::unique_ptr<OuterSocket>(std::make_unique<TcpOuter>(std::move(fd)));
}

}  // namespace culvert::swarm
