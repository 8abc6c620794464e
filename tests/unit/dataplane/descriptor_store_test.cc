#include "dataplane/descriptor_store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <functional>

#include "dataplane/kept_names.h"
#include "tests/unit/dataplane/fake_keeper.h"
#include "tests/unit/support/path_rig.h"
#include "tests/unit/support/wait.h"

namespace culvert::dataplane {
namespace {

using drivers::FileDescriptor;
using testing::FakeKeeper;

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
    read = FileDescriptor(ends[0]);
    write = FileDescriptor(ends[1]);
  }
  FileDescriptor read, write;
};

bool is_same_file(int a, int b) {
  struct stat of_a {};
  struct stat of_b {};
  return fstat(a, &of_a) == 0 && fstat(b, &of_b) == 0 && of_a.st_ino == of_b.st_ino && of_a.st_dev == of_b.st_dev;
}

TEST(DescriptorStore, WhatIsKeptIsFoundByTheNextProcess) {
  FakeKeeper keeper;
  Pipe one, two;
  DescriptorStore first = keeper.store();
  EXPECT_FALSE(first.has_untaken());
  first.keep("one", one.read.get());
  first.keep("two", two.read.get());
  ASSERT_TRUE(testing::wait_until([&] { return keeper.names().size() == 2; }));

  DescriptorStore next = keeper.store();
  EXPECT_TRUE(next.take(std::array<std::string, 2>{"one", "three"}).empty()) << "all or none";
  DescriptorStore once = keeper.store();
  EXPECT_EQ(once.take(std::array<std::string, 2>{"one", "one"}).size(), 1u) << "one cannot be had twice";
  auto taken = next.take(std::array<std::string, 2>{"two", "one"});
  ASSERT_EQ(taken.size(), 2u);
  EXPECT_TRUE(is_same_file(taken[0].get(), two.read.get()));
  EXPECT_TRUE(is_same_file(taken[1].get(), one.read.get()));
  EXPECT_FALSE(next.has_untaken());
  EXPECT_EQ(keeper.names().size(), 2u) << "they stay kept";
}

TEST(DescriptorStore, WhatIsForgottenIsClosedWhenItReturns) {
  FakeKeeper keeper;
  Pipe pipe;
  DescriptorStore store = keeper.store();
  store.keep("end", pipe.write.get());
  pipe.write.reset();
  char byte = 0;
  store.forget(std::array<std::string, 2>{"end", "never kept"});
  EXPECT_EQ(read(pipe.read.get(), &byte, 1), 0) << "nobody has the other end any more";
  EXPECT_TRUE(keeper.names().empty());
}

TEST(DescriptorStore, WhatNobodyTookIsForgottenByItsBeginning) {
  FakeKeeper keeper;
  Pipe pipe;
  DescriptorStore first = keeper.store();
  for (const char* name : {"udp 1194 a", "udp 1194 b", "udp 1195 a", "tun x"}) first.keep(name, pipe.read.get());
  ASSERT_TRUE(testing::wait_until([&] { return keeper.names().size() == 4; }));
  DescriptorStore next = keeper.store();
  ASSERT_EQ(next.take(std::array<std::string, 1>{"udp 1194 b"}).size(), 1u);
  next.forget_untaken("udp 1194 ");
  EXPECT_EQ(keeper.names(), (std::vector<std::string>{"tun x", "udp 1194 b", "udp 1195 a"}));
  next.forget_untaken();
  EXPECT_EQ(keeper.names(), (std::vector<std::string>{"udp 1194 b"}));
  EXPECT_FALSE(next.has_untaken());
}

/// A datagram socket takes some messages only (net.unix.max_dgram_qlen).
TEST(DescriptorStore, AKeeperThatIsBusyIsWaitedFor) {
  FakeKeeper keeper;
  Pipe pipe;
  DescriptorStore store = keeper.store();
  for (int i = 0; i < 600; ++i) store.keep("descriptor " + std::to_string(i), pipe.read.get());
  store.forget(std::array<std::string, 1>{"descriptor 7"});
  EXPECT_EQ(keeper.names().size(), 599u);
}

