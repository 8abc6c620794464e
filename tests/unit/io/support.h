// A folder that goes away, waiting for a condition, and a dataplane's end of the link without a dataplane.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "control/io/clock.h"
#include "control/io/event_loop.h"
#include "control/io/unix_socket.h"
#include "dataplane/abi/setup.h"

namespace culvert::io {

class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "culvert-io-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

/// Runs the loop until `condition` holds. False after ten seconds.
inline bool run_until(EventLoop& loop, const std::function<bool()>& condition) {
  MonoTime deadline = mono_now() + std::chrono::seconds(10);
  while (!condition()) {
    if (mono_now() >= deadline) return false;
    loop.run_once(deadline);
  }
  return true;
}

/// The link's memory and doorbells as a dataplane makes them.
class FakeLink {
 public:
  explicit FakeLink(uint32_t workers = 1, uint32_t sessions = 16, uint64_t boot_id = 1,
                    int seals = F_SEAL_SHRINK | F_SEAL_GROW)
      : memfd(memfd_create("fake-link", MFD_CLOEXEC | MFD_ALLOW_SEALING)) {
    size = abi::layout_for(workers, sessions).total_size;
    EXPECT_EQ(ftruncate(memfd.get(), static_cast<off_t>(size)), 0);
    if (seals) {
      EXPECT_EQ(fcntl(memfd.get(), F_ADD_SEALS, seals), 0);
    }
    base = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, memfd.get(), 0);
    view = abi::LinkView(base, workers, sessions);
    abi::LinkHeader& header = view.header();
    header.magic = abi::kLinkMagic;
    header.abi_version = abi::kAbiVersion;
    header.header_size = sizeof(abi::LinkHeader);
    header.total_size = size;
    header.workers = workers;
    header.sessions = sessions;
    header.worker_area_size = sizeof(abi::WorkerArea);
    header.session_record_size = sizeof(abi::SessionRecord);
    header.seen_ids_size = sizeof(abi::SeenIds);
    header.network_list_size = sizeof(abi::NetworkList);
    header.boot_id = boot_id;
    for (uint32_t i = 0; i < 2 * workers; ++i) bells.emplace_back(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  }
  ~FakeLink() { munmap(base, size); }
  FakeLink(const FakeLink&) = delete;
  FakeLink& operator=(const FakeLink&) = delete;

  std::vector<int> handover() const {
    std::vector<int> fds = {memfd.get()};
    for (const Fd& bell : bells) fds.push_back(bell.get());
    return fds;
  }
  /// Tells control that there is something.
  void ring_control(uint32_t worker = 0) const {
    uint64_t one = 1;
    EXPECT_EQ(write(bells[1 + 2 * worker].get(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
  }
  /// Was the worker woken since the last call?
  bool worker_was_woken(uint32_t worker = 0) const {
    uint64_t count = 0;
    return read(bells[2 * worker].get(), &count, sizeof count) > 0;
  }

  Fd memfd;
  size_t size = 0;
  void* base = nullptr;
  abi::LinkView view;
  std::vector<Fd> bells;
};

/// The setup socket's other end, driven by the same loop as what is tested.
class FakeDataplane {
 public:
  FakeDataplane(EventLoop& loop, const std::string& path, FakeLink& link) : loop_(loop), path_(path), link_(link) {
    auto fd = listen_unix(path, SOCK_SEQPACKET, 0600, 4);
    EXPECT_TRUE(fd) << fd.error();
    listener_ = std::move(*fd);
    EXPECT_TRUE(loop.watch(listener_.get(), EPOLLIN, [this](uint32_t) { accept_one(); }));
  }
  ~FakeDataplane() {
    hang_up();
    loop_.unwatch(listener_.get());
    unlink(path_.c_str());
  }
  FakeDataplane(const FakeDataplane&) = delete;
  FakeDataplane& operator=(const FakeDataplane&) = delete;

  void hang_up() {
    if (control_) loop_.unwatch(control_.get());
    control_.reset();
  }
  void reply(abi::ReplyStatus status, const std::string& text, const std::vector<int>& fds = {}) {
    abi::Reply reply{};
    reply.status = status;
    std::copy_n(text.begin(), std::min(text.size(), reply.text.size()), reply.text.begin());
    send_bytes(&reply, sizeof reply, fds);
  }
  void send_bytes(const void* data, size_t size, const std::vector<int>& fds = {}) {
    iovec part{const_cast<void*>(data), size};
    std::vector<char> space(CMSG_SPACE(fds.size() * sizeof(int)));
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (!fds.empty()) {
      message.msg_control = space.data();
      message.msg_controllen = space.size();
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
      std::memcpy(CMSG_DATA(header), fds.data(), fds.size() * sizeof(int));
    }
    EXPECT_GE(sendmsg(control_.get(), &message, MSG_NOSIGNAL), 0);
  }

  /// What to do with a request; by default Hello gets the link and everything else is done.
  std::function<void(const abi::Request&)> on_request = [this](const abi::Request& request) {
    reply(abi::ReplyStatus::kDone, "",
          request.kind == abi::RequestKind::kHello ? link_.handover() : std::vector<int>{});
  };
  std::vector<abi::Request> requests;

 private:
  void accept_one() {
    hang_up();
    control_ = Fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    EXPECT_TRUE(loop_.watch(control_.get(), EPOLLIN, [this](uint32_t) { serve(); }));
  }
  void serve() {
    abi::Request request{};
    if (recv(control_.get(), &request, sizeof request, 0) != static_cast<ssize_t>(sizeof request)) return hang_up();
    requests.push_back(request);
    on_request(request);
  }

  EventLoop& loop_;
  std::string path_;
  FakeLink& link_;
  Fd listener_;
  Fd control_;
};

}  // namespace culvert::io
