#include "dataplane/link/setup_server.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <limits>

#include "dataplane/link/setup_requests.h"

namespace culvert::dataplane {
namespace {

constexpr const char* kWrongSize =
    "message is no request of this version: dataplane and control were built from different sources";

std::string who(const Peer& peer) {
  return "pid " + std::to_string(peer.pid) + ", uid " + std::to_string(peer.uid);
}

}  // namespace

SetupServer::SetupServer(drivers::FileDescriptor listener, Options options, SetupHandler& handler)
    : listener_(std::move(listener)),
      options_(std::move(options)),
      handler_(handler),
      epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  watch(listener_.get());
}

bool SetupServer::watch(int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

void SetupServer::log(const std::string& line) const {
  if (options_.log) options_.log(line);
}

uint64_t SetupServer::deadline_ns() const {
  uint64_t first = std::numeric_limits<uint64_t>::max();
  for (const Connection& connection : pending_) first = std::min(first, connection.deadline_ns);
  return first;
}

void SetupServer::serve(uint64_t now_ns) {
  std::array<epoll_event, 16> events;
  int count = epoll_wait(epoll_.get(), events.data(), events.size(), 0);
  bool newcomers = false;
  for (int i = 0; i < count; ++i) {
    int fd = events[static_cast<size_t>(i)].data.fd;
    if (fd == listener_.get())
      newcomers = true;  // last: a new connection must not get the number of one that is closed in this round
    else if (fd == control_.fd.get())
      serve_control();
    else
      serve_pending(fd);
  }
  std::erase_if(pending_, [&](const Connection& connection) { return connection.deadline_ns <= now_ns; });
  if (newcomers) accept_all(now_ns);
}

void SetupServer::accept_all(uint64_t now_ns) {
  for (size_t i = 0; i < kMaxPending; ++i) {
    Connection connection{accept_on(listener_.get()), {}, now_ns + kHelloDeadline};
    if (!connection.fd) return;
    std::optional<Peer> peer = peer_of(connection.fd.get());
    if (!peer) continue;
    if (!may_attach(*peer, options_.allowed)) {
      log("refused " + who(*peer) + " on the setup socket: not root, not this user, not the configured one");
      send_reply(
          connection.fd.get(), abi::ReplyStatus::kFailed,
          "uid " + std::to_string(peer->uid) +
              " may not attach to this dataplane: run control as root or as the dataplane's own user, or start the "
              "dataplane with --control-uid");
      continue;
    }
    connection.peer = *peer;
    if (!watch(connection.fd.get())) continue;
    if (pending_.size() == kMaxPending) pending_.erase(pending_.begin());
    pending_.push_back(std::move(connection));
  }
}

void SetupServer::serve_pending(int fd) {
  auto found =
      std::find_if(pending_.begin(), pending_.end(), [&](const Connection& one) { return one.fd.get() == fd; });
  if (found == pending_.end()) return;
  abi::Request request{};
  Received received = receive_request(fd, request);
  if (received == Received::kNothing) return;
  Connection connection = std::move(*found);
  pending_.erase(found);
  if (received == Received::kWrongSize) {
    send_reply(fd, abi::ReplyStatus::kFailed, kWrongSize);
    log(std::string("refused control: ") + kWrongSize);
  } else if (received == Received::kRequest) {
    greet(std::move(connection), request);
  }
}

/// Answers the first message of a connection; the connection ends here unless it becomes the attached one.
void SetupServer::greet(Connection connection, const abi::Request& request) {
  auto refuse = [&](const std::string& why) {
    log("refused control (" + who(connection.peer) + "): " + why);
    send_reply(connection.fd.get(), abi::ReplyStatus::kFailed, why);
  };
  if (request.kind != abi::RequestKind::kHello) return refuse("the first request must be a Hello");
  if (auto fits = check_hello(request.body.hello); !fits) return refuse(fits.error());
  if (is_attached()) return refuse("another control is attached (pid " + std::to_string(control_.peer.pid) + ")");
  if (!send_reply(connection.fd.get(), abi::ReplyStatus::kDone, "", options_.handover)) return;
  control_ = std::move(connection);
  log("control attached (" + who(control_.peer) + ")");
}

void SetupServer::serve_control() {
  abi::Request request{};
  Received received = receive_request(control_.fd.get(), request);
  if (received == Received::kNothing) return;
  bool alive = received != Received::kClosed;
  if (received == Received::kWrongSize) {
    alive = send_reply(control_.fd.get(), abi::ReplyStatus::kFailed, kWrongSize);
  } else if (received == Received::kRequest) {
    Result<std::string> result = carry_out(request);
    if (!result) log("refused a request of control: " + result.error());
    alive = send_reply(control_.fd.get(), result ? abi::ReplyStatus::kDone : abi::ReplyStatus::kFailed,
                       result ? *result : result.error());
  }
  if (alive) return;
  log("control is gone (" + who(control_.peer) + "): sessions go on, new clients and renegotiations wait for it");
  control_ = Connection();
}

Result<std::string> SetupServer::carry_out(const abi::Request& request) {
  switch (request.kind) {
    case abi::RequestKind::kHello:
      return Error{"already attached"};
    case abi::RequestKind::kOpenPort:
      if (auto sane = check_open_port(request.body.open_port); !sane) return Error{sane.error()};
      return handler_.open_port(request.body.open_port);
    case abi::RequestKind::kKeepPorts:
      return handler_.keep_ports(request.body.keep_ports);
    case abi::RequestKind::kOpenTun:
      if (auto sane = check_open_tun(request.body.open_tun); !sane) return Error{sane.error()};
      return handler_.open_tun(request.body.open_tun);
  }
  return Error{"unknown request " + std::to_string(static_cast<uint32_t>(request.kind))};
}

}  // namespace culvert::dataplane
