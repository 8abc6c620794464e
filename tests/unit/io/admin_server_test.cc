#include "control/io/admin_server.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "tests/unit/io/support.h"

namespace culvert::io {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

struct AdminServerTest : ::testing::Test {
  Folder folder;
  std::string path = folder / "admin.sock";
  std::unique_ptr<EventLoop> loop = std::move(*EventLoop::make());
  std::unique_ptr<AdminServer> server;
  int handled = 0;

  void listen(AdminLimits limits = {}) {
    auto made = AdminServer::listen(
        *loop, path,
        [this](const json& request, const PeerCredentials& who) -> ordered_json {
          ++handled;
          if (request.value("command", "") == "big") return admin_ok(std::string(4 << 20, 'x'));
          return admin_ok({{"command", request.value("command", "")}, {"uid", who.uid}});
        },
        limits);
    ASSERT_TRUE(made) << made.error();
    server = std::move(*made);
  }
  Fd connect() {
    auto fd = connect_unix(path, SOCK_STREAM);
    EXPECT_TRUE(fd) << fd.error();
    return std::move(*fd);
  }
  void send_text(const Fd& fd, const std::string& text) {
    for (size_t sent = 0; sent < text.size();) {
      ssize_t n = send(fd.get(), text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (n > 0) sent += static_cast<size_t>(n);
      if (n <= 0) loop->run_once(mono_now());
    }
  }
  /// Reads `lines` lines, or until the server closes.
  std::vector<std::string> receive_lines(const Fd& fd, size_t lines) {
    std::string text;
    bool closed = false;
    EXPECT_TRUE(run_until(*loop, [&] {
      std::array<char, 65536> buffer;
      ssize_t n = 0;
      while ((n = recv(fd.get(), buffer.data(), buffer.size(), 0)) > 0)
        text.append(buffer.data(), static_cast<size_t>(n));
      closed = n == 0 || (n < 0 && errno == ECONNRESET);
      if (!closed && static_cast<size_t>(std::count(text.begin(), text.end(), '\n')) < lines)
        loop->at(mono_now() + std::chrono::milliseconds(1), [] {});  // look again soon
      return closed || static_cast<size_t>(std::count(text.begin(), text.end(), '\n')) >= lines;
    }));
    std::vector<std::string> out;
    for (size_t start = 0, end = 0; (end = text.find('\n', start)) != std::string::npos; start = end + 1)
      out.push_back(text.substr(start, end - start));
    return out;
  }
  bool closes(const Fd& fd) {
    return run_until(*loop, [&] {
      char byte;
      loop->at(mono_now() + std::chrono::milliseconds(1), [] {});
      return recv(fd.get(), &byte, 1, 0) == 0;
    });
  }
};

TEST_F(AdminServerTest, WithoutDescriptorsItWaitsAndDoesNotSpin) {
#ifdef __SANITIZE_ADDRESS__  // built together with UBSan
  GTEST_SKIP() << "UBSan opens a pipe to look at an object's type, and takes it for a wrong one when it gets none";
#endif
  listen();
  Fd client = connect();
  send_text(client, "{\"command\": \"hello\"}\n");
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  // Every descriptor below the limit is taken.
  rlimit few{static_cast<rlim_t>(client.get() + 1), before.rlim_max};
  std::vector<Fd> holes;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  for (int fd = 0; (fd = dup(client.get())) >= 0;) holes.emplace_back(fd);
  bool over = false;
  size_t passes = 0;
  loop->at(mono_now() + std::chrono::milliseconds(300), [&] { over = true; });
  for (; !over; ++passes) loop->run_once(std::nullopt);
  EXPECT_EQ(handled, 0);
  holes.clear();
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_LT(passes, 50u);
  EXPECT_EQ(receive_lines(client, 1).size(), 1u) << "there is room again";
}

TEST_F(AdminServerTest, AnswersWithWhoAsks) {
  listen();
  struct stat status {};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0660u);
  Fd client = connect();
  send_text(client, "{\"command\":\"status\"}\n");
  auto lines = receive_lines(client, 1);
  ASSERT_EQ(lines.size(), 1u);
  json answer = json::parse(lines[0]);
  EXPECT_EQ(answer["ok"], true);
  EXPECT_EQ(answer["data"]["command"], "status");
  EXPECT_EQ(answer["data"]["uid"], geteuid());
}

TEST_F(AdminServerTest, SeveralRequestsInPiecesAndTheLastWithoutNewline) {
  listen();
  Fd client = connect();
  send_text(client, "{\"command\":\"a\"}\n{\"comm");
  loop->run_once(mono_now());
  send_text(client, "and\":\"b\"}\n{\"command\":\"c\"}");
  shutdown(client.get(), SHUT_WR);
  auto lines = receive_lines(client, 4);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(json::parse(lines[2])["data"]["command"], "c");
}

TEST_F(AdminServerTest, GarbageIsAnsweredWithAnErrorAndTheConnectionGoesOn) {
  listen();
  Fd client = connect();
  std::string deep(60'000, '[');
  for (const std::string& bad : {std::string("nonsense"), std::string("[1]"), std::string("\"x\""), std::string("{"),
                                 std::string("{\"command\":\"\xff\xfe\"}"), std::string(3, '\0'), deep}) {
    send_text(client, bad + "\n");
    auto lines = receive_lines(client, 1);
    ASSERT_EQ(lines.size(), 1u);
    EXPECT_EQ(json::parse(lines[0])["ok"], false);
  }
  EXPECT_EQ(handled, 0);
  send_text(client, "{\"command\":7}\n");
  auto lines = receive_lines(client, 1);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_NE(lines[0].find("wrong type"), std::string::npos);
  send_text(client, "{}\n");
  EXPECT_EQ(receive_lines(client, 1).size(), 1u);
}

TEST_F(AdminServerTest, ARequestOfTheLargestSizeGoesThroughALongerOneDoesNot) {
  listen();
  Fd client = connect();
  std::string start = "{\"command\":\"";
  std::string end = "\"}";
  std::string largest = start + std::string(65536 - start.size() - end.size(), 'a') + end;
  send_text(client, largest + "\n");
  EXPECT_EQ(json::parse(receive_lines(client, 1).at(0))["ok"], true);
  send_text(client, "x" + largest + "\n");
  auto lines = receive_lines(client, 1);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_NE(lines[0].find("longer than 65536"), std::string::npos);
  EXPECT_TRUE(closes(client));

  Fd endless = connect();
  for (int i = 0; i < 100; ++i) {
    std::string part(1024, 'y');
    (void)send(endless.get(), part.data(), part.size(), MSG_NOSIGNAL);
    loop->run_once(mono_now());
  }
  EXPECT_EQ(receive_lines(endless, 2).size(), 1u) << "and the connection is closed";
  EXPECT_EQ(server->connections(), 0u);
}

TEST_F(AdminServerTest, WhoIsSlowIsLetGoAndHoldsNobodyUp) {
  listen({.request_bytes = 65536, .connections = 128, .deadline = std::chrono::milliseconds(300)});
  Fd silent = connect();
  Fd slow = connect();
  send_text(slow, "{\"comm");
  Fd greedy = connect();
  send_text(greedy, "{\"command\":\"big\"}\n");  // and never reads
  Fd honest = connect();
  send_text(honest, "{\"command\":\"status\"}\n");
  EXPECT_EQ(receive_lines(honest, 1).size(), 1u);
  EXPECT_TRUE(closes(silent));
  EXPECT_TRUE(closes(slow));
  EXPECT_TRUE(run_until(*loop, [&] { return server->connections() == 0; }));
}

TEST_F(AdminServerTest, AHundredAtOnceAreAllAnswered) {
  listen();
  std::vector<Fd> clients;
  for (int i = 0; i < 100; ++i) {
    clients.push_back(connect());
    if (i % 32 == 0) loop->run_once(mono_now());
  }
  for (const Fd& client : clients) send_text(client, "{\"command\":\"status\"}\n");
  for (const Fd& client : clients) EXPECT_EQ(receive_lines(client, 1).size(), 1u);
  clients.clear();
  EXPECT_TRUE(run_until(*loop, [&] { return server->connections() == 0; }));
}

TEST_F(AdminServerTest, OneTooManyIsToldSo) {
  listen({.request_bytes = 65536, .connections = 2, .deadline = std::chrono::milliseconds(5000)});
  Fd a = connect();
  Fd b = connect();
  Fd c = connect();
  auto lines = receive_lines(c, 2);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_NE(lines[0].find("too many"), std::string::npos);
  EXPECT_EQ(server->connections(), 2u);
}

TEST_F(AdminServerTest, OneThatAsksAThousandTimesAtOnceGetsItsAnswersAmongTheOthers) {
  listen();
  Fd pushy = connect();
  std::string many;
  for (int i = 0; i < 1000; ++i) many += "{}\n";
  send_text(pushy, many);
  Fd honest = connect();
  send_text(honest, "{\"command\":\"status\"}\n");
  EXPECT_EQ(receive_lines(honest, 1).size(), 1u);
  EXPECT_LT(handled, 100) << "the honest one did not wait for all thousand";
  EXPECT_EQ(receive_lines(pushy, 1000).size(), 1000u);
}

TEST_F(AdminServerTest, ASocketInUseIsAnErrorAStaleOneIsReplaced) {
  listen();
  auto second = AdminServer::listen(*loop, path, [](const json&, const PeerCredentials&) { return ordered_json(); });
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().find("another instance"), std::string::npos);
  server.reset();
  EXPECT_NE(access(path.c_str(), F_OK), 0) << "it cleans up";
  { auto stale = listen_unix(path, SOCK_STREAM, 0660, 1); }
  EXPECT_EQ(access(path.c_str(), F_OK), 0);
  listen();
  Fd file(open((folder / "plain").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  EXPECT_FALSE(listen_unix(folder / "plain", SOCK_STREAM, 0660, 1)) << "a file that is no socket is not removed";
  EXPECT_FALSE(listen_unix(std::string(108, 'x'), SOCK_STREAM, 0660, 1));
}

}  // namespace
}  // namespace culvert::io
