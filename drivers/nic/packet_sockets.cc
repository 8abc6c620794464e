#include "drivers/nic/packet_sockets.h"

#include <linux/if_packet.h>
#include <sys/socket.h>

#include <charconv>
#include <filesystem>
#include <string>

namespace culvert::drivers {
namespace {

bool is_packet_socket_on(int descriptor, int interface) {
  int domain = 0;
  socklen_t size = sizeof domain;
  if (getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0 || domain != AF_PACKET) return false;
  sockaddr_ll bound{};
  size = sizeof bound;
  return getsockname(descriptor, reinterpret_cast<sockaddr*>(&bound), &size) == 0 && bound.sll_ifindex == interface;
}

}  // namespace

PacketSockets PacketSockets::on(int interface) {
  PacketSockets found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", error)) {
    std::string name = entry.path().filename();
    int descriptor = -1;
    std::from_chars(name.data(), name.data() + name.size(), descriptor);
    if (is_packet_socket_on(descriptor, interface)) found.descriptors_.push_back(descriptor);
  }
  return found;
}

PacketSockets& PacketSockets::operator=(PacketSockets&& other) noexcept {
  descriptors_ = std::move(other.descriptors_);
  lost_.store(other.lost_.load(std::memory_order_relaxed), std::memory_order_relaxed);
  return *this;
}

uint64_t PacketSockets::losses() const {
  for (int descriptor : descriptors_) {
    tpacket_stats counts{};
    socklen_t size = sizeof counts;
    if (getsockopt(descriptor, SOL_PACKET, PACKET_STATISTICS, &counts, &size) == 0)
      lost_.fetch_add(counts.tp_drops, std::memory_order_relaxed);
  }
  return lost_.load(std::memory_order_relaxed);
}

uint64_t PacketSockets::rolled_over() const {
  uint64_t sum = 0;
  for (int descriptor : descriptors_) {
    tpacket_rollover_stats counts{};
    socklen_t size = sizeof counts;
    if (getsockopt(descriptor, SOL_PACKET, PACKET_ROLLOVER_STATS, &counts, &size) == 0) sum += counts.tp_all;
  }
  return sum;
}

}  // namespace culvert::drivers
