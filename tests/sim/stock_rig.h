// The installed OpenVPN client as a child process, and the server engine on a loopback UDP socket for it.
#pragma once

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "dataplane/wire/openvpn.h"
#include "tests/sim/world.h"

extern char** environ;

namespace culvert::sim {
using namespace openvpn;
using namespace std::chrono_literals;

inline constexpr const char* kClient = "/usr/sbin/openvpn";

inline Now real_now() {
  auto mono = std::chrono::steady_clock::now().time_since_epoch();
  return {MonoTime(std::chrono::duration_cast<std::chrono::nanoseconds>(mono)),
          std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now())};
}

/// The stock client as a child process; what it prints can be searched.
class StockClient {
 public:
  explicit StockClient(const std::vector<std::string>& arguments) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
    std::vector<std::string> all = {kClient};
    all.insert(all.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& argument : all) argv.push_back(argument.data());
    argv.push_back(nullptr);
    if (posix_spawn(&pid_, kClient, &actions, nullptr, argv.data(), environ) != 0) pid_ = -1;
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    output_ = ends[0];
    fcntl(output_, F_SETFL, O_NONBLOCK);
  }
  ~StockClient() {
    if (pid_ > 0 && !exited()) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    if (output_ >= 0) close(output_);
  }
  StockClient(const StockClient&) = delete;

  int output() const { return output_; }
  void read_output() {
    char buffer[4096];
    for (ssize_t n; (n = read(output_, buffer, sizeof buffer)) > 0;) text_.append(buffer, static_cast<size_t>(n));
  }
  const std::string& text() const { return text_; }
  size_t count(std::string_view what) const {
    size_t found = 0;
    for (size_t at = text_.find(what); at != std::string::npos; at = text_.find(what, at + 1)) ++found;
    return found;
  }
  void terminate() { kill(pid_, SIGTERM); }
  bool exited() {
    if (!exited_ && waitpid(pid_, nullptr, WNOHANG) == pid_) exited_ = true;
    return exited_;
  }

 private:
  pid_t pid_ = -1;
  int output_ = -1;
  bool exited_ = false;
  std::string text_;
};

/// Runs a server engine over a real socket, with a model of a worker.
class LoopbackServer {
 public:
  explicit LoopbackServer(ServerSettings settings)
      : random_(seed()), ids_(16), server_(std::move(settings), ids_, random_) {
    socket_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address);
    socklen_t size = sizeof address;
    getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
    port = ntohs(address.sin_port);
  }
  ~LoopbackServer() { close(socket_); }
  LoopbackServer(const LoopbackServer&) = delete;

  /// Serves until `condition` holds. False: `limit` passed first.
  bool serve(StockClient& client, std::chrono::seconds limit, const std::function<bool()>& condition) {
    MonoTime end = real_now().mono + limit;
    for (;;) {
      client.read_output();
      if (condition()) return true;
      Now now = real_now();
      if (now.mono >= end) return false;
      MonoTime wake = std::min(end, now.mono + 1s);
      if (auto deadline = server_.next_deadline()) wake = std::min(wake, *deadline);
      auto wait = std::chrono::ceil<std::chrono::milliseconds>(std::max(wake - now.mono, 0ns));
      pollfd descriptors[2] = {{socket_, POLLIN, 0}, {client.output(), POLLIN, 0}};
      poll(descriptors, client.exited() ? 1 : 2, static_cast<int>(wait.count()));
      receive_all();
      server_.tick(real_now());
      carry_out();
    }
  }
  Server& engine() { return server_; }
  void carry_out() {
    for (Outputs outputs = server_.take_outputs(); !outputs.empty(); outputs = server_.take_outputs())
      for (Output& output : outputs) carry_out(output);
  }

  uint16_t port = 0;
  WorkerModel worker;
  std::vector<SessionEnded> ended;
  bool refuse = false;
  std::vector<std::string> push;
  uint64_t data_packets = 0;

 private:
  void receive_all() {
    uint8_t buffer[2048];
    sockaddr_in from{};
    socklen_t size = sizeof from;
    for (ssize_t n;
         (n = recvfrom(socket_, buffer, sizeof buffer, 0, reinterpret_cast<sockaddr*>(&from), &size)) >= 0;) {
      abi::Endpoint remote;
      remote.address.family = abi::Family::kIpv4;
      std::memcpy(remote.address.bytes.data(), &from.sin_addr, 4);
      remote.port = ntohs(from.sin_port);
      std::span<const uint8_t> bytes(buffer, static_cast<size_t>(n));
      auto first = culvert::wire::read_opcode(bytes);
      if (first && culvert::wire::is_data(first->opcode))
        ++data_packets;
      else
        server_.receive({remote, {}, 0, bytes}, real_now());
      carry_out();
    }
  }
  void carry_out(Output& output) {
    if (auto* packet = std::get_if<SendPacket>(&output)) {
      sockaddr_in to{};
      to.sin_family = AF_INET;
      to.sin_port = htons(packet->remote.port);
      std::memcpy(&to.sin_addr, packet->remote.address.bytes.data(), 4);
      sendto(socket_, packet->bytes.data(), packet->bytes.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to);
    } else if (auto* command = std::get_if<SendCommand>(&output)) {
      worker.carry_out(command->command);
    } else if (auto* end = std::get_if<SessionEnded>(&output)) {
      ended.push_back(*end);
    } else if (auto* request = std::get_if<ConnectRequest>(&output)) {
      if (refuse) return server_.refuse(request->session, "no entry today", "test refuses", real_now());
      ClientGrant grant;
      grant.ip4 = {10, 8, 0, 2};
      grant.ip4_gateway = {10, 8, 0, 1};
      grant.push = push;
      server_.accept(request->session, grant, real_now());
    }
  }

  SeededRandom random_;
  SimplePeerIds ids_;
  Server server_;
  int socket_ = -1;
};

}  // namespace culvert::sim
