// Which numbers ports get, and from whom.
#include "control/gateway/port_keeper.h"

#include <gtest/gtest.h>

#include "dataplane/abi/endpoint_text.h"
#include "tests/unit/io/support.h"

namespace culvert::gateway {
namespace {

class PortKeeperTest : public ::testing::Test, protected io::LinkListener {
 protected:
  PortKeeperTest() {
    dataplane.on_request = [this](const abi::Request& request) {
      if (request.kind == abi::RequestKind::kHello)
        return dataplane.reply(abi::ReplyStatus::kDone, "", link.handover());
      EXPECT_EQ(request.body.open_port.port, abi::kFindPort) << "nothing is changed";
      size_t asked = request.body.open_port.local.port - 1194u;
      if (asked == hangs_up_at) return dataplane.hang_up();
      dataplane.reply(refuses ? abi::ReplyStatus::kFailed : abi::ReplyStatus::kDone, answers.at(asked));
    };
    client.start();
    EXPECT_TRUE(io::run_until(*loop, [this] { return client.attached(); }));
  }
  void on_attached(const std::shared_ptr<io::LinkMapping>&) override {}
  void on_detached(const std::string&) override { ++detached; }
  void on_doorbell(io::WorkerLane&) override {}

  /// As many ports as there are answers, on 1194, 1195, … and of server blocks 10, 11, …
  PortKeeper keeper() {
    std::vector<PortKeeper::Wanted> wanted;
    for (size_t i = 0; i < answers.size(); ++i) {
      abi::OpenPort port{};
      port.local.address = abi::ipv4({192, 0, 2, 1});
      port.local.port = static_cast<uint16_t>(1194 + i);
      wanted.push_back({port, "server.conf", 10 + i});
    }
    return PortKeeper(client, std::move(wanted), abi::OpenTun{});
  }
  /// The ports' numbers, when they are found.
  std::vector<uint32_t> find(PortKeeper& keeper, const PortKeeper::Numbers& known = {}) {
    int found = 0;
    keeper.find(known, [&found] { ++found; });
    EXPECT_TRUE(io::run_until(*loop, [&] { return found > 0; }));
    EXPECT_EQ(found, 1);
    EXPECT_TRUE(keeper.are_found());
    std::vector<uint32_t> numbers;
    for (const admin::PortRow& row : keeper.rows())
      if (row.kind != "tun") numbers.push_back(row.port);
    return numbers;
  }
  using Numbers = std::vector<uint32_t>;

  io::Folder folder;
  std::unique_ptr<io::EventLoop> loop = std::move(*io::EventLoop::make());
  io::FakeLink link;
  std::vector<std::string> answers;
  bool refuses = false;
  size_t hangs_up_at = SIZE_MAX;
  int detached = 0;
  io::FakeDataplane dataplane{*loop, folder / "link.sock", link};
  io::LinkClient client{*loop, folder / "link.sock", *this};
};

TEST_F(PortKeeperTest, WithoutOpenPortsTheyAreNumberedInTheirOrder) {
  answers = {"", "", ""};
  PortKeeper ports = keeper();
  EXPECT_FALSE(ports.are_found());
  EXPECT_FALSE(ports.instance_of(0)) << "not known yet";
  EXPECT_EQ(find(ports), (Numbers{0, 1, 2}));
  EXPECT_EQ(ports.instance_of(2), 12u);
  EXPECT_FALSE(ports.instance_of(3));
}

TEST_F(PortKeeperTest, OpenOnesKeepTheirNumbers) {
  answers = {"2", "", "0", ""};
  PortKeeper ports = keeper();
  EXPECT_EQ(find(ports), (Numbers{2, 1, 0, 3}));
  EXPECT_EQ(ports.instance_of(2), 10u);
  EXPECT_EQ(ports.instance_of(0), 12u);
  EXPECT_EQ(ports.rows().back().port, 4u) << "the TUN's row has a number of its own";
}

TEST_F(PortKeeperTest, NewOnesGetNoneThatSessionsKnow) {
  answers = {"", "5"};
  PortKeeper ports = keeper();
  PortKeeper::Numbers known;
  known.set(0).set(1).set(5);
  EXPECT_EQ(find(ports, known), (Numbers{2, 5}));
}

TEST_F(PortKeeperTest, WhenSessionsKnowAllAnyFreeOneWillDo) {
  answers = {"1", ""};
  PortKeeper ports = keeper();
  EXPECT_EQ(find(ports, PortKeeper::Numbers().set()), (Numbers{1, 0}));
}

TEST_F(PortKeeperTest, AnswersThatMakeNoSenseAreNone) {
  answers = {"256", "-1", "1x", " 1", "65535", "99999999999", "7", "7"};
  PortKeeper ports = keeper();
  EXPECT_EQ(find(ports), (Numbers{0, 1, 2, 3, 4, 5, 7, 6})) << "and two ports never have the same";
}

TEST_F(PortKeeperTest, ADataplaneThatDoesNotKnowTheQuestionIsAskedInVain) {
  answers = {"port number 65535 is out of range (0 to 255)", "3"};
  refuses = true;
  PortKeeper ports = keeper();
  EXPECT_EQ(find(ports), (Numbers{0, 1}));
}

TEST_F(PortKeeperTest, ADataplaneThatGoesAwayMeanwhileNumbersNothing) {
  answers = {"4", "", ""};
  hangs_up_at = 1;
  PortKeeper ports = keeper();
  bool found = false;
  ports.find({}, [&found] { found = true; });
  EXPECT_TRUE(io::run_until(*loop, [this] { return detached > 0; }));
  EXPECT_FALSE(found || ports.are_found());
  hangs_up_at = SIZE_MAX;
  answers = {"", "1", ""};
  ASSERT_TRUE(io::run_until(*loop, [this] { return client.attached(); }));
  EXPECT_EQ(find(ports), (Numbers{0, 1, 2})) << "the next one is asked anew";
}

}  // namespace
}  // namespace culvert::gateway
