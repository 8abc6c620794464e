#include "dataplane/link/setup_server.h"

#include <algorithm>

#include "dataplane/link/setup_requests.h"

namespace culvert::dataplane {
namespace {

constexpr const char* kWrongSize =
    "message is no request of this version: dataplane and control were built from different sources";

/// False: the connection is of no use any more.
bool send_reply(int fd, abi::ReplyStatus status, const std::string& text, std::span<const int> descriptors = {}) {
  abi::Reply reply{};
  reply.status = status;
  std::copy_n(text.begin(), std::min(text.size(), reply.text.size() - 1), reply.text.begin());
  return send_message(fd, std::as_bytes(std::span(&reply, 1)), descriptors);
}

std::span<std::byte> bytes_of(abi::Request& request) {
  return std::as_writable_bytes(std::span(&request, 1));
}

}  // namespace

SetupServer::SetupServer(drivers::FileDescriptor listener, Options options, SetupHandler& handler)
    : options_(std::move(options)),
      handler_(handler),
      newcomers_(
          std::move(listener),
          {.allowed = options_.allowed,
           .socket = "setup",
           .refusal = "attach to this dataplane: run control as root or as the dataplane's own user, or start the "
                      "dataplane with --control-uid",
           .log = options_.log,
           .refuse = [](int fd, const std::string& why) { send_reply(fd, abi::ReplyStatus::kFailed, why); }}) {}

void SetupServer::log(const std::string& line) const {
  if (options_.log) options_.log(line);
}

void SetupServer::serve(uint64_t now_ns) {
  newcomers_.serve(now_ns, [this](int fd) {
    if (fd == control_.fd.get())
      serve_control();
    else
      serve_newcomer(fd);
  });
}

void SetupServer::serve_newcomer(int fd) {
  abi::Request request{};
  auto [received, connection] = newcomers_.take(fd, bytes_of(request));
  if (received == Received::kWrongSize) {
    send_reply(fd, abi::ReplyStatus::kFailed, kWrongSize);
    log(std::string("refused control: ") + kWrongSize);
  } else if (received == Received::kMessage) {
    greet(*std::move(connection), request);
  }
}

/// Answers the first message of a connection; the connection ends here unless it becomes the attached one.
void SetupServer::greet(Connection connection, const abi::Request& request) {
  auto refuse = [&](const std::string& why) {
    log("refused control (" + to_text(connection.peer) + "): " + why);
    send_reply(connection.fd.get(), abi::ReplyStatus::kFailed, why);
  };
  if (request.kind != abi::RequestKind::kHello) return refuse("the first request must be a Hello");
  if (auto fits = check_hello(request.body.hello); !fits) return refuse(fits.error());
  if (is_attached()) return refuse("another control is attached (pid " + std::to_string(control_.peer.pid) + ")");
  if (!send_reply(connection.fd.get(), abi::ReplyStatus::kDone, "", options_.handover)) return;
  control_ = std::move(connection);
  log("control attached (" + to_text(control_.peer) + ")");
}

void SetupServer::serve_control() {
  abi::Request request{};
  Received received = receive_message(control_.fd.get(), bytes_of(request));
  if (received == Received::kNothing) return;
  bool alive = received != Received::kClosed;
  if (received == Received::kWrongSize) {
    alive = send_reply(control_.fd.get(), abi::ReplyStatus::kFailed, kWrongSize);
  } else if (received == Received::kMessage) {
    Result<std::string> result = carry_out(request);
    if (!result) log("refused a request of control: " + result.error());
    alive = send_reply(control_.fd.get(), result ? abi::ReplyStatus::kDone : abi::ReplyStatus::kFailed,
                       result ? *result : result.error());
  }
  if (alive) return;
  // It may have crashed, or have ended every session in an orderly stop, perhaps of all of the gateway.
  log("control has left (" + to_text(control_.peer) +
      "): sessions that it has not ended go on, new clients and renegotiations wait for the next control");
  control_ = Connection();
}

Result<std::string> SetupServer::carry_out(const abi::Request& request) {
  switch (request.kind) {
    case abi::RequestKind::kHello:
      return Error{"already attached"};
    case abi::RequestKind::kOpenPort:
      if (auto sane = check_open_port(request.body.open_port); !sane) return Error{sane.error()};
      return request.body.open_port.port == abi::kFindPort ? handler_.find_port(request.body.open_port)
                                                           : handler_.open_port(request.body.open_port);
    case abi::RequestKind::kKeepPorts:
      return handler_.keep_ports(request.body.keep_ports);
    case abi::RequestKind::kOpenTun:
      if (auto sane = check_open_tun(request.body.open_tun); !sane) return Error{sane.error()};
      return handler_.open_tun(request.body.open_tun);
  }
  return Error{"unknown request " + std::to_string(static_cast<uint32_t>(request.kind))};
}

}  // namespace culvert::dataplane
