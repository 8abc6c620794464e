// The trace socket: one operator at a time, bad requests, and that memory goes only when no worker uses it.
#include "dataplane/link/trace_server.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <optional>

#include "dataplane/clock.h"
#include "tests/unit/support/temporary_folder.h"

namespace culvert::dataplane {
namespace {

using drivers::FileDescriptor;

abi::TraceRequest everything() {
  abi::TraceRequest request{};
  request.magic = abi::kTraceMagic;
  request.version = abi::kTraceVersion;
  request.directions = abi::trace_direction::kBoth;
  request.reason = abi::kNoDropReason;
  request.every = 1;
  request.session.peer_id = abi::kNoPeerId;
  return request;
}

struct TraceAnswer {
  abi::TraceReply reply{};
  FileDescriptor memory;
};

class Client {
 public:
  explicit Client(const std::string& path) : fd_(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::copy(path.begin(), path.end(), address.sun_path);
    EXPECT_EQ(connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  void send(const void* bytes, size_t length) {
    EXPECT_EQ(::send(fd_.get(), bytes, length, MSG_NOSIGNAL), static_cast<ssize_t>(length));
  }
  std::optional<TraceAnswer> answer() {
    TraceAnswer answer;
    iovec data{&answer.reply, sizeof answer.reply};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    alignas(cmsghdr) std::array<unsigned char, CMSG_SPACE(sizeof(int))> buffer{};
    message.msg_control = buffer.data();
    message.msg_controllen = buffer.size();
    if (recvmsg(fd_.get(), &message, MSG_DONTWAIT) != static_cast<ssize_t>(sizeof answer.reply)) return std::nullopt;
    if (cmsghdr* header = CMSG_FIRSTHDR(&message)) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
      answer.memory = FileDescriptor(fd);
    }
    return answer;
  }
  bool is_closed() {
    char byte = 0;
    return recv(fd_.get(), &byte, 1, MSG_DONTWAIT) == 0;
  }
  void leave() { fd_.reset(); }

 private:
  FileDescriptor fd_;
};

class TraceServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto listener = listen_on(path_, {});
    ASSERT_TRUE(listener) << listener.error();
    TraceServer::Options options{
        {}, {&mailboxes_[0], &mailboxes_[1]}, {bells_[0].get(), bells_[1].get()}, [this](const std::string& line) {
          log_.push_back(line);
        }};
    server_ = std::make_unique<TraceServer>(*std::move(listener), std::move(options));
  }
  void serve() {
    for (int i = 0; i < 4; ++i) server_->serve(now_);
  }
  void adopt(size_t worker) { mailboxes_[worker].adopt(mailboxes_[worker].posted()); }
  TraceAnswer ask(Client& client, const abi::TraceRequest& request) {
    client.send(&request, sizeof request);
    serve();
    auto answer = client.answer();
    EXPECT_TRUE(answer);
    return answer ? *std::move(answer) : TraceAnswer{};
  }
  static std::string text(const TraceAnswer& answer) { return answer.reply.text.data(); }

