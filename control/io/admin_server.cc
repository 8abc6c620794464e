#include "control/io/admin_server.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "control/io/accept.h"
#include "control/io/clock.h"

namespace culvert::io {

using nlohmann::json;
using nlohmann::ordered_json;

struct AdminServer::Connection {
  Fd fd;
  PeerCredentials who;
  std::string in;
  std::string out;
  bool close_when_sent = false;
  EventLoop::TimerId deadline = 0;
};

ordered_json admin_ok(ordered_json data) {
  return {{"ok", true}, {"data", std::move(data)}};
}
ordered_json admin_error(const std::string& text) {
  return {{"ok", false}, {"error", text}};
}

namespace {

// What stands in certificates need not be UTF-8; JSON must be.
std::string one_line(const ordered_json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace

Result<std::unique_ptr<AdminServer>> AdminServer::listen(EventLoop& loop, const std::string& path, Handler handler,
                                                         AdminLimits limits) {
  Result<Fd> fd = listen_unix(path, SOCK_STREAM, 0660, 64);
  if (!fd) return Error{fd.error()};
  int number = fd->get();
  std::unique_ptr<AdminServer> server(new AdminServer(loop, path, std::move(*fd), std::move(handler), limits));
  Status status = loop.watch(number, EPOLLIN, [raw = server.get()](uint32_t) { raw->accept_all(); });
  if (!status) return Error{status.error()};
  return server;
}

AdminServer::AdminServer(EventLoop& loop, std::string path, Fd listener, Handler handler, AdminLimits limits)
    : loop_(loop),
      path_(std::move(path)),
      listener_(std::move(listener)),
      handler_(std::move(handler)),
      limits_(limits) {}

AdminServer::~AdminServer() {
  while (!connections_.empty()) drop(connections_.begin()->first);
  loop_.cancel(accept_again_);
  loop_.unwatch(listener_.get());
  if (!leaves_file_) unlink(path_.c_str());
}

void AdminServer::drop(int fd) {
  auto found = connections_.find(fd);
  if (found == connections_.end()) return;
  loop_.unwatch(fd);
  loop_.cancel(found->second->deadline);
  connections_.erase(found);
}

void AdminServer::expect_by_deadline(Connection& connection) {
  loop_.cancel(connection.deadline);
  connection.deadline = loop_.at(mono_now() + limits_.deadline, [this, fd = connection.fd.get()] { drop(fd); });
}

void AdminServer::accept_all() {
  // A bounded number per pass; the rest is still readable in the next.
  for (int i = 0; i < 32; ++i) {
    Fd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd) {
      if (none_can_be_accepted(errno)) pause_accepting();
      return;
    }
    if (connections_.size() >= limits_.connections) {
      std::string text = one_line(admin_error("too many connections to the admin socket: try again"));
      (void)send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL);
      continue;
    }
    Result<PeerCredentials> who = peer_credentials(fd.get());
    if (!who) continue;
    int number = fd.get();
    auto connection = std::make_unique<Connection>();
    connection->fd = std::move(fd);
    connection->who = *who;
    Connection* raw = connection.get();
    connections_[number] = std::move(connection);
    expect_by_deadline(*raw);
    Status status = loop_.watch(number, EPOLLIN, [this, raw](uint32_t events) { on_ready(*raw, events); });
    if (!status) drop(number);
  }
}

void AdminServer::pause_accepting() {
  loop_.set_events(listener_.get(), 0);
  accept_again_ = loop_.at(mono_now() + kAcceptAgainAfter, [this] { loop_.set_events(listener_.get(), EPOLLIN); });
}

void AdminServer::on_ready(Connection& connection, uint32_t events) {
  int fd = connection.fd.get();
  if (!write_some(connection)) return drop(fd);
  if (connection.out.empty()) {
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && !read_some(connection)) return drop(fd);
    // One request per pass: a client that sends a thousand at once waits for its own answers, nobody else does.
    answer_one(connection);
    if (!write_some(connection)) return drop(fd);
  }
  bool more = connection.in.find('\n') != std::string::npos || (connection.close_when_sent && !connection.in.empty());
  if (connection.out.empty() && !more && connection.close_when_sent) return drop(fd);
  // While an answer waits to be taken, nothing more is read: a client that only asks can't fill our memory.
  loop_.set_events(fd, more || !connection.out.empty() ? EPOLLOUT : EPOLLIN);
}

bool AdminServer::read_some(Connection& connection) {
  std::array<char, 4096> buffer;
  for (int i = 0; i < 17; ++i) {  // a whole request of the largest size in one pass, not more
    ssize_t n = recv(connection.fd.get(), buffer.data(), buffer.size(), 0);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    if (n == 0) {
      connection.close_when_sent = true;
      return !connection.in.empty();  // a last line without its newline still gets its answer
    }
    connection.in.append(buffer.data(), static_cast<size_t>(n));
    if (connection.in.size() > limits_.request_bytes) return true;
  }
  return true;
}

void AdminServer::answer_one(Connection& connection) {
  std::string& in = connection.in;
  size_t end = in.find('\n');
  bool whole = end != std::string::npos || (connection.close_when_sent && !in.empty());
  if (std::min(end, in.size()) > limits_.request_bytes) {
    in.clear();
    connection.out =
        one_line(admin_error("request is longer than " + std::to_string(limits_.request_bytes) + " bytes"));
    connection.close_when_sent = true;
  } else if (whole) {
    connection.out = admin_answer(std::string_view(in).substr(0, end), handler_, connection.who);
    in.erase(0, end == std::string::npos ? in.size() : end + 1);
  }
  if (!connection.out.empty()) expect_by_deadline(connection);
}

std::string admin_answer(std::string_view line, const AdminServer::Handler& handler, const PeerCredentials& who) {
  json request = json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!request.is_object()) return one_line(admin_error("a request is one JSON object on a line of its own"));
  try {
    return one_line(handler(request, who));
  } catch (const json::exception& error) {
    return one_line(admin_error(std::string("request has a field of the wrong type: ") + error.what()));
  }
}

bool AdminServer::write_some(Connection& connection) {
  while (!connection.out.empty()) {
    ssize_t n = send(connection.fd.get(), connection.out.data(), connection.out.size(), MSG_NOSIGNAL);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    connection.out.erase(0, static_cast<size_t>(n));
    if (connection.out.empty()) expect_by_deadline(connection);
  }
  return true;
}

}  // namespace culvert::io
