// Control's end of the setup socket, as a test plays it.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "dataplane/abi/setup.h"
#include "drivers/file_descriptor.h"

namespace culvert::testing {

class SetupClient {
 public:
  struct Answer {
    bool closed = false;  ///< no reply: the connection ended
    abi::ReplyStatus status{};
    std::string text;
    std::vector<drivers::FileDescriptor> descriptors;
  };

  explicit SetupClient(const std::string& path)
      : fd_(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    connected_ = connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  bool connected() const { return connected_; }
  int fd() const { return fd_.get(); }

  static abi::Request hello() {
    abi::Request request{};
    request.kind = abi::RequestKind::kHello;
    request.body.hello = {abi::kSetupMagic, abi::kAbiVersion, 0};
    return request;
  }
  void send(const abi::Request& request) { send_bytes({reinterpret_cast<const char*>(&request), sizeof request}); }
  void send_bytes(std::string_view bytes) { (void)::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL); }

  /// The reply that waits; `closed` when there is none and the connection ended. Fails the test when nothing is there
  /// at all.
  Answer answer() {
    Answer answer;
    abi::Reply reply{};
    iovec data{&reply, sizeof reply};
    alignas(cmsghdr) std::array<unsigned char, CMSG_SPACE(8 * sizeof(int))> buffer{};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = buffer.data();
    message.msg_controllen = buffer.size();
    ssize_t length = recvmsg(fd_.get(), &message, MSG_CMSG_CLOEXEC);
    if (length != static_cast<ssize_t>(sizeof reply)) {
      EXPECT_TRUE(length == 0 || (length < 0 && errno == ECONNRESET)) << "no reply, and the connection is open";
      answer.closed = true;
      return answer;
    }
    answer.status = reply.status;
    answer.text = reply.text.data();
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
      for (size_t i = 0; i < (header->cmsg_len - CMSG_LEN(0)) / sizeof(int); ++i) {
        int fd;
        std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
        answer.descriptors.emplace_back(fd);
      }
    }
    return answer;
  }
  /// True while the other end has neither closed nor said anything.
  bool is_open_and_quiet() const {
    char byte;
    return recv(fd_.get(), &byte, 1, MSG_PEEK) < 0 && errno == EAGAIN;
  }
  void close() { fd_.reset(); }

 private:
  drivers::FileDescriptor fd_;
  bool connected_ = false;
};

}  // namespace culvert::testing
