#include "dataplane/link/link_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "dataplane/abi/layout.h"

namespace culvert::dataplane {
namespace {

constexpr int kBacklog = 16;
constexpr size_t kMaxDescriptors = 1 + 2 * abi::kMaxWorkers;

/// Gives the socket file to those who may attach: its mode is the first fence, SO_PEERCRED the one that counts.
bool open_to(const char* path, const Allowed& allowed) {
  if (!allowed.uid && !allowed.gid) return true;
  uid_t owner = allowed.uid.value_or(static_cast<uid_t>(-1));
  gid_t group = allowed.gid.value_or(static_cast<gid_t>(-1));
  return chown(path, owner, group) == 0 && chmod(path, allowed.gid ? 0660 : 0600) == 0;
}

}  // namespace

Result<drivers::FileDescriptor> listen_on(const std::string& path, const Allowed& allowed) {
  auto fail = [&](const std::string& what) { return Error{"cannot listen on " + path + ": " + what}; };
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return fail("the path is longer than the 107 bytes a unix socket may have; choose a shorter run dir");
  std::copy(path.begin(), path.end(), address.sun_path);

  drivers::FileDescriptor fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return fail(std::strerror(errno));
  mode_t before = umask(0177);
  int bound = bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  umask(before);
  if (bound != 0) return fail(std::strerror(errno));
  if (!open_to(path.c_str(), allowed)) {
    std::string reason = std::strerror(errno);
    unlink(path.c_str());
    return fail("cannot give it to the user or group of control: " + reason);
  }
  if (listen(fd.get(), kBacklog) != 0) return fail(std::strerror(errno));
  return fd;
}

drivers::FileDescriptor accept_on(int listener) {
  return drivers::FileDescriptor(accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

std::optional<Peer> peer_of(int fd) {
  ucred credentials{};
  socklen_t length = sizeof credentials;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) return std::nullopt;
  return Peer{credentials.pid, credentials.uid, credentials.gid};
}

bool may_attach(const Peer& peer, const Allowed& allowed) {
  return peer.uid == 0 || peer.uid == geteuid() || (allowed.uid && peer.uid == *allowed.uid) ||
         (allowed.gid && peer.gid == *allowed.gid);
}

std::string to_text(const Peer& peer) {
  return "pid " + std::to_string(peer.pid) + ", uid " + std::to_string(peer.uid);
}

Received receive_message(int fd, std::span<std::byte> out) {
  ssize_t length;
  // recv, not recvmsg: the kernel closes descriptors that come along. MSG_TRUNC gives the real length.
  do length = recv(fd, out.data(), out.size(), MSG_DONTWAIT | MSG_TRUNC);
  while (length < 0 && errno == EINTR);
  if (length < 0) return errno == EAGAIN ? Received::kNothing : Received::kClosed;
  if (length == 0) return Received::kClosed;
  return static_cast<size_t>(length) == out.size() ? Received::kMessage : Received::kWrongSize;
}

bool send_message(int fd, std::span<const std::byte> message, std::span<const int> descriptors) {
  iovec data{const_cast<std::byte*>(message.data()), message.size()};
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  alignas(cmsghdr) std::array<unsigned char, CMSG_SPACE(kMaxDescriptors * sizeof(int))> buffer{};
  if (!descriptors.empty() && descriptors.size() <= kMaxDescriptors) {
    header.msg_control = buffer.data();
    header.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* control = CMSG_FIRSTHDR(&header);
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(control), descriptors.data(), descriptors.size_bytes());
  }
  ssize_t sent;
  do sent = sendmsg(fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent >= 0 && static_cast<size_t>(sent) == message.size();
}

}  // namespace culvert::dataplane
