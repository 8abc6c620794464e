// When the kernel received a packet, which a thread that has to wait for a core reads only later: so the swarm's own
// waiting can be told from the server's.
#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <ctime>

namespace culvert::swarm {

/// Room in a message's control data for such a time.
inline constexpr size_t kTimeControl = CMSG_SPACE(sizeof(timespec));

/// Has the kernel say it for all that `fd` receives (SO_TIMESTAMPNS, socket(7)). False: it will not.
bool ask_for_times(int fd);
/// When `message` was received, CLOCK_MONOTONIC, nanoseconds; 0 when it does not say so.
uint64_t received_at(msghdr& message);

}  // namespace culvert::swarm
