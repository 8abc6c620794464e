#include "drivers/port_share.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "drivers/socket_address.h"
#include "drivers/socket_options.h"

namespace culvert::drivers {

using abi::Counter;
using abi::DropReason;

void PortShare::take(FileDescriptor client, std::span<const uint8_t> first, uint64_t now_ns, abi::Tally& tally) {
  if (!begin(std::move(client), first, now_ns)) tally.drop(DropReason::stream_not_shared);
}

/// Connects to the server. False: that can't be.
bool PortShare::begin(FileDescriptor client, std::span<const uint8_t> first, uint64_t now_ns) {
  if (relays_.size() >= kMostRelays) return false;
  int family = family_of(server_);
  FileDescriptor server(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  if (!server) return false;
  SocketAddress address;
  socklen_t length = to_socket_address(server_, family, address);
  if (connect(server.get(), &address.any, length) != 0 && errno != EINPROGRESS) return false;

  uint64_t id = next_id_++;
  Relay& relay = relays_[id];
  relay.moved_ns = now_ns;
  relay.ends[0].fd = std::move(client);
  relay.ends[1].fd = std::move(server);
  relay.ends[1].to_write.append(first);
  if (settle(id, relay)) return true;
  relays_.erase(id);
  return false;
}

bool PortShare::watch(uint64_t id, size_t side, End& end, uint32_t events) {
  if (end.watched == events && events != 0) return true;
  epoll_event event{};
  event.events = events;
  event.data.u64 = kTag | id << 1 | side;
  int operation = end.watched == 0 ? EPOLL_CTL_ADD : events == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
  if (end.watched == 0 && events == 0) return true;
  end.watched = events;
  return epoll_ctl(epoll_, operation, end.fd.get(), &event) == 0;
}

/// Writes what waits for this end. False: it takes nothing more.
bool PortShare::write_some(End& end) {
  while (!end.to_write.empty()) {
    auto bytes = end.to_write.bytes();
    ssize_t sent = send(end.fd.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return errno == EAGAIN;
    end.to_write.consume(static_cast<size_t>(sent));
  }
  return true;
}

/// Moves what end `from` has sent to the other one, once. False: the relay is broken.
bool PortShare::pump(Relay& relay, size_t from) {
  End& source = relay.ends[from];
  End& sink = relay.ends[1 - from];
  if (source.read_all || sink.to_write.size() >= kMostBuffered) return true;
  std::vector<uint8_t> bytes(kMostBuffered - sink.to_write.size());
  ssize_t got = recv(source.fd.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  if (got == 0) source.read_all = true;
  sink.to_write.append(std::span(bytes).first(static_cast<size_t>(got)));
  return from == 0 && !relay.connected ? true : write_some(sink);
}

/// Passes an end of data on, and watches what there is to wait for. False: all is said, or the relay is broken.
bool PortShare::settle(uint64_t id, Relay& relay) {
  for (size_t side = 0; side < 2; ++side) {
    End& end = relay.ends[side];
    const End& other = relay.ends[1 - side];
    bool usable = side == 0 || relay.connected;
    if (usable && other.read_all && end.to_write.empty() && !end.told_end) {
      shutdown(end.fd.get(), SHUT_WR);
      end.told_end = true;
    }
    uint32_t events = 0;
    if (usable && !end.read_all && other.to_write.size() < kMostBuffered) events |= EPOLLIN;
    if (!usable || !end.to_write.empty()) events |= EPOLLOUT;
    if (!watch(id, side, end, events)) return false;
  }
  return !(relay.ends[0].told_end && relay.ends[1].told_end);
}

void PortShare::handle(uint64_t tag, uint32_t events, uint64_t now_ns, abi::Tally& tally) {
  uint64_t id = (tag & ~kTag) >> 1;
  size_t side = tag & 1;
  auto found = relays_.find(id);
  if (found == relays_.end()) return;
  Relay& relay = found->second;
  relay.moved_ns = now_ns;
  bool sound = true;
  if (side == 1 && !relay.connected) {
    int error = 0;
    socklen_t length = sizeof error;
    getsockopt(relay.ends[1].fd.get(), SOL_SOCKET, SO_ERROR, &error, &length);
    sound = error == 0 && (events & EPOLLOUT) != 0;
    relay.connected = sound;
    if (sound) tally.add(Counter::streams_shared);
  }
  if (sound && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) sound = pump(relay, side);
  if (sound && (side == 0 || relay.connected)) sound = write_some(relay.ends[side]);
  if (sound && settle(id, relay)) return;
  if (!relay.connected) tally.drop(DropReason::stream_not_shared);
  relays_.erase(found);
}

void PortShare::close_idle(uint64_t now_ns, abi::Tally& tally) {
  std::erase_if(relays_, [&](const auto& one) {
    const Relay& relay = one.second;
    bool idle = relay.moved_ns + kIdleNs <= now_ns;
    if (idle && !relay.connected) tally.drop(DropReason::stream_not_shared);
    return idle;
  });
}

size_t PortShare::buffered() const {
  size_t sum = 0;
  for (const auto& [id, relay] : relays_)
    for (const End& end : relay.ends) sum += end.to_write.size();
  return sum;
}

}  // namespace culvert::drivers
