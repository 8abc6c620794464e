#include "tools/culvert/admin_client.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include "control/io/clock.h"
#include "control/io/unix_socket.h"

namespace culvert::cli {
namespace {

using nlohmann::ordered_json;

class Conversation {
 public:
  Conversation(io::Fd fd, std::chrono::milliseconds within) : fd_(std::move(fd)), deadline_(io::mono_now() + within) {}

  bool send_all(const std::string& text) {
    for (size_t sent = 0; sent < text.size();) {
      if (!wait_for(POLLOUT)) return false;
      ssize_t n = send(fd_.get(), text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (n < 0 && errno != EAGAIN && errno != EINTR) return false;
      if (n > 0) sent += static_cast<size_t>(n);
    }
    return true;
  }

  /// Up to the first newline; nothing when the time is over or the other end closed before.
  std::optional<std::string> receive_line() {
    std::string line;
    std::array<char, 65536> buffer;
    while (wait_for(POLLIN)) {
      ssize_t n = recv(fd_.get(), buffer.data(), buffer.size(), 0);
      if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
      if (n <= 0) return std::nullopt;
      line.append(buffer.data(), static_cast<size_t>(n));
      if (line.back() == '\n') return line;
    }
    return std::nullopt;
  }

 private:
  bool wait_for(short events) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - io::mono_now()).count();
    pollfd wait{fd_.get(), events, 0};
    return left > 0 && poll(&wait, 1, static_cast<int>(left)) > 0;
  }

  io::Fd fd_;
  MonoTime deadline_;
};

}  // namespace

Result<ordered_json> ask(const std::string& run_dir, const ordered_json& request, std::chrono::milliseconds within) {
  const std::string path = run_dir + "/admin.sock";
  Result<io::Fd> fd = io::connect_unix(path, SOCK_STREAM);
  if (!fd) {
    if (fd.error().ends_with(std::strerror(EACCES)))
      return Error{fd.error() + ": run as root, or as a member of the gateway's group"};
    if (fd.error().ends_with(std::strerror(ECONNREFUSED)))
      return Error{"culvert-control of " + run_dir + " does not run (" + fd.error() +
                   "): `culvert up` and systemd start it again within seconds, and clients stay connected meanwhile; "
                   "if neither runs, start `culvert up`"};
    return Error{"no gateway runs with run dir " + run_dir + " (" + fd.error() +
                 "): start one with `culvert up`, or name another with --run-dir"};
  }
  Conversation conversation(std::move(*fd), within);
  if (!conversation.send_all(request.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n"))
    return Error{"the gateway of " + run_dir + " does not take questions: is culvert-control stopped?"};
  auto line = conversation.receive_line();
  if (!line) return Error{"the gateway of " + run_dir + " does not answer: is culvert-control stopped or just ending?"};
  ordered_json answer = ordered_json::parse(*line, nullptr, /*allow_exceptions=*/false);
  if (!answer.is_object() || !answer.contains("ok")) return Error{"the gateway's answer makes no sense: " + *line};
  if (answer["ok"] == true) return answer.value("data", ordered_json());
  return Error{answer.value("error", "refused without a reason")};
}

}  // namespace culvert::cli
