// Keeps descriptors as systemd and `culvert up` do, in a thread of its own.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "dataplane/descriptor_store.h"

namespace culvert::testing {

class FakeKeeper {
 public:
  FakeKeeper() {
    std::array<int, 2> ends{};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    ours_ = drivers::FileDescriptor(ends[0]);
    theirs_ = drivers::FileDescriptor(ends[1]);
    thread_ = std::thread([this] { run(); });
  }
  ~FakeKeeper() { end(); }
  FakeKeeper(const FakeKeeper&) = delete;
  FakeKeeper& operator=(const FakeKeeper&) = delete;

  /// What the next process finds.
  dataplane::DescriptorStore store() {
    const std::lock_guard lock(mutex_);
    std::vector<dataplane::DescriptorStore::Entry> found;
    for (const auto& [name, fd] : kept_) found.push_back({name, copy(fd.get())});
    return {copy(theirs_.get()), std::move(found)};
  }
  std::vector<std::string> names() {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> list;
    for (const auto& [name, fd] : kept_) list.push_back(name);
    return list;
  }
  /// Goes away, with all that it kept.
  void end() {
    if (!thread_.joinable()) return;
    stop_ = true;
    shutdown(ours_.get(), SHUT_RDWR);
    thread_.join();
    ours_.reset();
    kept_.clear();
  }

 private:
  static drivers::FileDescriptor copy(int fd) { return drivers::FileDescriptor(fcntl(fd, F_DUPFD_CLOEXEC, 3)); }

  void run() {
    while (!stop_) {
      pollfd wait{ours_.get(), POLLIN, 0};
      if (poll(&wait, 1, 20) == 1) receive();
    }
  }
  void receive() {
    std::array<char, 1024> text{};
    iovec part{text.data(), text.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &part, message.msg_iovlen = 1;
    message.msg_control = control.data(), message.msg_controllen = control.size();
    const ssize_t size = recvmsg(ours_.get(), &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (size <= 0) return;
    drivers::FileDescriptor fd;
    if (const cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr && header->cmsg_type == SCM_RIGHTS) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(header), sizeof number);
      fd = drivers::FileDescriptor(number);
    }
    const std::string said(text.data(), static_cast<size_t>(size));
    const size_t name = said.find("FDNAME=");
    if (name == std::string::npos) return;  // a barrier: its descriptor is closed here
    const std::string of = said.substr(name + 7, said.find('\n', name) - name - 7);
    const std::lock_guard lock(mutex_);
    // Without FDPOLL=0 systemd lets a socket go that has an error to report (sd_notify(3)).
    const bool stays = said.find("\nFDPOLL=0") != std::string::npos;
    if (said.starts_with("FDSTORE=1\n") && stays) kept_[of] = std::move(fd);
    if (said.starts_with("FDSTOREREMOVE=1\n")) kept_.erase(of);
  }

  drivers::FileDescriptor ours_, theirs_;
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::map<std::string, drivers::FileDescriptor> kept_;
  std::thread thread_;
};

}  // namespace culvert::testing
