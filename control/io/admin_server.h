// The admin socket (RUN_DIR/admin.sock): one JSON object per line in, one per line out. What is asked and answered is
// the handler's; here is only that no client can hold up the loop, another client, or memory.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <unordered_map>

#include "control/io/event_loop.h"
#include "control/io/unix_socket.h"

namespace culvert::io {

struct AdminLimits {
  size_t request_bytes = 64 * 1024;
  size_t connections = 128;
  std::chrono::milliseconds deadline{5000};  ///< for a request to arrive whole, and again for its answer to be taken
};

class AdminServer {
 public:
  /// Answers one request. May throw nlohmann's exceptions (a field of the wrong type): they become the error's text.
  using Handler = std::function<nlohmann::ordered_json(const nlohmann::json& request, const PeerCredentials& who)>;

  /// Listens at `path` with mode 0660. The loop outlives the server.
  static Result<std::unique_ptr<AdminServer>> listen(EventLoop& loop, const std::string& path, Handler handler,
                                                     AdminLimits limits = {});
  ~AdminServer();
  AdminServer(const AdminServer&) = delete;

  /// At the end the socket's file stays: whoever connects is refused by it instead of finding nothing there, until the
  /// next control listens in its place.
  void leave_file() { leaves_file_ = true; }

  size_t connections() const { return connections_.size(); }

 private:
  struct Connection;

  AdminServer(EventLoop& loop, std::string path, Fd listener, Handler handler, AdminLimits limits);
  void accept_all();
  void pause_accepting();
  void on_ready(Connection& connection, uint32_t events);
  bool read_some(Connection& connection);
  void answer_one(Connection& connection);
  bool write_some(Connection& connection);
  void expect_by_deadline(Connection& connection);
  void drop(int fd);

  EventLoop& loop_;
  std::string path_;
  Fd listener_;
  Handler handler_;
  AdminLimits limits_;
  EventLoop::TimerId accept_again_ = 0;
  bool leaves_file_ = false;
  std::unordered_map<int, std::unique_ptr<Connection>> connections_;
};

/// The answer, one line, to what may be a request.
std::string admin_answer(std::string_view line, const AdminServer::Handler& handler, const PeerCredentials& who);

/// {"ok": true, "data": …}
nlohmann::ordered_json admin_ok(nlohmann::ordered_json data);
/// {"ok": false, "error": text}
nlohmann::ordered_json admin_error(const std::string& text);

}  // namespace culvert::io
