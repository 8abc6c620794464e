// The unix sockets of the link (abi/setup.h, abi/trace.h) as system calls: listening, who is at the other end, messages
// in, messages with descriptors out.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "dataplane/abi/result.h"
#include "drivers/file_descriptor.h"

namespace culvert::dataplane {

/// Who may attach besides root and the dataplane's own user.
struct Allowed {
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
};

struct Peer {
  pid_t pid;
  uid_t uid;
  gid_t gid;
};

/// Binds and listens on `path`, which must not exist. The file's owner and mode let those in who may attach.
Result<drivers::FileDescriptor> listen_on(const std::string& path, const Allowed& allowed);

/// Next connection, non-blocking; none when nobody waits.
drivers::FileDescriptor accept_on(int listener);

/// SO_PEERCRED of a connection.
std::optional<Peer> peer_of(int fd);
bool may_attach(const Peer& peer, const Allowed& allowed);

/// "pid 7, uid 0", for the log.
std::string to_text(const Peer& peer);

enum class Received : uint8_t { kMessage, kWrongSize, kNothing, kClosed };
/// Takes one message, which is as long as `out`. kWrongSize: one that is not, thrown away. Descriptors that come along
/// are never accepted.
Received receive_message(int fd, std::span<std::byte> out);

/// Sends one message, with `descriptors` when there are any. False: the connection is of no use any more.
bool send_message(int fd, std::span<const std::byte> message, std::span<const int> descriptors = {});

}  // namespace culvert::dataplane
