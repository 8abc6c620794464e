// The socket: one client after another, none of which can hold up the gateway.
#include "control/management/server.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <fstream>

#include "control/management/status_file.h"
#include "tests/unit/io/support.h"
#include "tests/unit/management/daemon_double.h"

namespace culvert::management {
namespace {

struct ManagementServer : ::testing::Test {
  io::Folder folder;
  std::string path = folder / "management.sock";
  std::unique_ptr<io::EventLoop> loop = std::move(*io::EventLoop::make());
  DaemonDouble daemon;
  std::unique_ptr<Server> server;

  void listen(Listen settings = {}) {
    settings.path = path;
    auto made = Server::listen(*loop, std::move(settings), daemon);
    ASSERT_TRUE(made) << made.error();
    server = std::move(*made);
  }
  io::Fd connect() {
    auto fd = io::connect_unix(path, SOCK_STREAM);
    EXPECT_TRUE(fd) << fd.error();
    return std::move(*fd);
  }
  /// Reads until `end` has come, or the server has closed.
  std::string read_until(const io::Fd& fd, const std::string& end) {
    std::string text;
    EXPECT_TRUE(io::run_until(*loop, [&] {
      std::array<char, 65536> buffer;
      ssize_t n = recv(fd.get(), buffer.data(), buffer.size(), 0);
      if (n > 0) text.append(buffer.data(), static_cast<size_t>(n));
      // What was read need not be room enough for the loop to hear of it.
      loop->at(io::mono_now() + std::chrono::milliseconds(n < 0 ? 1 : 0), [] {});
      return n == 0 || text.find(end) != std::string::npos;
    })) << text;
    return text;
  }
  void say(const io::Fd& fd, const std::string& text) {
    ASSERT_EQ(send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }
};

TEST_F(ManagementServer, OneClientAfterAnother) {
  listen();
  io::Fd first = connect();
  read_until(first, "more info\r\n");
  io::Fd second = connect();
  say(first, "kill alice\n");
  EXPECT_EQ(read_until(first, "\n"), "SUCCESS: common name 'alice' found, 1 client(s) killed\r\n");
  say(second, "pid\n");
  std::array<char, 16> buffer;
  EXPECT_LT(recv(second.get(), buffer.data(), buffer.size(), MSG_DONTWAIT), 0) << "it waits";
  first.reset();
  EXPECT_NE(read_until(second, "SUCCESS: pid=").find(">INFO:"), std::string::npos);
  say(second, "quit\n");
  EXPECT_EQ(read_until(second, "never").find("ERROR"), std::string::npos);
  EXPECT_FALSE(server->connected());
}

TEST_F(ManagementServer, AReaderThatStopsIsDropped) {
  listen();
  io::Fd fd = connect();
  read_until(fd, "more info\r\n");
  say(fd, "log on\n");
  read_until(fd, "ON\r\n");
  std::string line(4000, 'x');
  EXPECT_TRUE(io::run_until(*loop, [&] {
    for (int i = 0; i < 100 && server->connected(); ++i) server->on_log(io::LogLevel::kInfo, line);
    loop->at(io::mono_now(), [] {});
    return !server->connected();
  }));
  io::Fd next = connect();
  EXPECT_NE(read_until(next, "more info\r\n"), "");
}

TEST_F(ManagementServer, AFloodOfCommandsIsAnsweredInFull) {
  listen();
  io::Fd fd = connect();
  std::string text;
  for (int i = 0; i < 2000; ++i) text += "status 2\n";
  size_t sent = 0;
  size_t ends = 0;
  EXPECT_TRUE(io::run_until(*loop, [&] {
    ssize_t n = send(fd.get(), text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (n > 0) sent += static_cast<size_t>(n);
    std::array<char, 65536> buffer;
    while ((n = recv(fd.get(), buffer.data(), buffer.size(), 0)) > 0)
      for (size_t i = 0; i + 1 < static_cast<size_t>(n); ++i) ends += buffer[i] == 'D' && buffer[i + 1] == '\r';
    loop->at(io::mono_now(), [] {});
    return sent == text.size() && ends >= 1990;  // a few may be cut by a read
  }));
}

/// What more clients than a socket takes text for say, as a monitoring script asks: without waiting for the answer.
struct ManyClients : ManagementServer {
  static constexpr size_t kClients = 6000;
  void SetUp() override { daemon.all.assign(kClients, client(7, "alice", "192.0.2.7", 51820, "10.8.0.2")); }
  static size_t listed(const std::string& text) {
    size_t count = 0;
    for (size_t at = 0; (at = text.find("\r\nCLIENT_LIST,alice,", at)) != std::string::npos; ++at) ++count;
    return count;
  }
};

TEST_F(ManyClients, AreAllListedBeforeAQuitThatCameAlong) {
  listen();
  io::Fd fd = connect();
  say(fd, "status 2\nquit\n");
  std::string text = read_until(fd, "never");
  EXPECT_EQ(listed(text), kClients);
  EXPECT_TRUE(text.ends_with("END\r\n"));
  EXPECT_FALSE(server->connected());
}

TEST_F(ManyClients, AreAllListedAlsoWhenTheListIsLongerThanWhatAReaderMayLagBehind) {
  daemon.all.resize(150'000, daemon.all.front());
  listen();
  io::Fd fd = connect();
  say(fd, "status 2\n");
  std::string text = read_until(fd, "\r\nEND\r\n");
  EXPECT_GT(text.size(), Server::kMostOutput);
  EXPECT_EQ(listed(text), daemon.all.size());
  EXPECT_TRUE(server->connected());
}

TEST_F(ManyClients, AreAllListedForWhoHasClosedItsOwnSide) {
  daemon.all.erase(daemon.all.begin() + 1400,
                   daemon.all.end());  // what the socket does not hold of them is little enough to go on reading
  listen();
  io::Fd fd = connect();
  say(fd, "status 2\n");
  ASSERT_EQ(shutdown(fd.get(), SHUT_WR), 0);
  for (int pass = 0; pass < 10; ++pass) loop->run_once(io::mono_now());  // it is slow to read
  std::string text = read_until(fd, "never");
  EXPECT_EQ(listed(text), 1400u);
  EXPECT_TRUE(text.ends_with("END\r\n"));
  EXPECT_FALSE(server->connected());
}

TEST_F(ManyClients, AreListedAsOftenAsWasAskedBeforeTheQuit) {
  daemon.all.erase(daemon.all.begin() + 1000, daemon.all.end());
  listen();
  io::Fd fd = connect();
  std::string text;
  for (int i = 0; i < 50; ++i) text += "status 2\n";
  say(fd, text + "quit\n");
  EXPECT_EQ(listed(read_until(fd, "never")), 50'000u);
}

TEST_F(ManyClients, WhoQuitsAndReadsNothingKeepsNobodyOut) {
  Listen settings;
  settings.farewell = std::chrono::milliseconds(50);
  listen(settings);
  io::Fd fd = connect();
  say(fd, "log on\nstatus 2\nquit\n");
  io::Fd next = connect();
  std::string line(4000, 'x');
  size_t lines = 0;
  EXPECT_TRUE(io::run_until(*loop, [&] {
    server->on_log(io::LogLevel::kInfo, line);  // nothing more is told to it
    loop->at(io::mono_now() + std::chrono::milliseconds(1), [] {});
    std::array<char, 64> buffer;
    return ++lines > 1 && recv(next.get(), buffer.data(), buffer.size(), MSG_DONTWAIT) > 0;
  }));
  EXPECT_TRUE(server->connected()) << "the next one";
}

TEST_F(ManagementServer, LogAndStateAreKeptForLater) {
  listen({.path = "", .tcp = {}, .client_user = {}, .client_group = {}, .log_lines = 2, .hold = false, .dialogue = {}});
  for (const char* text : {"one", "two", "three"}) server->on_log(io::LogLevel::kWarning, text);
  server->set_state("CONNECTED", "SUCCESS,10.8.0.1,,,,");
  io::Fd fd = connect();
  read_until(fd, "more info\r\n");
  say(fd, "log all\n");
  std::string log = read_until(fd, "END");
  EXPECT_EQ(log.find("one"), std::string::npos);
  EXPECT_NE(log.find(",W,two\r\n"), std::string::npos);
  EXPECT_NE(log.find(",W,three\r\n"), std::string::npos);
  say(fd, "state\n");
  EXPECT_NE(read_until(fd, "END").find(",CONNECTED,SUCCESS,10.8.0.1,,,,\r\n"), std::string::npos);
}

TEST_F(ManagementServer, OnlyTheUserThatIsNamed) {
  listen({.path = "",
          .tcp = {},
          .client_user = getuid() + 1,
          .client_group = {},
          .log_lines = 2,
          .hold = false,
          .dialogue = {}});
  io::Fd fd = connect();
  EXPECT_EQ(read_until(fd, "more info"), "");
  EXPECT_FALSE(server->connected());
}

TEST_F(ManagementServer, TheSocketGoesWithTheServer) {
  listen();
  struct stat status {};
  EXPECT_EQ(stat(path.c_str(), &status), 0);
  server.reset();
  EXPECT_NE(stat(path.c_str(), &status), 0);
}

TEST(StatusFile, IsRewrittenInPlaceAndBegunAnewWhenMovedAway) {
  io::Folder folder;
  std::string path = folder / "status";
  auto file = StatusFile::open(path);
  ASSERT_TRUE(file) << file.error();
  auto contents = [&path] {
    std::ifstream in(path);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  EXPECT_TRUE(file->write({"a long first line", "END"}));
  EXPECT_EQ(contents(), "a long first line\nEND\n");
  EXPECT_TRUE(file->write({"END"}));
  EXPECT_EQ(contents(), "END\n");
  std::rename(path.c_str(), (path + ".1").c_str());
  EXPECT_TRUE(file->write({"new"}));
  EXPECT_EQ(contents(), "new\n");
  EXPECT_FALSE(StatusFile::open(folder / "no/such/folder"));
}

}  // namespace
}  // namespace culvert::management
