#include "perf/swarm/kernel_time.h"

#include <cstring>

#include "perf/swarm/clock.h"

namespace culvert::swarm {
namespace {

uint64_t nanoseconds(const timespec& time) {
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

}  // namespace

bool ask_for_times(int fd) {
  int on = 1;
  return setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) == 0;
}

uint64_t received_at(msghdr& message) {
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_TIMESTAMPNS) continue;
    timespec received{}, now{};
    std::memcpy(&received, CMSG_DATA(header), sizeof received);
    // The kernel speaks of CLOCK_REALTIME. A clock that was set back in between says nothing.
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t since = nanoseconds(now) - nanoseconds(received);
    return nanoseconds(now) < nanoseconds(received) ? 0 : now_ns() - since;
  }
  return 0;
}

}  // namespace culvert::swarm
