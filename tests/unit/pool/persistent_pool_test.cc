// ifconfig-pool-persist: the reference's files are read, and what is written is such a file.
#include "control/pool/persistent_pool.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <fstream>
#include <sstream>

#include "dataplane/abi/endpoint_text.h"
#include "tests/unit/support/temporary_folder.h"

namespace culvert::pool {
namespace {

MonoTime file_time(int64_t s) {
  return MonoTime(std::chrono::seconds(1000 + s));
}

AddressRanges whole_ranges(bool in_fours) {
  AddressRanges ranges;
  ranges.v4 = {.first = {10, 8, 0, 4}, .last = {10, 8, 0, 251}, .in_fours = in_fours};
  ranges.v6 = {.first = {0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0}};
  return ranges;
}

struct PersistentPoolTest : ::testing::Test {
  void put(const std::string& text) { std::ofstream(path) << text; }
  std::string get() const {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }
  testing::TemporaryFolder folder;
  std::string path = folder.path() + "/ipp.txt";
};

TEST_F(PersistentPoolTest, WhatIsWrittenIsReadAgain) {
  for (bool in_fours : {false, true}) {
    put("");
    AddressPool pool(whole_ranges(in_fours));
    auto file = PersistentPool::open(path, false);
    ASSERT_TRUE(file) << file.error();
    Lease alice = *pool.take("alice", file_time(0));
    Lease bob = *pool.take("bob", file_time(0));
    pool.give_back(alice, file_time(1));
    ASSERT_TRUE(file->write(pool));
    EXPECT_EQ(get(), in_fours ? "alice,10.8.0.4,fd00::1000\nbob,10.8.0.8,fd00::1001\n"
                              : "alice,10.8.0.4,fd00::1000\nbob,10.8.0.5,fd00::1001\n");
    AddressPool next(whole_ranges(in_fours));
    EXPECT_TRUE(PersistentPool::open(path, false)->read(next, file_time(0)).empty());
    EXPECT_EQ(next.take("bob", file_time(0))->ip4, bob.ip4);
    EXPECT_EQ(next.take("alice", file_time(0))->ip4, alice.ip4);
  }
}

/// A name is the client's choice where a username is one: none may write a line for another.
TEST_F(PersistentPoolTest, NamesThatWouldBreakTheirLineAreLeftOut) {
  AddressPool pool(whole_ranges(false));
  for (const char* name : {"a,10.8.0.99", "b\nc,10.8.0.98", "#d", ";e", "", "f"}) (void)pool.take(name, file_time(0));
  ASSERT_TRUE(PersistentPool::open(path, false)->write(pool));
  EXPECT_EQ(get(), "f,10.8.0.9,fd00::1005\n");
}

TEST_F(PersistentPoolTest, ShorterContentsLeaveNothingBehind) {
  put("somebody with a long name,10.8.0.9,fd00::1005\nand another,10.8.0.10,\n");
  AddressPool pool(whole_ranges(false));
  (void)pool.take("a", file_time(0));
  ASSERT_TRUE(PersistentPool::open(path, false)->write(pool));
  EXPECT_EQ(get(), "a,10.8.0.4,fd00::1000\n");
}

TEST_F(PersistentPoolTest, ReadOnlyFilesAreNotWrittenAndBindTheirNames) {
  put("# by hand\n\nalice,10.8.0.4\nbob,,fd00::1001\r\n");
  AddressPool pool(whole_ranges(false));
  auto file = PersistentPool::open(path, true);
  ASSERT_TRUE(file);
  EXPECT_TRUE(file->read(pool, file_time(0)).empty());
  EXPECT_EQ(abi::to_text(abi::ipv4(pool.take("carol", file_time(0))->ip4)), "10.8.0.6");
  EXPECT_EQ(abi::to_text(abi::ipv4(pool.take("bob", file_time(0))->ip4)), "10.8.0.5");
  std::string before = get();
  EXPECT_TRUE(file->write(pool));
  EXPECT_EQ(get(), before);
}

TEST_F(PersistentPoolTest, LinesThatMakeNoSenseAreNamed) {
  put("alice\nbob,10.8.0\ncarol,10.9.0.1\ndave,10.8.0.5\nerin,10.8.0.5\n");
  AddressPool pool(whole_ranges(false));
  std::vector<std::string> findings = PersistentPool::open(path, false)->read(pool, file_time(0));
  ASSERT_EQ(findings.size(), 4u);
  EXPECT_EQ(findings[0], path + ":1: takes NAME,IPv4,IPv6");
  EXPECT_EQ(findings[1], path + ":2: '10.8.0' is no address");
  EXPECT_EQ(findings[2], path + ":3: the address of carol lies outside the pool, or another name has it");
  EXPECT_EQ(findings[3], path + ":5: the address of erin lies outside the pool, or another name has it");
}

/// As the reference writes it for names that several clients had at once (duplicate-cn), and reads it.
TEST_F(PersistentPoolTest, OfANameThatStandsThereTwiceTheLowestAddressCounts) {
  put("alice,10.8.0.9\nalice,10.8.0.7\nalice,10.8.0.8\n");
  AddressPool pool(whole_ranges(false));
  EXPECT_TRUE(PersistentPool::open(path, false)->read(pool, file_time(0)).empty());
  EXPECT_EQ(abi::to_text(abi::ipv4(pool.take("alice", file_time(0))->ip4)), "10.8.0.7");
  EXPECT_EQ(abi::to_text(abi::ipv4(pool.take("bob", file_time(0))->ip4)), "10.8.0.4");
}

/// Half of the new text in front of half of the old one would give clients each other's addresses.
TEST_F(PersistentPoolTest, AFullDiskLeavesTheFileAsItWas) {
  const std::string before = "carol,10.8.0.100,fd00::1060\ndave,10.8.0.101,fd00::1061\n";
  put(before);
  AddressPool pool(whole_ranges(false));
  auto file = PersistentPool::open(path, false);
  ASSERT_TRUE(file) << file.error();
  for (const char* name : {"alice", "bob", "carol", "dave"}) (void)pool.take(name, file_time(0));
  signal(SIGXFSZ, SIG_IGN);
  rlimit unlimited{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &unlimited), 0);
  rlimit full{before.size() + 10, unlimited.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &full), 0);
  Status written = file->write(pool);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error(), "ifconfig-pool-persist " + path + ": No space left on device");
  EXPECT_EQ(get(), before);
  EXPECT_TRUE(file->write(pool)) << "there is room again";
  EXPECT_TRUE(get().starts_with("alice,10.8.0.4,"));
}

TEST_F(PersistentPoolTest, ErrorsNameTheFile) {
  EXPECT_EQ(PersistentPool::open(path, true).error(), "ifconfig-pool-persist " + path + ": No such file or directory");
  EXPECT_EQ(PersistentPool::open(folder.path(), true).error(),
            "ifconfig-pool-persist " + folder.path() + ": is not a file");
}

}  // namespace
}  // namespace culvert::pool
