// Unix sockets as control and the CLI use them.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "control/io/fd.h"
#include "dataplane/abi/result.h"

namespace culvert::io {

/// Connects to the socket at `path`; `type` is SOCK_STREAM or SOCK_SEQPACKET. The result does not block. The error
/// names the path and what is in the way.
Result<Fd> connect_unix(const std::string& path, int type);

/// Binds and listens at `path` with permission bits `mode` (they hold from the first moment). A socket file that nobody
/// listens on any more is replaced; one with a live listener is an error.
Result<Fd> listen_unix(const std::string& path, int type, mode_t mode, int backlog);

struct PeerCredentials {
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
};
/// Who is at the other end, as the kernel says (SO_PEERCRED).
Result<PeerCredentials> peer_credentials(int fd);

struct ReceivedMessage {
  size_t size = 0;  ///< bytes of the packet; 0: the other end has closed
  bool would_block = false;
  bool truncated = false;  ///< bytes or descriptors did not fit
  std::vector<Fd> fds;
};
/// Receives one packet of a SOCK_SEQPACKET socket and the descriptors that came with it (close-on-exec).
Result<ReceivedMessage> receive_with_fds(int fd, std::span<std::byte> out);

}  // namespace culvert::io
