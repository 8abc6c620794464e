// The setup socket: who may attach, and what becomes of bad requests.
#include "dataplane/link/setup_server.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cstring>
#include <random>

#include "dataplane/abi/endpoint_text.h"
#include "dataplane/link/link_memory.h"
#include "tests/unit/dataplane/setup_client.h"
#include "tests/unit/support/temporary_folder.h"

namespace culvert::dataplane {
namespace {

using testing::SetupClient;
using Answer = SetupClient::Answer;

struct RecordingHandler final : SetupHandler {
  Result<std::string> open_port(const abi::OpenPort& request) override {
    done.push_back("port " + std::to_string(request.port));
    return fail.empty() ? Result<std::string>(std::string()) : Error{fail};
  }
  Result<std::string> find_port(const abi::OpenPort&) override {
    done.push_back("find");
    return std::string("9");
  }
  Result<std::string> keep_ports(const abi::KeepPorts& request) override {
    done.push_back("keep " + std::to_string(request.ports[0]));
    return std::string();
  }
  Result<std::string> open_tun(const abi::OpenTun& request) override {
    done.push_back("tun " + std::string(request.name.data()));
    return std::string("tun7");
  }
  std::vector<std::string> done;
  std::string fail;
};

class SetupServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto link = LinkMemory::make(1, 16, "test");
    ASSERT_TRUE(link) << link.error();
    link_ = std::make_unique<LinkMemory>(*std::move(link));
    auto listener = listen_on(path_, {});
    ASSERT_TRUE(listener) << listener.error();
    SetupServer::Options options{{}, link_->handover(), [this](const std::string& line) { log_.push_back(line); }};
    server_ = std::make_unique<SetupServer>(*std::move(listener), std::move(options), handler_);
  }
  void serve() {
    for (int i = 0; i < 4; ++i) server_->serve(now_);
  }
  Answer ask(SetupClient& client, const abi::Request& request) {
    client.send(request);
    serve();
    return client.answer();
  }
  /// Failed, with this in its text.
  static bool refused(const Answer& answer, const char* part) {
    bool as_expected = !answer.closed && answer.status == abi::ReplyStatus::kFailed &&
                       answer.text.find(part) != std::string::npos && answer.descriptors.empty();
    EXPECT_TRUE(as_expected) << "reply: " << answer.text;
    return as_expected;
  }
  std::unique_ptr<SetupClient> attach() {
    auto client = std::make_unique<SetupClient>(path_);
    Answer answer = ask(*client, SetupClient::hello());
    EXPECT_EQ(answer.status, abi::ReplyStatus::kDone) << answer.text;
    EXPECT_EQ(answer.descriptors.size(), 3u);
    return client;
  }
  static abi::Request open_port() {
    abi::Request request{};
    request.kind = abi::RequestKind::kOpenPort;
    abi::OpenPort port{};
    port.port = 3;
    port.local.address = *abi::parse_ip("0.0.0.0");
    port.local.port = 1194;
    request.body.open_port = port;
    return request;
  }
  static abi::Request open_tun() {
    abi::Request request{};
    request.kind = abi::RequestKind::kOpenTun;
    abi::OpenTun tun{};
    std::strcpy(tun.name.data(), "tun%d");
    tun.mtu = 1500;
    request.body.open_tun = tun;
    return request;
  }

  uint64_t now_ = 1'000'000'000;
  testing::TemporaryFolder folder_;
  std::string path_ = folder_.path() + "/link.sock";
  RecordingHandler handler_;
  std::vector<std::string> log_;
  std::unique_ptr<LinkMemory> link_;
  std::unique_ptr<SetupServer> server_;
};

