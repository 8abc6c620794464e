#include "control/io/unix_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include "dataplane/abi/layout.h"

namespace culvert::io {
namespace {

constexpr size_t kMaxFds = 1 + 2 * abi::kMaxWorkers;

std::optional<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  if (path.empty() || path.size() >= sizeof address.sun_path) return std::nullopt;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

Error too_long(const std::string& path) {
  return Error{path + ": a socket's path has at most 107 bytes: choose a shorter --run-dir"};
}

Error path_failed(const std::string& path) {
  return Error{path + ": " + std::strerror(errno)};
}

bool someone_listens(const sockaddr_un& address, int type) {
  Fd probe(socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe) return false;
  if (connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return true;
  return errno == EAGAIN || errno == EINPROGRESS;  // its backlog is full
}

}  // namespace

Result<Fd> connect_unix(const std::string& path, int type) {
  auto address = address_of(path);
  if (!address) return too_long(path);
  Fd fd(socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return path_failed(path);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) return path_failed(path);
  return fd;
}

Result<Fd> listen_unix(const std::string& path, int type, mode_t mode, int backlog) {
  auto address = address_of(path);
  if (!address) return too_long(path);
  Fd fd(socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return path_failed(path);
  struct stat status {};
  if (lstat(path.c_str(), &status) == 0) {
    if (!S_ISSOCK(status.st_mode))
      return Error{path + ": exists and is no socket: remove it or choose another --run-dir"};
    if (someone_listens(*address, type))
      return Error{path + ": another instance listens here: stop it or choose another --run-dir"};
    unlink(path.c_str());
  }
  mode_t before = umask(static_cast<mode_t>(~mode & 0777));
  int result = bind(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address);
  umask(before);
  if (result != 0 || listen(fd.get(), backlog) != 0) return path_failed(path);
  return fd;
}

Result<PeerCredentials> peer_credentials(int fd) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
    return Error{std::string("SO_PEERCRED: ") + std::strerror(errno)};
  return PeerCredentials{credentials.pid, credentials.uid, credentials.gid};
}

Result<ReceivedMessage> receive_with_fds(int fd, std::span<std::byte> out) {
  iovec part{out.data(), out.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxFds * sizeof(int))> space{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = space.data();
  message.msg_controllen = space.size();
  ssize_t n = 0;
  do n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  ReceivedMessage received;
  if (n < 0) {
    if (errno != EAGAIN) return Error{std::string("recvmsg: ") + std::strerror(errno)};
    received.would_block = true;
    return received;
  }
  received.size = static_cast<size_t>(n);
  received.truncated = (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(header) + i * sizeof(int), sizeof number);
      received.fds.emplace_back(number);
    }
  }
  return received;
}

}  // namespace culvert::io
