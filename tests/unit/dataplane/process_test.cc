// The program itself: how it starts, refuses to start, and ends.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <string>
#include <thread>
#include <vector>

#include "dataplane/precedence.h"
#include "tests/unit/dataplane/setup_client.h"
#include "tests/unit/support/network_namespace.h"
#include "tests/unit/support/temporary_folder.h"
#include "tests/unit/support/wait.h"

namespace culvert::dataplane {
namespace {

using testing::SetupClient;

/// A dataplane of the test's own; killed at the latest when this object goes.
class Process {
 public:
  Process(std::vector<std::string> arguments, const std::string& log) : log_(log) {
    arguments.insert(arguments.begin(), CULVERT_DATAPLANE);
    pid_ = fork();
    if (pid_ != 0) return;
    int output = open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    execv(argv[0], argv.data());
    _exit(127);
  }
  ~Process() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
  }
  void signal(int number) const { kill(pid_, number); }
  pid_t pid() const { return pid_; }
  /// Exit status; -1 when it does not end in time or dies of a signal.
  int wait() {
    int status = 0;
    if (!testing::wait_until([&] { return waitpid(pid_, &status, WNOHANG) == pid_; }, std::chrono::seconds(20)))
      return -1;
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  std::string output() const {
    std::ifstream file(log_);
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  std::string log_;
  pid_t pid_;
};

class ProcessTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!network_.why_not().empty()) GTEST_SKIP() << network_.why_not();
  }
  Process start(std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"--run-dir", run_dir_, "--huge", "off"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Process(arguments, folder_.path() + "/log" + std::to_string(logs_++));
  }
  /// Runs it to its end, which must be `status`, with one line that has `part`.
  void expect_end(int status, const std::string& part, std::vector<std::string> more) {
    Process process = start(std::move(more));
    EXPECT_EQ(process.wait(), status) << process.output();
    std::string output = process.output();
    EXPECT_EQ(std::count(output.begin(), output.end(), '\n'), 1) << output;
    EXPECT_NE(output.find(part), std::string::npos) << output;
  }
  /// Attaches once the program listens.
  std::unique_ptr<SetupClient> attach(const Process& process) {
    std::unique_ptr<SetupClient> client;
    bool connected = testing::wait_until(
        [&] {
          client = std::make_unique<SetupClient>(run_dir_ + "/link.sock");
          return client->connected();
        },
        std::chrono::seconds(20));
    EXPECT_TRUE(connected) << process.output();
    EXPECT_EQ(ask(*client, SetupClient::hello()).status, abi::ReplyStatus::kDone) << process.output();
    return client;
  }
  static SetupClient::Answer ask(SetupClient& client, const abi::Request& request) {
    client.send(request);
    EXPECT_TRUE(testing::wait_readable(client.fd(), std::chrono::seconds(20)));
    return client.answer();
  }

  testing::NetworkNamespace network_;
  testing::TemporaryFolder folder_;
  std::string run_dir_ = folder_.path() + "/run";
  int logs_ = 0;
};

TEST_F(ProcessTest, ServesAndLeavesNothingBehind) {
  Process process = start();
  auto control = attach(process);
  abi::Request request{};
  request.kind = abi::RequestKind::kOpenTun;
  abi::OpenTun tun{};
  std::copy_n("cvt0", 4, tun.name.begin());
  tun.mtu = 1500;
  request.body.open_tun = tun;
  EXPECT_EQ(ask(*control, request).text, "cvt0");
  EXPECT_NE(if_nametoindex("cvt0"), 0u);

  control->close();  // control goes: the dataplane stays, TUN and all, and the next control finds it
  control = attach(process);
  EXPECT_NE(if_nametoindex("cvt0"), 0u);
  process.signal(SIGHUP);  // not for it
  EXPECT_EQ(ask(*control, request).text, "cvt0");

  process.signal(SIGTERM);
  EXPECT_EQ(process.wait(), 0) << process.output();
  EXPECT_FALSE(std::filesystem::exists(run_dir_));
  EXPECT_EQ(if_nametoindex("cvt0"), 0u);
  EXPECT_NE(process.output().find("dataplane: culvert "), std::string::npos) << process.output();
  EXPECT_TRUE(std::regex_search(process.output(),
                                std::regex("^\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d\\.\\d{3} dataplane: ")))
      << process.output();
  EXPECT_NE(process.output().find("dataplane: encryption: AES-GCM by "), std::string::npos) << process.output();
}

TEST_F(ProcessTest, StartsAgainAfterItWasKilled) {
  {
    Process process = start();
    attach(process);
  }  // SIGKILL: socket and lock stay
  EXPECT_TRUE(std::filesystem::exists(run_dir_ + "/link.sock"));
  Process process = start();
  EXPECT_TRUE(testing::wait_until([&] { return process.output().find("control attaches at") != std::string::npos; }));
  attach(process);
  process.signal(SIGINT);
  EXPECT_EQ(process.wait(), 0);
}

TEST_F(ProcessTest, SaysInOneLineWhyItDoesNotStart) {
  expect_end(2, "core 0 is named twice", {"--workers", "0,0"});
  expect_end(2, "--sessions", {"--sessions", "0"});
  expect_end(2, "--huge", {"--huge", "maybe"});
  expect_end(1, "core 1023 is not one that this process may use", {"--workers", "1023"});
  EXPECT_FALSE(std::filesystem::exists(run_dir_)) << "and leaves nothing";
  Process running = start();
  attach(running);
  expect_end(1, "another dataplane lives there (pid " + std::to_string(running.pid()) + ")", {});
}

TEST_F(ProcessTest, ItsWorkerHasNoCapabilities) {
  Process process = start();
  attach(process);
  size_t workers = 0;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/" + std::to_string(process.pid()) + "/task")) {
    std::string name, word, capabilities;
    std::ifstream(thread.path() / "comm") >> name;
    std::ifstream status(thread.path() / "status");
    while (status >> word)
      if (word == "CapEff:") status >> capabilities;
    uint64_t bits = std::stoull(capabilities, nullptr, 16);
    if (name.starts_with("rte-worker")) {
      EXPECT_EQ(bits, 0u);
      ++workers;
    } else {
      EXPECT_EQ(bits & ~uint64_t{1u << 12 | 1u << 10 | 1u << 13}, 0u) << name;
    }
  }
  EXPECT_EQ(workers, 1u);
}

TEST_F(ProcessTest, ItsWorkerHasPrecedenceWhereAllowed) {
  // What this process may do, the dataplane, which it starts, may do as well.
  bool may = false;
  int expected = 0;
  std::thread([&] {
    may = take_precedence();
    expected = getpriority(PRIO_PROCESS, 0);
  }).join();
  Process process = start();
  attach(process);
  for (const auto& thread : std::filesystem::directory_iterator("/proc/" + std::to_string(process.pid()) + "/task")) {
    std::string name;
    std::ifstream(thread.path() / "comm") >> name;
    if (!name.starts_with("rte-worker")) continue;
    auto id = static_cast<id_t>(std::stoul(thread.path().filename().string()));
    EXPECT_EQ(getpriority(PRIO_PROCESS, id), expected);
  }
  process.signal(SIGTERM);
  EXPECT_EQ(process.wait(), 0);
  EXPECT_EQ(process.output().find("note: may not raise its priority") == std::string::npos, may) << process.output();
}

}  // namespace
}  // namespace culvert::dataplane
