// The server engine on a loopback UDP socket against the installed OpenVPN client (`--dev null`: needs neither root nor
// a TUN): every wrap and TLS version up to "Initialization Sequence Completed", then renegotiations from both sides,
// then goodbyes. Skipped where there is no client at /usr/sbin/openvpn.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "control/openvpn/key_files.h"
#include "dataplane/wire/openvpn.h"
#include "tests/sim/world.h"

extern char** environ;

namespace culvert::sim {
namespace {

using namespace openvpn;
using namespace std::chrono_literals;

constexpr const char* kClient = "/usr/sbin/openvpn";

Now real_now() {
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

class Stock : public ::testing::Test {
 protected:
  void SetUp() override {
    if (access(kClient, X_OK) != 0) GTEST_SKIP() << kClient << " is not installed";
    std::string name = (std::filesystem::temp_directory_path() / "culvert-stock-XXXXXX").string();
    directory_ = mkdtemp(name.data());
    Authority ca(real_now().wall);
    settings_ = server_settings();
    settings_.tls = ca.server();
    settings_.reneg_sec = 0s;
    crypto::Identity alice = ca.issue("alice", crypto::CertificateUse::kClient);
    arguments_ = {"--client",
                  "--dev",
                  "null",
                  "--ifconfig-noexec",
                  "--route-noexec",
                  "--nobind",
                  "--verb",
                  "4",
                  "--ca",
                  file("ca", ca.certificate()),
                  "--cert",
                  file("cert", alice.certificate_pem),
                  "--key",
                  file("key", alice.key_pem),
                  "--remote-cert-tls",
                  "server",
                  "--connect-retry-max",
                  "1",
                  "--resolv-retry",
                  "0",
                  "--proto",
                  "udp4"};
    ca_ = std::make_unique<Authority>(ca);
  }
  void TearDown() override {
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
  }
  std::string file(const std::string& name, const std::string& content) {
    std::string path = directory_ + "/" + name;
    std::ofstream(path) << content;
    chmod(path.c_str(), 0600);
    return path;
  }
  void add(std::initializer_list<std::string> more) { arguments_.insert(arguments_.end(), more); }
  void use_wrap(WrapKind kind) {
    SeededRandom random(9);
    settings_.wrap.kind = kind;
    if (kind == WrapKind::kTlsCryptV2) {
      settings_.wrap.server_key = make_tls_crypt_v2_server_key(random);
      auto key = make_tls_crypt_v2_client_key(settings_.wrap.server_key, random, real_now().wall);
      add({"--tls-crypt-v2", file("v2.key", *write_tls_crypt_v2_client_key(*key))});
    } else if (kind != WrapKind::kNone) {
      settings_.wrap.key = make_static_key(random);
      std::string path = file("static.key", write_static_key(settings_.wrap.key));
      if (kind == WrapKind::kTlsAuth) {
        settings_.wrap.direction = 0;
        add({"--tls-auth", path, "1"});
      } else {
        add({"--tls-crypt", path});
      }
    }
  }
  std::vector<std::string> arguments(const LoopbackServer& server) {
    std::vector<std::string> all = arguments_;
    all.insert(all.end(), {"--remote", "127.0.0.1", std::to_string(server.port)});
    return all;
  }

  std::string directory_;
  ServerSettings settings_;
  std::vector<std::string> arguments_;
  std::unique_ptr<Authority> ca_;
};

constexpr const char* kDone = "Initialization Sequence Completed";

struct StockWraps : Stock, ::testing::WithParamInterface<std::tuple<WrapKind, crypto::TlsVersion>> {};

TEST_P(StockWraps, Connects) {
  auto [kind, version] = GetParam();
  settings_.tls = ca_->server(version);
  use_wrap(kind);
  LoopbackServer server(settings_);
  StockClient client(arguments(server));
  ASSERT_TRUE(server.serve(client, 20s, [&] { return client.count(kDone) > 0 || client.exited(); })) << client.text();
  EXPECT_EQ(client.count(kDone), 1u) << client.text();
  EXPECT_EQ(client.count("TLS Error"), 0u) << client.text();
  EXPECT_EQ(client.count("used inconsistently"), 0u) << client.text();
  ASSERT_EQ(server.engine().session_count(), 1u);
  client.terminate();
  EXPECT_TRUE(server.serve(client, 10s, [&] { return client.exited(); }));
}

INSTANTIATE_TEST_SUITE_P(All, StockWraps,
                         ::testing::Combine(::testing::Values(WrapKind::kNone, WrapKind::kTlsAuth, WrapKind::kTlsCrypt,
                                                              WrapKind::kTlsCryptV2),
                                            ::testing::Values(crypto::TlsVersion::kTls12, crypto::TlsVersion::kTls13)));

TEST_F(Stock, RenegotiatesFromBothSides) {
  use_wrap(WrapKind::kTlsCryptV2);
  settings_.reneg_sec = 3s;
  add({"--reneg-sec", "3"});
  LoopbackServer server(settings_);
  StockClient client(arguments(server));
  ASSERT_TRUE(server.serve(client, 40s, [&] {
    return client.exited() ||
           (server.engine().session_count() == 1 && server.engine().sessions()[0].renegotiations >= 9);
  })) << client.text();
  EXPECT_FALSE(client.exited()) << client.text();
  EXPECT_EQ(client.count(kDone), 1u) << client.text();
  EXPECT_EQ(client.count("TLS Error"), 0u) << client.text();
  EXPECT_EQ(client.count("ERROR"), 0u) << client.text();
  EXPECT_EQ(server.worker.errors(), std::vector<std::string>());
}

TEST_F(Stock, IsToldThatItIsRefused) {
  use_wrap(WrapKind::kTlsCrypt);
  LoopbackServer server(settings_);
  server.refuse = true;
  StockClient client(arguments(server));
  ASSERT_TRUE(server.serve(client, 20s, [&] { return client.exited(); })) << client.text();
  EXPECT_GE(client.count("AUTH_FAILED"), 1u) << client.text();
  EXPECT_NE(client.text().find("no entry today"), std::string::npos) << client.text();
}

TEST_F(Stock, LeavesWithExplicitExitNotify) {
  use_wrap(WrapKind::kTlsCryptV2);
  add({"--explicit-exit-notify", "1"});
  LoopbackServer server(settings_);
  StockClient client(arguments(server));
  ASSERT_TRUE(server.serve(client, 20s, [&] { return client.count(kDone) > 0; })) << client.text();
  client.terminate();
  ASSERT_TRUE(server.serve(client, 10s, [&] { return !server.ended.empty(); })) << client.text();
  EXPECT_EQ(server.ended[0].reason, EndReason::kClientExit);
  EXPECT_TRUE(server.serve(client, 10s, [&] { return client.exited(); }));
}

TEST_F(Stock, ObeysHaltAndRestart) {
  use_wrap(WrapKind::kTlsCrypt);
  for (Goodbye goodbye : {Goodbye::kHalt, Goodbye::kRestart}) {
    LoopbackServer server(settings_);
    StockClient client(arguments(server));
    ASSERT_TRUE(server.serve(client, 20s, [&] { return client.count(kDone) > 0; })) << client.text();
    server.engine().disconnect(server.engine().sessions()[0].session, goodbye, EndReason::kKilled, "test", real_now());
    server.carry_out();
    const char* expected = goodbye == Goodbye::kHalt ? "server-pushed-halt" : "server-pushed-connection-reset";
    EXPECT_TRUE(server.serve(client, 10s, [&] { return client.count(expected) > 0; })) << client.text();
  }
}

TEST_F(Stock, TakesAPushInSeveralParts) {
  use_wrap(WrapKind::kNone);
  LoopbackServer server(settings_);
  for (int i = 0; i < 60; ++i) server.push.push_back("route 192.168." + std::to_string(i) + ".0 255.255.255.0");
  StockClient client(arguments(server));
  ASSERT_TRUE(server.serve(client, 20s, [&] { return client.count(kDone) > 0; })) << client.text();
  EXPECT_GE(client.count("push-continuation"), 2u);
  EXPECT_NE(client.text().find("192.168.59.0"), std::string::npos);
}

}  // namespace
}  // namespace culvert::sim