  testing::TemporaryFolder folder_;
  std::string path_ = folder_.path() + "/trace.sock";
  std::array<steps::TraceMailbox, 2> mailboxes_;
  std::array<FileDescriptor, 2> bells_ = {FileDescriptor(eventfd(0, EFD_NONBLOCK)),
                                          FileDescriptor(eventfd(0, EFD_NONBLOCK))};
  std::vector<std::string> log_;
  std::unique_ptr<TraceServer> server_;
  uint64_t now_ = 1'000'000'000;
};

TEST_F(TraceServerTest, GivesSealedMemoryAndTellsEveryWorker) {
  Client client(path_);
  abi::TraceRequest request = everything();
  request.content = abi::PacketContent::kInner;
  request.snap = 128;
  request.session = {7, 3};
  TraceAnswer answer = ask(client, request);
  ASSERT_EQ(answer.reply.failed, 0u) << text(answer);
  abi::TraceShape shape{answer.reply.workers, answer.reply.slots, answer.reply.slot_size};
  EXPECT_EQ(shape, abi::TraceShape::of(2, 128));
  ASSERT_TRUE(answer.memory);
  EXPECT_NE(ftruncate(answer.memory.get(), 0), 0) << "a reader can make workers fault";
  void* base = mmap(nullptr, shape.total_size(), PROT_READ | PROT_WRITE, MAP_SHARED, answer.memory.get(), 0);
  ASSERT_NE(base, MAP_FAILED);
  for (size_t worker = 0; worker < 2; ++worker) {
    steps::TracePlan* plan = mailboxes_[worker].posted();
    ASSERT_NE(plan, nullptr);
    EXPECT_EQ(plan->what.session, (abi::SessionRef{7, 3}));
    EXPECT_EQ(plan->scratch.size(), 64u * 128);
    uint64_t rung = 0;
    EXPECT_EQ(read(bells_[worker].get(), &rung, sizeof rung), static_cast<ssize_t>(sizeof rung));
    abi::TraceEntry entry{};
    entry.count = 1;
    entry.inner_length = static_cast<uint32_t>(worker + 40);
    entry.reason = abi::kNoDropReason;
    entry.step = {"route"};
    plan->ring.write(entry, {});
    abi::TraceReader reader(static_cast<std::byte*>(base) + worker * shape.ring_size(), shape);
    std::vector<uint8_t> buffer(shape.slot_size);
    std::span<const uint8_t> bytes;
    ASSERT_EQ(reader.read(entry, buffer, bytes), abi::TraceReader::Status::kEntry);
    EXPECT_EQ(entry.inner_length, worker + 40);
  }
  munmap(base, shape.total_size());
  ASSERT_EQ(log_.size(), 1u);
  EXPECT_NE(log_[0].find("capture of decrypted packets, first 128 bytes each, of session 7: begun by pid "),
            std::string::npos)
      << log_[0];
}

TEST_F(TraceServerTest, MemoryGoesWhenTheLastWorkerHasLetGo) {
  Client client(path_);
  ask(client, everything());
  adopt(0);
  adopt(1);
  client.leave();
  serve();
  EXPECT_FALSE(server_->is_tracing());
  EXPECT_EQ(mailboxes_[0].posted(), nullptr);
  EXPECT_NE(server_->deadline_ns(), UINT64_MAX);
  adopt(0);
  serve();
  EXPECT_EQ(log_.size(), 1u) << "worker 1 still writes there";
  Client next(path_);
  TraceAnswer refused = ask(next, everything());
  EXPECT_EQ(refused.reply.failed, 1u);
  adopt(1);
  serve();
  ASSERT_EQ(log_.size(), 2u);
  EXPECT_NE(log_[1].find("ended: 0 entries, 0 more found no room"), std::string::npos) << log_[1];
  EXPECT_EQ(server_->deadline_ns(), UINT64_MAX);
  Client third(path_);
  EXPECT_EQ(ask(third, everything()).reply.failed, 0u);
}

TEST_F(TraceServerTest, OneAtATime) {
  Client first(path_), second(path_);
  EXPECT_EQ(ask(first, everything()).reply.failed, 0u);
  TraceAnswer refused = ask(second, everything());
  EXPECT_EQ(refused.reply.failed, 1u);
  EXPECT_FALSE(refused.memory);
  EXPECT_NE(text(refused).find("somebody else is looking at packets (pid "), std::string::npos) << text(refused);
  EXPECT_TRUE(server_->is_tracing());
}

TEST_F(TraceServerTest, RequestsThatMakeNoSenseAreRefused) {
  struct Case {
    const char* what;
    void (*spoil)(abi::TraceRequest&);
  };
  for (const Case& c : {
           Case{"magic", [](abi::TraceRequest& r) { r.magic = 1; }},
           Case{"version", [](abi::TraceRequest& r) { ++r.version; }},
           Case{"snap without content", [](abi::TraceRequest& r) { r.snap = 10; }},
           Case{"content without snap", [](abi::TraceRequest& r) { r.content = abi::PacketContent::kInner; }},
           Case{"content",
                [](abi::TraceRequest& r) {
                  r.content = static_cast<abi::PacketContent>(3);
                  r.snap = 10;
                }},
           Case{"too much of each",
                [](abi::TraceRequest& r) {
                  r.content = abi::PacketContent::kInner;
                  r.snap = abi::kMaxTraceSnap + 1;
                }},
           Case{"no direction", [](abi::TraceRequest& r) { r.directions = 0; }},
           Case{"directions", [](abi::TraceRequest& r) { r.directions = 4; }},
           Case{"drops_only", [](abi::TraceRequest& r) { r.drops_only = 2; }},
           Case{"every", [](abi::TraceRequest& r) { r.every = 0; }},
           Case{"reason",
                [](abi::TraceRequest& r) {
                  r.drops_only = 1;
                  r.reason = abi::kDropReasonCount;
                }},
           Case{"reason of what is not dropped", [](abi::TraceRequest& r) { r.reason = 0; }},
           Case{"address", [](abi::TraceRequest& r) { r.remote.family = static_cast<abi::Family>(5); }},
       }) {
    abi::TraceRequest request = everything();
    ASSERT_EQ(why_not_traceable(request), nullptr);
    c.spoil(request);
    Client client(path_);
    TraceAnswer answer = ask(client, request);
    EXPECT_EQ(answer.reply.failed, 1u) << c.what;
    EXPECT_FALSE(answer.memory) << c.what;
    EXPECT_FALSE(server_->is_tracing()) << c.what;
  }
  for (size_t length : {size_t{1}, sizeof(abi::TraceRequest) - 1, sizeof(abi::TraceRequest) + 1}) {
    std::vector<uint8_t> bytes(length, 1);
    Client client(path_);
    client.send(bytes.data(), bytes.size());
    serve();
    auto answer = client.answer();
    ASSERT_TRUE(answer) << length;
    EXPECT_EQ(answer->reply.failed, 1u);
  }
}

TEST_F(TraceServerTest, SilentConnectionsAreClosedAndCrowdsPushTheOldestOut) {
  Client silent(path_);
  serve();
  EXPECT_EQ(server_->deadline_ns(), now_ + Newcomers::kSilence);
  now_ += Newcomers::kSilence;
  serve();
  EXPECT_TRUE(silent.is_closed());
  std::vector<Client> crowd;
  for (size_t i = 0; i < Newcomers::kMax + 1; ++i) {
    crowd.emplace_back(path_);
    serve();
  }
  EXPECT_TRUE(crowd.front().is_closed());
  EXPECT_EQ(ask(crowd.back(), everything()).reply.failed, 0u);
}

}  // namespace
}  // namespace culvert::dataplane
