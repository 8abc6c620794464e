#include "control/io/link_client.h"

#include <gtest/gtest.h>

#include "tests/unit/io/support.h"

namespace culvert::io {
namespace {

struct Recorder : LinkListener {
  void on_attached(const std::shared_ptr<LinkMapping>& old) override {
    ++attached;
    had_old = static_cast<bool>(old);
    old_boot_id = old ? old->header().boot_id : 0;
  }
  void on_detached(const std::string& text) override { why.push_back(text); }
  void on_doorbell(WorkerLane& lane) override { bells.push_back(lane.worker()); }
  int attached = 0;
  bool had_old = false;
  uint64_t old_boot_id = 0;
  std::vector<std::string> why;
  std::vector<uint32_t> bells;
};

struct LinkClientTest : ::testing::Test {
  Folder folder;
  std::string path = folder / "link.sock";
  std::unique_ptr<EventLoop> loop = std::move(*EventLoop::make());
  Recorder recorder;

  bool wait(const std::function<bool()>& condition) { return run_until(*loop, condition); }
  /// The text with which an attempt to attach ends.
  std::string refusal(LinkClient& client) {
    client.start();
    EXPECT_TRUE(wait([&] { return !recorder.why.empty() || recorder.attached > 0; }));
    EXPECT_EQ(recorder.attached, 0);
    return recorder.why.empty() ? "" : recorder.why.back();
  }
};

TEST_F(LinkClientTest, WaitsForADataplaneAndSaysSoOnce) {
  LinkClient client(*loop, path, recorder);
  client.start();
  ASSERT_TRUE(wait([&] { return !recorder.why.empty(); }));
  int looks = 0;
  loop->at(mono_now() + std::chrono::milliseconds(200), [&] { looks = 1; });
  ASSERT_TRUE(wait([&] { return looks == 1; }));
  EXPECT_EQ(recorder.why.size(), 1u) << "not once per attempt";
  FakeLink link(2, 8, 77);
  FakeDataplane dataplane(*loop, path, link);
  ASSERT_TRUE(wait([&] { return recorder.attached == 1; }));
  EXPECT_FALSE(recorder.had_old);
  EXPECT_EQ(client.mapping()->header().boot_id, 77u);
  ASSERT_EQ(client.lanes().size(), 2u);
  EXPECT_EQ(dataplane.requests[0].body.hello.magic, abi::kSetupMagic);
  EXPECT_EQ(dataplane.requests[0].body.hello.abi_version, abi::kAbiVersion);
}

TEST_F(LinkClientTest, DoorbellsOfEachWorkerAreHeardEveryTime) {
  FakeLink link(2, 8);
  FakeDataplane dataplane(*loop, path, link);
  LinkClient client(*loop, path, recorder);
  client.start();
  ASSERT_TRUE(wait([&] { return recorder.attached == 1; }));
  link.ring_control(1);
  ASSERT_TRUE(wait([&] { return recorder.bells.size() == 1; }));
  link.ring_control(1);
  link.ring_control(0);
  ASSERT_TRUE(wait([&] { return recorder.bells.size() == 3; }));
  EXPECT_EQ(recorder.bells[0], 1u);
}

TEST_F(LinkClientTest, RequestsGoOneAtATimeAndBringBackTheTexts) {
  FakeLink link;
  FakeDataplane dataplane(*loop, path, link);
  auto hello = dataplane.on_request;
  dataplane.on_request = [&](const abi::Request& request) {
    if (request.kind == abi::RequestKind::kHello) return hello(request);
    if (request.kind == abi::RequestKind::kOpenPort)
      return dataplane.reply(abi::ReplyStatus::kFailed, "udp 0.0.0.0:1194: address in use\n\x1b[31m");
    dataplane.reply(abi::ReplyStatus::kDone, "tun7");
  };
  LinkClient client(*loop, path, recorder);
  std::vector<std::string> answers;
  client.open_tun({}, [&](const Result<std::string>& result) { answers.push_back(result.error()); });
  ASSERT_EQ(answers.size(), 1u) << "not attached: an error at once";
  client.start();
  ASSERT_TRUE(wait([&] { return recorder.attached == 1; }));
  client.open_port({}, [&](const Result<std::string>& result) { answers.push_back("port: " + result.error()); });
  client.open_tun({}, [&](const Result<std::string>& result) { answers.push_back("tun: " + *result); });
  ASSERT_TRUE(wait([&] { return answers.size() == 3; }));
  EXPECT_EQ(answers[1], "port: udp 0.0.0.0:1194: address in use  [31m") << "nothing that steers a terminal";
  EXPECT_EQ(answers[2], "tun: tun7");
}

TEST_F(LinkClientTest, RequestsUnderWayFailWhenTheDataplaneGoes) {
  FakeLink link;
  FakeDataplane dataplane(*loop, path, link);
  auto hello = dataplane.on_request;
  dataplane.on_request = [&](const abi::Request& request) {
    if (request.kind == abi::RequestKind::kHello) return hello(request);
    dataplane.hang_up();
  };
  LinkClient client(*loop, path, recorder);
  client.start();
  ASSERT_TRUE(wait([&] { return recorder.attached == 1; }));
  int failed = 0;
  client.open_tun({}, [&](const Result<std::string>& result) { failed += result ? 0 : 1; });
  client.keep_ports({}, [&](const Result<std::string>& result) { failed += result ? 0 : 1; });
  ASSERT_TRUE(wait([&] { return failed == 2; }));
  ASSERT_TRUE(wait([&] { return recorder.attached == 2; })) << "and it attaches again";
  EXPECT_TRUE(recorder.had_old);
  EXPECT_EQ(recorder.old_boot_id, 1u);
}

TEST_F(LinkClientTest, CommandsForTheSameDataplaneSurviveAHangUpThoseForADeadOneDoNot) {
  FakeLink first(1, 16, 1);
  abi::Command command{};
  command.kind = abi::CommandKind::kRemoveSession;
  command.session = {5, 1};
  LinkClient client(*loop, path, recorder);
  {
    FakeDataplane dataplane(*loop, path, first);
    client.start();
    ASSERT_TRUE(wait([&] { return recorder.attached == 1; }));
    dataplane.hang_up();
    ASSERT_TRUE(wait([&] { return !client.attached(); }));
    ASSERT_TRUE(client.lanes()[0]->push(command));
    EXPECT_EQ(client.lanes()[0]->backlog(), 1u);
    ASSERT_TRUE(wait([&] { return recorder.attached == 2; }));
    EXPECT_EQ(client.lanes()[0]->backlog(), 1u);
    client.lanes()[0]->flush();
    EXPECT_EQ(client.lanes()[0]->backlog(), 0u);
    dataplane.hang_up();
    ASSERT_TRUE(wait([&] { return !client.attached(); }));
    ASSERT_TRUE(client.lanes()[0]->push(command));
  }
  auto old = client.mapping();
  FakeLink second(2, 16, 2);
  FakeDataplane dataplane(*loop, path, second);
  ASSERT_TRUE(wait([&] { return recorder.attached == 3; }));
  EXPECT_EQ(recorder.old_boot_id, 1u);
  ASSERT_EQ(client.lanes().size(), 2u);
  EXPECT_EQ(client.lanes()[0]->backlog(), 0u) << "a new dataplane gets everything anew";
  EXPECT_EQ(old->view().sessions(), 16u) << "the old link is mapped as long as someone needs it";
}

TEST_F(LinkClientTest, ADataplaneThatRefusesIsQuoted) {
  FakeLink link;
  FakeDataplane dataplane(*loop, path, link);
  dataplane.on_request = [&](const abi::Request&) {
    dataplane.reply(abi::ReplyStatus::kFailed, "another control is here");
  };
  LinkClient client(*loop, path, recorder);
  EXPECT_EQ(refusal(client), "the dataplane refuses: another control is here");
}

// Whatever the other end hands over, control maps nothing it can't rely on.
struct Bad {
  const char* name;
  int seals;
  std::function<void(FakeLink&)> spoil;
  std::string expect;
};
struct LinkClientBadLink : LinkClientTest, ::testing::WithParamInterface<Bad> {};

TEST_P(LinkClientBadLink, IsRefused) {
  FakeLink link(1, 16, 1, GetParam().seals);
  GetParam().spoil(link);
  FakeDataplane dataplane(*loop, path, link);
  LinkClient client(*loop, path, recorder);
  EXPECT_NE(refusal(client).find(GetParam().expect), std::string::npos) << recorder.why.back();
  EXPECT_EQ(client.mapping(), nullptr);
}

constexpr int kSealed = F_SEAL_SHRINK | F_SEAL_GROW;
INSTANTIATE_TEST_SUITE_P(
    , LinkClientBadLink,
    ::testing::Values(
        Bad{"NotSealed", 0, [](FakeLink&) {}, "not sealed"},
        Bad{"CanShrink", F_SEAL_GROW, [](FakeLink&) {}, "not sealed"},
        Bad{"Magic", kSealed, [](FakeLink& l) { l.view.header().magic ^= 1; }, "magic"},
        Bad{"Version", kSealed, [](FakeLink& l) { ++l.view.header().abi_version; }, "different versions"},
        Bad{"MoreWorkersThanRoom", kSealed, [](FakeLink& l) { l.view.header().workers = 64; }, "size"},
        Bad{"NoWorkers", kSealed, [](FakeLink& l) { l.view.header().workers = 0; }, "range"},
        Bad{"MoreSessionsThanRoom", kSealed, [](FakeLink& l) { l.view.header().sessions = 1u << 20; }, "size"},
        Bad{"TooManySessions", kSealed, [](FakeLink& l) { l.view.header().sessions = UINT32_MAX; }, "range"},
        Bad{"SizeInHeader", kSealed, [](FakeLink& l) { l.view.header().total_size += 4096; }, "size"},
        Bad{"RecordSize", kSealed, [](FakeLink& l) { l.view.header().session_record_size = 8; }, "layout"},
        Bad{"BellMissing", kSealed, [](FakeLink& l) { l.bells.pop_back(); }, "descriptors"},
        Bad{"BellTooMany", kSealed, [](FakeLink& l) { l.bells.emplace_back(eventfd(0, EFD_CLOEXEC)); }, "descriptors"},
        Bad{"NoMemfd", kSealed, [](FakeLink& l) { l.memfd = Fd(eventfd(0, EFD_CLOEXEC)); }, "no memfd"},
        Bad{"Tiny", kSealed,
            [](FakeLink& l) {
              l.memfd = Fd(memfd_create("tiny", MFD_CLOEXEC | MFD_ALLOW_SEALING));
              EXPECT_EQ(ftruncate(l.memfd.get(), 8), 0);
              EXPECT_EQ(fcntl(l.memfd.get(), F_ADD_SEALS, kSealed), 0);
            },
            "shorter"}),
    [](const auto& bad) { return bad.param.name; });

TEST_F(LinkClientTest, RepliesOfOddSizeAndWithoutMemoryAreRefused) {
  FakeLink link;
  {
    FakeDataplane dataplane(*loop, path, link);
    dataplane.on_request = [&](const abi::Request&) { dataplane.send_bytes("hi", 2); };
    LinkClient client(*loop, path, recorder);
    EXPECT_NE(refusal(client).find("odd size"), std::string::npos);
  }
  recorder.why.clear();
  FakeDataplane dataplane(*loop, path, link);
  dataplane.on_request = [&](const abi::Request&) { dataplane.reply(abi::ReplyStatus::kDone, ""); };
  LinkClient client(*loop, path, recorder);
  EXPECT_NE(refusal(client).find("no memory"), std::string::npos);
}

TEST_F(LinkClientTest, AnUnaskedReplyEndsTheAttachment) {
  FakeLink link;
  FakeDataplane dataplane(*loop, path, link);
  LinkClient client(*loop, path, recorder);
  client.start();
  ASSERT_TRUE(wait([&] { return recorder.attached == 1; }));
  dataplane.reply(abi::ReplyStatus::kDone, "");
  ASSERT_TRUE(wait([&] { return !recorder.why.empty(); }));
  EXPECT_NE(recorder.why.back().find("nobody asked"), std::string::npos);
}

}  // namespace
}  // namespace culvert::io
