#include "dataplane/link/newcomers.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <limits>

namespace culvert::dataplane {

Newcomers::Newcomers(drivers::FileDescriptor listener, Options options)
    : listener_(std::move(listener)), options_(std::move(options)), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  watch(listener_.get());
}

bool Newcomers::watch(int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

uint64_t Newcomers::deadline_ns() const {
  uint64_t first = std::numeric_limits<uint64_t>::max();
  for (const Newcomer& one : pending_) first = std::min(first, one.deadline_ns);
  return first;
}

void Newcomers::serve(uint64_t now_ns, const std::function<void(int fd)>& ready) {
  std::array<epoll_event, 16> events;
  int count = epoll_wait(epoll_.get(), events.data(), events.size(), 0);
  bool more = false;
  for (int i = 0; i < count; ++i) {
    int fd = events[static_cast<size_t>(i)].data.fd;
    if (fd == listener_.get())
      more = true;  // last: a new connection must not get the number of one that is closed in this round
    else
      ready(fd);
  }
  std::erase_if(pending_, [&](const Newcomer& one) { return one.deadline_ns <= now_ns; });
  if (more) accept_all(now_ns);
}

void Newcomers::accept_all(uint64_t now_ns) {
  for (size_t i = 0; i < kMax; ++i) {
    Connection connection{accept_on(listener_.get())};
    if (!connection.fd) return;
    std::optional<Peer> peer = peer_of(connection.fd.get());
    if (!peer) continue;
    if (!may_attach(*peer, options_.allowed)) {
      if (options_.log)
        options_.log("refused " + to_text(*peer) + " on the " + options_.socket +
                     " socket: not root, not this user, not the configured one");
      options_.refuse(connection.fd.get(), "uid " + std::to_string(peer->uid) + " may not " + options_.refusal);
      continue;
    }
    connection.peer = *peer;
    if (!watch(connection.fd.get())) continue;
    if (pending_.size() == kMax) pending_.erase(pending_.begin());
    pending_.push_back({std::move(connection), now_ns + kSilence});
  }
}

std::pair<Received, std::optional<Connection>> Newcomers::take(int fd, std::span<std::byte> message) {
  auto found = std::ranges::find_if(pending_, [&](const Newcomer& one) { return one.connection.fd.get() == fd; });
  if (found == pending_.end()) return {Received::kNothing, std::nullopt};
  Received received = receive_message(fd, message);
  if (received == Received::kNothing) return {Received::kNothing, std::nullopt};
  Connection connection = std::move(found->connection);
  pending_.erase(found);
  return {received, std::move(connection)};
}

}  // namespace culvert::dataplane
