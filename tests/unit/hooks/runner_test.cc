#include "control/hooks/runner.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>

#include "control/io/log.h"
#include "tests/unit/io/support.h"

namespace culvert::hooks {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct RunnerTest : ::testing::Test {
  void SetUp() override { loop = std::move(*io::EventLoop::make()); }
  void make(Runner::Limits limits) { runner.emplace(*loop, limits); }
  static Command shell(const std::string& script, const std::string& client = "a") {
    return {.argv = {"/bin/sh", "-c", script}, .environment = {}, .label = "test", .client = client};
  }
  Outcome run(Command command) {
    std::optional<Outcome> outcome;
    EXPECT_NE(runner->run(std::move(command), [&](const Outcome& o) { outcome = o; }), 0u);
    EXPECT_TRUE(io::run_until(*loop, [&] { return outcome.has_value(); }));
    return outcome.value_or(Outcome{});
  }
  std::string content(const std::string& name) {
    std::ifstream file(folder / name);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::unique_ptr<io::EventLoop> loop;
  io::Folder folder;
  std::optional<Runner> runner;
};

TEST_F(RunnerTest, TellsHowItEnded) {
  make({});
  EXPECT_TRUE(run(shell("exit 0")).ok());
  Outcome refused = run(shell("exit 3"));
  EXPECT_EQ(refused.ending, Ending::kExited);
  EXPECT_EQ(refused.status, 3);
  EXPECT_EQ(run(shell("kill -9 $$")).ending, Ending::kSignalled);
  Outcome missing = run({.argv = {"/nonexistent/hook"}, .environment = {}, .label = "test", .client = "a"});
  EXPECT_EQ(missing.ending, Ending::kNotStarted);
  EXPECT_NE(missing.text.find("/nonexistent/hook"), std::string::npos);
  EXPECT_NE(missing.text.find("No such file"), std::string::npos);
}

TEST_F(RunnerTest, PassesArgumentsAndNothingButTheGivenEnvironment) {
  make({});
  setenv("CULVERT_TEST_LEAK", "1", 1);
  Command command{.argv = {"/bin/sh", "-c", "echo \"$1|$2|$name|$CULVERT_TEST_LEAK\" > $out", "sh", "a b", "$(id)"},
                  .environment = {"name=al ice", "out=" + (folder / "out")},
                  .label = "test",
                  .client = "a"};
  EXPECT_TRUE(run(std::move(command)).ok());
  EXPECT_EQ(content("out"), "a b|$(id)|al ice|\n");
}

TEST_F(RunnerTest, StartsInItsFolder) {
  make({});
  auto in = [&](const std::string& where, const std::string& script) {
    Command command = shell(script);
    command.folder = where;
    return run(std::move(command));
  };
  std::ofstream(folder / "data") << "here\n";
  EXPECT_TRUE(in(folder / "", "cat data > seen").ok()) << "relative paths count from it";
  EXPECT_EQ(content("seen"), "here\n");
  const std::string here = std::filesystem::current_path();
  EXPECT_TRUE(in(folder / "missing", "pwd > " + (folder / "seen")).ok()) << "no reason not to run";
  EXPECT_EQ(content("seen"), here + "\n");
  // The program's own path has been put together by whoever read the configuration, and counts from where we are.
  Command relative{.argv = {std::filesystem::relative("/bin/sh"), "-c", "exit 7"},
                   .environment = {},
                   .folder = folder / "",
                   .label = "test",
                   .client = "a"};
  EXPECT_EQ(run(std::move(relative)).status, 7);
}

TEST_F(RunnerTest, InheritsNoDescriptorAndNoBlockedSignal) {
  make({});
  io::Fd open_fd(open("/dev/null", O_RDONLY));
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  sigprocmask(SIG_BLOCK, &blocked, nullptr);
  EXPECT_TRUE(run(shell("ls /proc/self/fd | wc -l > " + (folder / "fds") + "; grep SigBlk /proc/self/status > " +
                        (folder / "signals")))
                  .ok());
  sigprocmask(SIG_UNBLOCK, &blocked, nullptr);
  EXPECT_EQ(content("fds"), "4\n");  // three, and the one that ls reads the folder with
  EXPECT_EQ(content("signals"), "SigBlk:\t0000000000000000\n");
}

TEST_F(RunnerTest, OneThatHangsIsKilledWithItsChildrenAndDelaysNobodyElse) {
  make({.time = milliseconds(300)});
  std::optional<Outcome> hanging;
  std::string pid_file = folder / "pid";
  runner->run(shell("sleep 1000 & echo $! > " + pid_file + "; wait", "slow"), [&](const Outcome& o) { hanging = o; });
  EXPECT_TRUE(run(shell("exit 0", "quick")).ok());
  EXPECT_FALSE(hanging.has_value());
  ASSERT_TRUE(io::run_until(*loop, [&] { return hanging.has_value(); }));
  EXPECT_EQ(hanging->ending, Ending::kTimedOut);
  EXPECT_NE(hanging->text.find("hook_timeout"), std::string::npos);
  pid_t child = std::stoi(content("pid"));
  // Killed; it stays a zombie until init has waited for it.
  ASSERT_TRUE(io::run_until(*loop, [&] {
    std::ifstream status("/proc/" + std::to_string(child) + "/stat");
    std::string text{std::istreambuf_iterator<char>(status), {}};
    loop->at(io::mono_now() + milliseconds(5), [] {});
    return text.empty() || text.find(") Z ") != std::string::npos;
  }));
}

TEST_F(RunnerTest, OneClientsCommandsRunInTheirOrder) {
  make({});
  std::string out = folder / "order";
  int done = 0;
  auto count = [&](const Outcome&) { ++done; };
  // The first waits for the second client's; were they not in order, the third would be before it.
  ASSERT_EQ(mkfifo((folder / "gate").c_str(), 0600), 0);
  runner->run(shell("read x < " + (folder / "gate") + "; echo 1 >> " + out), count);
  runner->run(shell("echo 2 >> " + out), count);
  runner->run(shell("echo go > " + (folder / "gate"), "b"), count);
  ASSERT_TRUE(io::run_until(*loop, [&] { return done == 3; }));
  EXPECT_EQ(content("order"), "1\n2\n");
}

TEST_F(RunnerTest, QueuesAreBounded) {
  make({.processes = 1, .waiting = 3, .waiting_per_client = 2});
  auto nothing = [](const Outcome&) {};
  EXPECT_NE(runner->run(shell("exit 0"), nothing), 0u);
  EXPECT_NE(runner->run(shell("exit 0"), nothing), 0u);
  EXPECT_EQ(runner->run(shell("exit 0"), nothing), 0u) << "more than its share";
  EXPECT_NE(runner->run(shell("exit 0", "b"), nothing), 0u);
  EXPECT_EQ(runner->run(shell("exit 0", "c"), nothing), 0u) << "more than fits";
  ASSERT_TRUE(io::run_until(*loop, [&] { return runner->waiting() == 0 && runner->running() == 0; }));
  EXPECT_NE(runner->run(shell("exit 0"), nothing), 0u);
}

TEST_F(RunnerTest, NothingIsHeardOfACancelledCommand) {
  make({.processes = 1});
  bool heard = false;
  auto hear = [&](const Outcome&) { heard = true; };
  auto running = runner->run(shell("sleep 1000"), hear);
  auto queued = runner->run(shell("exit 0", "b"), hear);
  ASSERT_TRUE(io::run_until(*loop, [&] { return runner->running() == 1; }));
  runner->cancel(queued);
  runner->cancel(running);
  ASSERT_TRUE(io::run_until(*loop, [&] { return runner->running() == 0; }));
  EXPECT_FALSE(heard);
  EXPECT_TRUE(run(shell("exit 0")).ok());
}

TEST_F(RunnerTest, ABackgroundProcessMayKeepItsOutputAndDoesNotKeepTheScriptFromEnding) {
  make({});
  ASSERT_EQ(mkfifo((folder / "gate").c_str(), 0600), 0);
  EXPECT_TRUE(run(shell("(read x < " + (folder / "gate") + "; echo done > " + (folder / "out") + ") & exit 0")).ok());
  EXPECT_TRUE(run(shell("echo go > " + (folder / "gate"), "b")).ok());
  ASSERT_TRUE(io::run_until(*loop, [&] {
    loop->at(io::mono_now() + milliseconds(5), [] {});
    return content("out") == "done\n";
  }));
}

/// Processes that scripts leave behind, each of which holds its script's output open and says a word when it is told
/// to.
struct LeftBehind : RunnerTest {
  LeftBehind() {
    io::set_log_observer([this](io::LogLevel, std::string_view text) { said.emplace_back(text); });
  }
  ~LeftBehind() override { io::set_log_observer({}); }
  /// None outlives the test.
  void TearDown() override {
    for (const std::string& name : names)
      if (!std::filesystem::exists(folder / name)) let_speak(name);
  }
  std::string gate(const std::string& name) { return folder / ("gate-" + name); }
  std::string speaker(const std::string& name) {
    EXPECT_EQ(mkfifo(gate(name).c_str(), 0600), 0);
    names.push_back(name);
    return "trap '' PIPE; read x < " + gate(name) + "; echo word of " + name + "; echo > " + (folder / name);
  }
  void leave(const std::string& name) { EXPECT_TRUE(run(shell("(" + speaker(name) + ") & exit 0", name)).ok()); }
  /// Lets the process speak, and waits until it has.
  void let_speak(const std::string& name) {
    EXPECT_TRUE(run(shell("echo go > " + gate(name), "to " + name)).ok());
    ASSERT_TRUE(io::run_until(*loop, [&] {
      loop->at(io::mono_now() + milliseconds(5), [] {});
      return std::filesystem::exists(folder / name);
    }));
  }
  bool heard(const std::string& text) {
    return std::ranges::any_of(said, [&](const std::string& line) { return line.find(text) != std::string::npos; });
  }
  std::vector<std::string> names;  ///< of all, in order
  std::vector<std::string> said;
};

TEST_F(LeftBehind, TheOldestIsHeardNoMoreWhenThereAreTooMany) {
  make({.left_behind = 3});
  for (const char* name : {"zero", "one"}) leave(name);
  let_speak("zero");  // its descriptor, which is lower than that of "one", is the next one's
  for (const char* name : {"two", "three", "four"}) leave(name);
  EXPECT_TRUE(heard("a process that it left behind"));
  for (const char* name : {"four", "three", "two", "one"}) let_speak(name);
  EXPECT_TRUE(
      io::run_until(*loop, [&] { return heard("word of two") && heard("word of three") && heard("word of four"); }));
  EXPECT_FALSE(heard("word of one"));
}

TEST_F(LeftBehind, ScriptsThatStillRunAreHeardToTheEnd) {
  make({.left_behind = 1});
  bool ended = false;
  runner->run(shell(speaker("script"), "script"), [&](const Outcome&) { ended = true; });
  for (const char* name : {"one", "two"}) leave(name);
  let_speak("script");
  EXPECT_TRUE(io::run_until(*loop, [&] { return ended; }));
  EXPECT_TRUE(heard("word of script"));
}

}  // namespace
}  // namespace culvert::hooks
