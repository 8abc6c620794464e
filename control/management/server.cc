#include "control/management/server.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "control/io/accept.h"
#include "control/io/clock.h"
#include "control/io/secrets.h"
#include "control/io/unix_socket.h"
#include "dataplane/abi/endpoint_text.h"

namespace culvert::management {
namespace {

/// As the reference makes it: who may talk is decided by the folder, management-client-user and the password.
constexpr mode_t kSocketMode = 0777;

std::string seconds_now() {
  return std::to_string(io::now().wall.time_since_epoch().count());
}

const char* flag_of(io::LogLevel level) {
  switch (level) {
    case io::LogLevel::kDebug:
      return "D";
    case io::LogLevel::kInfo:
      return "I";
    case io::LogLevel::kWarning:
      return "W";
    case io::LogLevel::kError:
      return "N";
  }
  return "";
}

Result<io::Fd> listen_tcp(const abi::Endpoint& at) {
  bool ip4 = at.address.family == abi::Family::kIpv4;
  io::Fd fd(socket(ip4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  int on = 1;
  sockaddr_storage storage{};
  socklen_t size = ip4 ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  if (ip4) {
    auto* address = reinterpret_cast<sockaddr_in*>(&storage);
    address->sin_family = AF_INET;
    address->sin_port = htons(at.port);
    std::memcpy(&address->sin_addr, at.address.bytes.data(), 4);
  } else {
    auto* address = reinterpret_cast<sockaddr_in6*>(&storage);
    address->sin6_family = AF_INET6;
    address->sin6_port = htons(at.port);
    std::memcpy(&address->sin6_addr, at.address.bytes.data(), 16);
  }
  if (!fd || setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      bind(fd.get(), reinterpret_cast<const sockaddr*>(&storage), size) != 0 || ::listen(fd.get(), 8) != 0)
    return Error{"management " + abi::to_text(at) + ": " + std::strerror(errno)};
  return fd;
}

}  // namespace

Result<std::unique_ptr<Server>> Server::listen(io::EventLoop& loop, Listen settings, Daemon& daemon) {
  Result<io::Fd> fd =
      settings.path.empty() ? listen_tcp(settings.tcp) : io::listen_unix(settings.path, SOCK_STREAM, kSocketMode, 8);
  if (!fd) return Error{fd.error()};
  std::unique_ptr<Server> server(new Server(loop, std::move(settings), daemon, std::move(*fd)));
  Status watched = loop.watch(server->listener_.get(), EPOLLIN, [raw = server.get()](uint32_t) { raw->accept_one(); });
  if (!watched) return Error{watched.error()};
  return server;
}

Server::Server(io::EventLoop& loop, Listen settings, Daemon& daemon, io::Fd listener)
    : loop_(loop),
      settings_(std::move(settings)),
      daemon_(daemon),
      board_(settings_.log_lines),
      listener_(std::move(listener)) {
  board_.hold = settings_.hold;
  board_.waiting = settings_.hold;
}

Server::~Server() {
  if (connected()) {
    settle();
    if (connected()) drop("");
  }
  loop_.unwatch(listener_.get());
  loop_.cancel(flush_timer_);
  loop_.cancel(accept_again_);
  if (!settings_.path.empty()) unlink(settings_.path.c_str());
  io::wipe(settings_.dialogue.password.data(), settings_.dialogue.password.size());
}

bool Server::may_connect(int fd) const {
  if (settings_.path.empty() || (!settings_.client_user && !settings_.client_group)) return true;
  Result<io::PeerCredentials> who = io::peer_credentials(fd);
  bool user = who && (!settings_.client_user || who->uid == *settings_.client_user);
  bool group = who && (!settings_.client_group || who->gid == *settings_.client_group);
  if (user && group) return true;
  io::log(io::LogLevel::kWarning, "management client refused: uid " + std::to_string(who ? who->uid : 0) + ", gid " +
                                      std::to_string(who ? who->gid : 0) +
                                      " is not what management-client-user and -group ask for");
  return false;
}

void Server::accept_one() {
  io::Fd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd && io::none_can_be_accepted(errno)) {
    loop_.set_events(listener_.get(), 0);
    accept_again_ = loop_.at(io::mono_now() + io::kAcceptAgainAfter, [this] { listen_again(); });
  }
  if (!fd || !may_connect(fd.get())) return;
  client_ = std::move(fd);
  loop_.set_events(listener_.get(), 0);  // the next one waits until this one is gone
  Status watched = loop_.watch(client_.get(), EPOLLIN, [this](uint32_t events) { on_ready(events); });
  if (!watched) {
    client_.reset();
    return listen_again();
  }
  io::log(io::LogLevel::kDebug, "management client connected");
  dialogue_ = std::make_unique<Dialogue>(settings_.dialogue, board_, daemon_);
  // A client without the password would keep all others out for ever.
  if (!dialogue_->authorized())
    password_timer_ = loop_.at(io::mono_now() + kPasswordWithin, [this] {
      if (dialogue_ && !dialogue_->authorized()) drop("gave no password");
    });
  settle();
}

void Server::on_ready(uint32_t events) {
  if (!leaving_ && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && !read_some()) begin_farewell();
  settle();
}

bool Server::read_some() {
  std::array<char, 4096> buffer;
  ssize_t n = recv(client_.get(), buffer.data(), buffer.size(), 0);
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  if (n == 0) return false;
  answer([&] { dialogue_->feed({buffer.data(), static_cast<size_t>(n)}, io::now()); });
  io::wipe(buffer.data(), static_cast<size_t>(n));  // it may be the password
  return true;
}

template <class Answering>
void Server::answer(Answering answering) {
  busy_ = true;
  answering();
  busy_ = false;
  answered_ = dialogue_->output().size();
}

void Server::settle() {
  std::string& out = dialogue_->output();
  size_t sent = 0;
  while (sent < out.size()) {
    ssize_t n = send(client_.get(), out.data() + sent, out.size() - sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != EAGAIN) return drop("");
    if (n < 0) break;
    sent += static_cast<size_t>(n);
  }
  out.erase(0, sent);
  answered_ -= std::min(answered_, sent);
  if (out.size() > answered_ + kMostOutput) return drop("does not read what it is told");
  if (dialogue_->finished()) begin_farewell();
  // `status` of many clients is more than a socket holds, and scripts say `quit` right behind it.
  const bool more = dialogue_->has_more();
  if (leaving_ && out.empty() && !more) return drop("");
  const bool lags = out.size() >= kEnoughOutput;
  const bool deaf = lags || more || leaving_ || dialogue_->paused();
  loop_.set_events(client_.get(), (deaf ? 0u : EPOLLIN) | (out.empty() ? 0u : EPOLLOUT));
  if (more && !lags) go_on_soon();
  schedule();
}

void Server::go_on_soon() {
  if (turn_timer_ != 0) return;
  turn_timer_ = loop_.at(io::mono_now(), [this] {
    turn_timer_ = 0;
    if (!connected()) return;
    answer([&] { dialogue_->go_on(io::now()); });
    settle();
  });
}

void Server::begin_farewell() {
  if (std::exchange(leaving_, true)) return;
  farewell_timer_ = loop_.at(io::mono_now() + settings_.farewell, [this] {
    if (connected()) drop("does not read what it asked for");
  });
}

void Server::schedule() {
  loop_.cancel(timer_);
  timer_ = 0;
  auto deadline = dialogue_->next_deadline();
  if (!deadline || leaving_) return;
  timer_ = loop_.at(*deadline, [this] {
    if (!connected()) return;
    // A reader that lags behind gets no more numbers until it has caught up.
    if (dialogue_->output().size() > kEnoughOutput) {
      timer_ = loop_.at(io::mono_now() + std::chrono::seconds(1), [this] {
        if (connected()) settle();
      });
      return;
    }
    busy_ = true;
    dialogue_->tick(io::now());
    busy_ = false;
    settle();
  });
}

void Server::drop(const std::string& why) {
  loop_.cancel(timer_);
  loop_.cancel(password_timer_);
  loop_.cancel(farewell_timer_);
  loop_.cancel(turn_timer_);
  timer_ = password_timer_ = farewell_timer_ = turn_timer_ = 0;
  leaving_ = false;
  answered_ = 0;
  loop_.unwatch(client_.get());
  client_.reset();
  dialogue_.reset();
  listen_again();
  if (!why.empty()) io::log(io::LogLevel::kWarning, "management client dropped: it " + why);
}

void Server::listen_again() {
  loop_.set_events(listener_.get(), EPOLLIN);
}

void Server::on_log(io::LogLevel level, std::string_view text) {
  std::string entry = seconds_now() + "," + flag_of(level) + "," + std::string(text);
  board_.log.add(entry);
  if (!dialogue_ || !connected() || leaving_) return;
  dialogue_->on_log(entry);
  // Sent from the loop: log lines are written in the midst of anything.
  if (busy_ || flush_timer_ != 0) return;
  flush_timer_ = loop_.at(io::mono_now(), [this] {
    flush_timer_ = 0;
    if (connected()) settle();
  });
}

void Server::set_state(std::string_view state, std::string_view details) {
  std::string entry = seconds_now() + "," + std::string(state) + "," + std::string(details);
  board_.state.add(entry);
  if (!connected() || leaving_) return;
  dialogue_->on_state(entry);
  if (!busy_) settle();
}

void Server::notify(std::string_view line) {
  if (!connected() || leaving_) return;
  dialogue_->notify(line);
  if (!busy_) settle();
}

}  // namespace culvert::management
