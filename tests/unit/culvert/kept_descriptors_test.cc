// What the dataplane has kept, from its own end and from ours.
#include "tools/culvert/kept_descriptors.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <thread>

#include "control/io/unix_socket.h"
#include "dataplane/descriptor_store.h"
#include "tests/unit/io/support.h"
#include "tools/culvert/child.h"

namespace culvert::cli {
namespace {

using dataplane::DescriptorStore;

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
    read = io::Fd(ends[0]);
    write = io::Fd(ends[1]);
  }
  io::Fd read, write;
};

class Kept : public ::testing::Test {
 protected:
  DescriptorStore a_dataplane() const {
    auto fd = io::connect_unix(kept_->path(), SOCK_DGRAM);
    EXPECT_TRUE(fd) << fd.error();
    return {drivers::FileDescriptor(fcntl(fd->get(), F_DUPFD_CLOEXEC, 3)), {}};
  }
  std::vector<std::string> names() const {
    std::vector<std::string> list;
    for (const auto& [name, fd] : kept_->kept()) list.push_back(name);
    return list;
  }
  bool run_until(const std::function<bool()>& condition) { return io::run_until(*loop_, condition); }

  io::Folder folder_;
  std::unique_ptr<io::EventLoop> loop_ = std::move(*io::EventLoop::make());
  std::unique_ptr<KeptDescriptors> kept_ = std::move(*KeptDescriptors::listen(*loop_, folder_ / "kept.sock"));
};

TEST_F(Kept, OneThatTheDataplaneForgetsIsClosed) {
  Pipe pipe;
  DescriptorStore store = a_dataplane();
  store.keep("tun culvert, 1 of 1", pipe.read.get());
  store.keep("end", pipe.write.get());
  pipe.write.reset();
  ASSERT_TRUE(run_until([&] { return kept_->kept().size() == 2; }));
  EXPECT_EQ(names(), (std::vector<std::string>{"tun culvert, 1 of 1", "end"}));
  bool returned = false;
  std::thread forgetting([&] {
    store.forget(std::array<std::string, 1>{"end"});
    char byte = 0;
    returned = read(pipe.read.get(), &byte, 1) == 0;  // else it would wait for ever
  });
  EXPECT_TRUE(run_until([&] { return kept_->kept().size() == 1; }));
  forgetting.join();
  EXPECT_TRUE(returned);
}

TEST_F(Kept, LastWordsOfAProcessAreHeard) {
  Pipe pipe;
  {
    DescriptorStore store = a_dataplane();
    store.keep("one", pipe.read.get());
  }
  EXPECT_TRUE(names().empty());
  kept_->serve();
  EXPECT_EQ(names(), (std::vector<std::string>{"one"}));
}

TEST_F(Kept, WhatIsNoSuchMessageChangesNothing) {
  auto fd = io::connect_unix(kept_->path(), SOCK_DGRAM);
  ASSERT_TRUE(fd);
  for (const std::string& text : {std::string("READY=1"), std::string("FDSTORE=1\nFDNAME=without"), std::string("\n\n"),
                                  std::string("FDSTOREREMOVE=1"), std::string(5000, 'x'), std::string()})
    EXPECT_GE(send(fd->get(), text.data(), text.size(), 0), 0);
  kept_->serve();
  EXPECT_TRUE(names().empty());
}

TEST_F(Kept, TheNextProgramFindsThemOpen) {
  Pipe out, other;
  DescriptorStore store = a_dataplane();
  store.keep("other", other.write.get());
  store.keep("udp 1194 at 0.0.0.0, 1 of 1", out.write.get());
  out.write.reset();
  ASSERT_TRUE(run_until([&] { return kept_->kept().size() == 2; }));
  Child program(
      {"/bin/sh", "-c", "[ $LISTEN_PID = $$ ] && [ -S $NOTIFY_SOCKET ] && echo \"$LISTEN_FDS $LISTEN_FDNAMES\" >&4"});
  ASSERT_TRUE(program.start(kept_.get()));
  ASSERT_TRUE(run_until([&] {
    loop_->at(io::mono_now() + std::chrono::milliseconds(5), [] {});
    return program.reap().has_value();
  }));
  EXPECT_EQ(program.exit_status(), 0);
  std::array<char, 256> text{};
  const ssize_t size = read(out.read.get(), text.data(), text.size());
  EXPECT_EQ(std::string(text.data(), size > 0 ? static_cast<size_t>(size) : 0),
            "2 other:udp 1194 at 0.0.0.0, 1 of 1\n");
}

TEST_F(Kept, AProgramToWhichNothingBelongsFindsNothing) {
  Pipe pipe;
  DescriptorStore store = a_dataplane();
  store.keep("one", pipe.read.get());
  kept_->serve();
  Child program({"/bin/sh", "-c", "[ -z \"$LISTEN_FDS\" ] && ! [ -e /proc/$$/fd/3 ]"});
  ASSERT_TRUE(program.start());
  ASSERT_TRUE(run_until([&] {
    loop_->at(io::mono_now() + std::chrono::milliseconds(5), [] {});
    return program.reap().has_value();
  }));
  EXPECT_EQ(program.exit_status(), 0);
}

TEST(KeptDescriptors, AFileOfBeforeIsReplacedAndATooLongNameRefused) {
  io::Folder folder;
  auto loop = std::move(*io::EventLoop::make());
  { auto fd = io::Fd(open((folder / "kept.sock").c_str(), O_CREAT | O_WRONLY, 0600)); }
  EXPECT_TRUE(KeptDescriptors::listen(*loop, folder / "kept.sock"));
  EXPECT_NE(access((folder / "kept.sock").c_str(), F_OK), 0) << "gone with it";
  auto refused = KeptDescriptors::listen(*loop, folder / std::string(120, 'x'));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().find("choose a run directory with a shorter name"), std::string::npos);
}

}  // namespace
}  // namespace culvert::cli