TEST(DescriptorStore, WithoutAKeeperNothingIsKept) {
  FakeKeeper keeper;
  Pipe pipe;
  DescriptorStore store = keeper.store();
  keeper.end();
  store.keep("end", pipe.write.get());
  store.forget(std::array<std::string, 1>{"end"});
  DescriptorStore nobody;
  nobody.keep("end", pipe.write.get());
  nobody.forget_untaken();
  EXPECT_TRUE(nobody.take(std::array<std::string, 1>{"end"}).empty());
}

/// In a process of its own, whose environment and descriptors are changed. Returns what `check` does.
bool in_a_process(const std::function<bool()>& check) {
  const pid_t pid = fork();
  if (pid == 0) _exit(check() ? 0 : 1);
  int status = 0;
  return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

TEST(DescriptorStore, IsReadFromTheEnvironment) {
  EXPECT_TRUE(in_a_process([] {
    Pipe pipe;
    const int copy = fcntl(pipe.read.get(), F_DUPFD_CLOEXEC, 100);
    dup2(copy, 3), dup2(copy, 4);
    setenv("LISTEN_PID", std::to_string(getpid()).c_str(), 1);
    setenv("LISTEN_FDS", "2", 1);
    setenv("LISTEN_FDNAMES", "udp 1194 at 0.0.0.0:tun culvert", 1);
    setenv("NOTIFY_SOCKET", "/nowhere/to be found", 1);
    DescriptorStore store = DescriptorStore::from_environment();
    auto taken = store.take(std::array<std::string, 2>{"udp 1194 at 0.0.0.0", "tun culvert"});
    return taken.size() == 2 && taken[0].get() == 3 && taken[1].get() == 4 && (fcntl(3, F_GETFD) & FD_CLOEXEC) != 0 &&
           getenv("LISTEN_PID") == nullptr && getenv("LISTEN_FDNAMES") == nullptr && getenv("NOTIFY_SOCKET") == nullptr;
  }));
}

TEST(DescriptorStore, WhatIsForAnotherProcessIsLeftAlone) {
  EXPECT_TRUE(in_a_process([] {
    setenv("LISTEN_PID", std::to_string(getppid()).c_str(), 1);
    setenv("LISTEN_FDS", "1", 1);
    DescriptorStore store = DescriptorStore::from_environment();
    return !store.has_untaken() && getenv("LISTEN_FDS") != nullptr;
  }));
}

TEST(KeptNames, SayAllThatASocketWasOpenedWith) {
  drivers::UdpSettings udp;
  udp.local = testing::endpoint("::1", 1194);
  const std::vector<std::string> plain = kept_names(udp, 2);
  ASSERT_EQ(plain.size(), 2u);
  EXPECT_NE(plain[0], plain[1]);
  for (const std::string& name : plain) {
    EXPECT_EQ(name.find(':'), std::string::npos) << "it would end there";
    EXPECT_TRUE(name.starts_with(kept_beginning(udp)));
    EXPECT_LE(name.size(), 255u);
  }
  EXPECT_NE(kept_names(udp, 1)[0], plain[0]) << "shared with another worker's";
  const auto differs = [&](const std::function<void(drivers::UdpSettings&)>& change) {
    drivers::UdpSettings other = udp;
    change(other);
    return kept_names(other, 2) != plain;
  };
  EXPECT_TRUE(differs([](auto& to) { to.local = testing::endpoint("::2", 1194); }));
  EXPECT_TRUE(differs([](auto& to) { to.local.port = 1195; }));
  EXPECT_TRUE(differs([](auto& to) { to.ipv6_only = true; }));
  EXPECT_TRUE(differs([](auto& to) { to.receive_buffer = 1 << 20; }));
  EXPECT_TRUE(differs([](auto& to) { to.send_buffer = 1 << 20; }));
  EXPECT_TRUE(differs([](auto& to) { to.mark = 7; }));
  EXPECT_TRUE(differs([](auto& to) { to.device = "eth0"; }));
  drivers::TcpSettings tcp;
  tcp.local = udp.local;
  EXPECT_NE(kept_names(tcp, 2), plain);
  EXPECT_TRUE(kept_names(OuterSettings(), 2).empty());
}

}  // namespace
}  // namespace culvert::dataplane
