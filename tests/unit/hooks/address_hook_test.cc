// What learn-address is told, in which order, and what its refusal does.
#include "control/hooks/address_hook.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>

#include "tests/unit/io/support.h"

namespace culvert::hooks {
namespace {

constexpr abi::SessionRef kAlice{1, 1}, kBob{2, 1};
using Lines = std::vector<std::string>;

struct AddressHookTest : ::testing::Test {
  void SetUp() override {
    loop = std::move(*io::EventLoop::make());
    runner.emplace(*loop, Runner::Limits{});
    script("");
  }
  void script(const std::string& text) {
    std::string path = folder / "learn";
    std::ofstream(path) << "#!/bin/sh\n"
                        << text << "\necho \"$*|$script_type|$who\" >> " << folder / "notes"
                        << "\n";
    chmod(path.c_str(), 0755);
    Environment server;
    server.set("who", "server");
    hook = std::make_unique<AddressHook>(*loop, *runner, std::vector<std::string>{path, "first"}, server);
  }
  void learn(abi::SessionRef session, const std::string& name, const Lines& addresses) {
    Environment environment;
    environment.set("who", name);
    ++asked;
    hook->learn(session, name, environment, addresses, [this](const Lines& refused) {
      answers.push_back(refused);
      --asked;
    });
  }
  bool wait_for_answers() {
    return io::run_until(*loop, [&] { return asked == 0; });
  }
  Lines notes() {
    std::ifstream file(folder / "notes");
    Lines lines;
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
  }
  bool wait_for_notes(size_t count) {
    return io::run_until(*loop, [&] { return notes().size() >= count && runner->running() == 0; });
  }

  std::unique_ptr<io::EventLoop> loop;
  io::Folder folder;
  std::optional<Runner> runner;
  std::unique_ptr<AddressHook> hook;
  int asked = 0;
  std::vector<Lines> answers;
};

TEST_F(AddressHookTest, AddsInTheirOrderAndDeletes) {
  learn(kAlice, "alice", {"10.8.0.2", "fd00::2", "10.1.0.0/24"});
  ASSERT_TRUE(wait_for_answers());
  EXPECT_EQ(answers, std::vector<Lines>{Lines{}});
  EXPECT_EQ(notes(),
            (Lines{"first add 10.8.0.2 alice|learn-address|alice", "first add fd00::2 alice|learn-address|alice",
                   "first add 10.1.0.0/24 alice|learn-address|alice"}));
  hook->hurry();
  hook->forget(kAlice);
  ASSERT_TRUE(wait_for_notes(6));
  Lines deleted = notes();
  deleted.erase(deleted.begin(), deleted.begin() + 3);
  std::ranges::sort(deleted);
  EXPECT_EQ(deleted,
            (Lines{"first delete 10.1.0.0/24|learn-address|server", "first delete 10.8.0.2|learn-address|server",
                   "first delete fd00::2|learn-address|server"}));
}

TEST_F(AddressHookTest, TakenOverSoonIsAnUpdate) {
  learn(kAlice, "alice", {"10.8.0.2"});
  ASSERT_TRUE(wait_for_answers());
  hook->forget(kAlice);
  learn(kBob, "bob", {"10.8.0.2"});
  ASSERT_TRUE(wait_for_answers());
  EXPECT_EQ(notes().back(), "first update 10.8.0.2 bob|learn-address|bob");
  hook->forget(kBob);
  ASSERT_TRUE(wait_for_notes(3));  // a little later
  EXPECT_EQ(notes().back(), "first delete 10.8.0.2|learn-address|server");
  learn(kAlice, "alice", {"10.8.0.2"});
  ASSERT_TRUE(wait_for_answers());
  EXPECT_EQ(notes().back(), "first add 10.8.0.2 alice|learn-address|alice");
}

TEST_F(AddressHookTest, ARefusedAddressIsNeverDeleted) {
  script("[ \"$3\" != fd00::2 ] || exit 1");
  learn(kAlice, "alice", {"10.8.0.2", "fd00::2"});
  ASSERT_TRUE(wait_for_answers());
  EXPECT_EQ(answers, std::vector<Lines>{Lines{"fd00::2"}});
  hook->hurry();
  hook->forget(kAlice);
  ASSERT_TRUE(wait_for_notes(2));
  EXPECT_EQ(notes(),
            (Lines{"first add 10.8.0.2 alice|learn-address|alice", "first delete 10.8.0.2|learn-address|server"}));
}

TEST_F(AddressHookTest, ARefusedUpdateDeletes) {
  script("[ \"$2\" != update ] || exit 1");
  learn(kAlice, "alice", {"10.8.0.2"});
  ASSERT_TRUE(wait_for_answers());
  hook->forget(kAlice);
  learn(kBob, "bob", {"10.8.0.2"});
  ASSERT_TRUE(wait_for_answers());
  EXPECT_EQ(answers.back(), Lines{"10.8.0.2"});
  ASSERT_TRUE(wait_for_notes(2));
  EXPECT_EQ(notes().back(), "first delete 10.8.0.2|learn-address|server");
}

TEST_F(AddressHookTest, WhoLeavesMeanwhileIsDeletedBehindIt) {
  ASSERT_EQ(mkfifo((folder / "gate").c_str(), 0600), 0);
  io::Fd gate(open((folder / "gate").c_str(), O_RDWR | O_CLOEXEC));
  script("[ $2 = add ] && read line < " + (folder / "gate"));
  learn(kAlice, "alice", {"10.8.0.2", "fd00::2"});
  ASSERT_TRUE(io::run_until(*loop, [&] { return runner->running() == 1; }));
  hook->hurry();
  hook->forget(kAlice);
  EXPECT_EQ(runner->running() + runner->waiting(), 1u) << "nothing is said of the address before its add has ended";
  ASSERT_EQ(write(gate.get(), "\n", 1), 1);
  ASSERT_TRUE(wait_for_notes(2));
  EXPECT_EQ(notes(),
            (Lines{"first add 10.8.0.2 alice|learn-address|alice", "first delete 10.8.0.2|learn-address|server"}));
  EXPECT_TRUE(answers.empty());
}

TEST_F(AddressHookTest, OneThatHangsKeepsNobodyElseWaiting) {
  script("[ \"$4\" = alice ] && exec sleep 1000");
  learn(kAlice, "alice", {"10.8.0.2"});
  learn(kBob, "bob", {"10.8.0.3"});
  ASSERT_TRUE(io::run_until(*loop, [&] { return asked == 1; }));
  EXPECT_EQ(notes(), Lines{"first add 10.8.0.3 bob|learn-address|bob"});
}

TEST_F(AddressHookTest, NamesAreNoOptions) {
  learn(kAlice, "-rf", {"10.8.0.2"});
  learn(kBob, "", {"10.8.0.3"});
  ASSERT_TRUE(wait_for_answers());
  Lines lines = notes();
  std::ranges::sort(lines);
  EXPECT_EQ(lines, (Lines{"first add 10.8.0.2 _rf|learn-address|-rf", "first add 10.8.0.3 UNDEF|learn-address|"}));
}

TEST_F(AddressHookTest, AdoptedAddressesAreDeletedLikeOthers) {
  hook->adopt(kAlice, {"10.8.0.2"});
  hook->hurry();
  hook->forget(kAlice);
  ASSERT_TRUE(wait_for_notes(1));
  EXPECT_EQ(notes(), Lines{"first delete 10.8.0.2|learn-address|server"});
}

}  // namespace
}  // namespace culvert::hooks