TEST_F(SetupServerTest, HelloHandsOverASealedLinkAndItsDoorbells) {
  SetupClient client(path_);
  Answer answer = ask(client, SetupClient::hello());
  ASSERT_EQ(answer.descriptors.size(), 3u);
  int memory = answer.descriptors[0].get();
  struct stat about;
  ASSERT_EQ(fstat(memory, &about), 0);
  void* base = mmap(nullptr, static_cast<size_t>(about.st_size), PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
  ASSERT_NE(base, MAP_FAILED);
  const auto& header = *static_cast<abi::LinkHeader*>(base);
  EXPECT_EQ(abi::why_not_usable(header, static_cast<uint64_t>(about.st_size)), nullptr);
  EXPECT_EQ(header.dataplane_pid, getpid());
  EXPECT_NE(header.boot_id, 0u);
  EXPECT_EQ(header.sessions, 16u);
  EXPECT_STREQ(header.version.data(), "test");
  munmap(base, static_cast<size_t>(about.st_size));
  EXPECT_EQ(fcntl(memory, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  EXPECT_NE(ftruncate(memory, 4096), 0) << "size is sealed";

  uint64_t rings = 1;
  EXPECT_EQ(write(answer.descriptors[1].get(), &rings, sizeof rings), 8);
  EXPECT_EQ(read(link_->worker_doorbell(0), &rings, sizeof rings), 8) << "the worker's doorbell is second";
  ring_doorbell(link_->control_doorbell(0));
  EXPECT_EQ(read(answer.descriptors[2].get(), &rings, sizeof rings), 8) << "control's is third";
  EXPECT_TRUE(server_->is_attached());
}

TEST_F(SetupServerTest, RefusesAHelloThatDoesNotFit) {
  abi::Request request = SetupClient::hello();
  request.body.hello.magic ^= 1;
  SetupClient wrong_magic(path_);
  refused(ask(wrong_magic, request), "magic differs");

  request = SetupClient::hello();
  request.body.hello.abi_version += 1;
  SetupClient wrong_version(path_);
  refused(ask(wrong_version, request), "restart the older of the two");

  SetupClient other_build(path_);
  other_build.send_bytes("a short message");
  serve();
  refused(other_build.answer(), "built from different sources");

  SetupClient no_hello(path_);
  refused(ask(no_hello, open_port()), "must be a Hello");
  EXPECT_TRUE(no_hello.answer().closed);
  EXPECT_FALSE(server_->is_attached());
  EXPECT_TRUE(handler_.done.empty());
}

TEST_F(SetupServerTest, RefusesASecondControlUntilTheFirstIsGone) {
  auto first = attach();
  SetupClient second(path_);
  refused(ask(second, SetupClient::hello()), ("another control is attached (pid " + std::to_string(getpid())).c_str());
  EXPECT_TRUE(second.answer().closed);
  EXPECT_EQ(ask(*first, open_port()).status, abi::ReplyStatus::kDone) << "the first goes on";
  first->close();
  serve();
  EXPECT_FALSE(server_->is_attached());
  EXPECT_TRUE(handler_.done.size() == 1) << "nothing is closed or removed because control is gone";
  attach();
}

TEST_F(SetupServerTest, CarriesOutRequestsAndPassesTextsOn) {
  auto client = attach();
  EXPECT_EQ(ask(*client, open_port()).status, abi::ReplyStatus::kDone);
  abi::Request keep{};
  keep.kind = abi::RequestKind::kKeepPorts;
  keep.body.keep_ports.ports = {8, 0, 0, 0};
  EXPECT_EQ(ask(*client, keep).status, abi::ReplyStatus::kDone);
  EXPECT_EQ(ask(*client, open_tun()).text, "tun7");
  abi::Request find = open_port();
  find.body.open_port.port = abi::kFindPort;
  EXPECT_EQ(ask(*client, find).text, "9");
  EXPECT_EQ(handler_.done, (std::vector<std::string>{"port 3", "keep 8", "tun tun%d", "find"}));
  handler_.fail = "port 1194 is taken";
  refused(ask(*client, open_port()), "port 1194 is taken");
  handler_.fail = std::string(2000, 'x');
  EXPECT_EQ(ask(*client, open_port()).text, std::string(503, 'x')) << "cut, but it ends";
}

TEST_F(SetupServerTest, RefusesBadRequestsAndGoesOn) {
  auto client = attach();
  auto bad_port = [&](auto change, const char* part) {
    abi::Request request = open_port();
    change(request.body.open_port);
    refused(ask(*client, request), part);
  };
  bad_port([](abi::OpenPort& port) { port.port = 256; }, "port number 256 is out of range");
  bad_port([](abi::OpenPort& port) { port.ipv6_only = 2; }, "ipv6_only");
  bad_port([](abi::OpenPort& port) { port.local.transport = abi::Transport::kTcp; }, "hand-window of 0 s");
  bad_port([](abi::OpenPort& port) { port.share = port.local; }, "port-share needs a TCP port");
  bad_port([](abi::OpenPort& port) { port.no_delay = 2; }, "no_delay");
  bad_port([](abi::OpenPort& port) { port.local.transport = static_cast<abi::Transport>(9); }, "unknown transport");
  bad_port([](abi::OpenPort& port) { port.local.address.family = abi::Family::kNone; }, "neither IPv4 nor IPv6");
  bad_port([](abi::OpenPort& port) { port.local.address.family = static_cast<abi::Family>(5); },
           "neither IPv4 nor IPv6");
  bad_port([](abi::OpenPort& port) { port.local.address.bytes[9] = 1; }, "neither IPv4 nor IPv6");
  bad_port([](abi::OpenPort& port) { port.local.port = 0; }, "port 0");
  bad_port([](abi::OpenPort& port) { port.device.fill('x'); }, "does not end");
  bad_port([](abi::OpenPort& port) { port.device = {'e', '\n'}; }, "no text");
  auto bad_tun = [&](auto change, const char* part) {
    abi::Request request = open_tun();
    change(request.body.open_tun);
    refused(ask(*client, request), part);
  };
  bad_tun([](abi::OpenTun& tun) { tun.name.fill('x'); }, "does not end");
  bad_tun([](abi::OpenTun& tun) { tun.addresses[31].address.family = static_cast<abi::Family>(200); },
          "malformed address");
  bad_tun([](abi::OpenTun& tun) { tun.addresses[1].address.bytes[0] = 1; }, "malformed address");
  bad_tun([](abi::OpenTun& tun) { tun.tx_queue_length = UINT32_MAX; }, "transmit queue");
  abi::Request unknown{};
  unknown.kind = static_cast<abi::RequestKind>(77);
  refused(ask(*client, unknown), "unknown request 77");
  refused(ask(*client, SetupClient::hello()), "already attached");
  client->send_bytes(std::string(4000, 'z'));
  serve();
  refused(client->answer(), "built from different sources");
  EXPECT_TRUE(handler_.done.empty());
  EXPECT_EQ(ask(*client, open_port()).status, abi::ReplyStatus::kDone);
}

TEST_F(SetupServerTest, ClosesAConnectionThatSaysNothing) {
  SetupClient silent(path_);
  serve();
  EXPECT_EQ(server_->deadline_ns(), now_ + Newcomers::kSilence);
  now_ += Newcomers::kSilence - 1;
  serve();
  EXPECT_TRUE(silent.is_open_and_quiet());
  now_ += 1;
  serve();
  EXPECT_TRUE(silent.answer().closed);
  EXPECT_EQ(server_->deadline_ns(), UINT64_MAX);
}

TEST_F(SetupServerTest, ACrowdOfSilentConnectionsDoesNotKeepControlOut) {
  std::vector<std::unique_ptr<SetupClient>> crowd;
  for (int i = 0; i < 40; ++i) {
    crowd.push_back(std::make_unique<SetupClient>(path_));
    serve();
  }
  attach();
}

TEST_F(SetupServerTest, DescriptorsSentAlongAreNotKept) {
  auto client = attach();
  auto open_descriptors = [] {
    size_t count = 0;
    for ([[maybe_unused]] const auto& one : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
    return count;
  };
  size_t before = open_descriptors();
  for (int i = 0; i < 20; ++i) {
    abi::Request request = open_port();
    iovec data{&request, sizeof request};
    alignas(cmsghdr) std::array<unsigned char, CMSG_SPACE(sizeof(int))> buffer{};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = buffer.data();
    message.msg_controllen = buffer.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    int any = client->fd();
    std::memcpy(CMSG_DATA(header), &any, sizeof any);
    ASSERT_EQ(sendmsg(client->fd(), &message, MSG_NOSIGNAL), static_cast<ssize_t>(sizeof request));
    serve();
    EXPECT_EQ(client->answer().status, abi::ReplyStatus::kDone);
  }
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(SetupServerTest, NoiseNeverHarms) {
  std::mt19937_64 rng(4711);
  for (int i = 0; i < 3000; ++i) {
    SetupClient client(path_);
    if (rng() % 2) client.send(SetupClient::hello());
    for (uint64_t messages = rng() % 4; messages > 0; --messages) {
      abi::Request request{};
      auto* bytes = reinterpret_cast<uint8_t*>(&request);
      for (size_t b = 0; b < sizeof request; ++b) bytes[b] = static_cast<uint8_t>(rng());
      request.kind = static_cast<abi::RequestKind>(rng() % 6);
      client.send_bytes({reinterpret_cast<char*>(bytes), rng() % 3 ? sizeof request : rng() % sizeof request});
    }
    serve();
  }
  serve();
  attach();
}

}  // namespace
}  // namespace culvert::dataplane
