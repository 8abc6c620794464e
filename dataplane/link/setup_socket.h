// The unix socket of setup.h as system calls: listening, who is at the other end, requests in, replies with descriptors
// out.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "dataplane/abi/result.h"
#include "dataplane/abi/setup.h"
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

enum class Received : uint8_t { kRequest, kWrongSize, kNothing, kClosed };
/// Takes one request. kWrongSize: a message that is not one, thrown away. Descriptors sent along are never accepted.
Received receive_request(int fd, abi::Request& out);

/// Sends a reply, with `descriptors` when there are any. False: the connection is of no use any more.
bool send_reply(int fd, abi::ReplyStatus status, const std::string& text, std::span<const int> descriptors = {});

}  // namespace culvert::dataplane
