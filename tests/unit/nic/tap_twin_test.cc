// A twin on a TAP device, in a network namespace of the test's own.
#include "drivers/nic/tap_twin.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>

#include <cstdlib>

#include "tests/unit/nic/frames.h"
#include "tests/unit/support/eal.h"
#include "tests/unit/support/network_namespace.h"
#include "tests/unit/support/wait.h"

namespace culvert::drivers {
namespace {

using abi::DropReason;

class TapTwinTest : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::start_eal(512);
    if (!network.why_not().empty()) GTEST_SKIP() << network.why_not();
  }
  std::unique_ptr<Twin> make(const std::string& name = "twin0") {
    auto twins = TapTwin::make({name, testing::kOurs, 1400, {{*abi::parse_ip("192.0.2.1"), 24}}}, pool.get());
    EXPECT_TRUE(twins) << (twins ? "" : twins.error());
    return twins ? std::move(twins->front()) : nullptr;
  }
  uint64_t drops(DropReason reason) const { return tally.drops[static_cast<size_t>(reason)]; }
  /// Frames that the kernel has sent so far: it looks for routers and says which groups it listens to.
  size_t receive(Twin& twin) {
    std::array<rte_mbuf*, 8> frames;
    uint16_t count = twin.rx_burst(frames, tally);
    rte_pktmbuf_free_bulk(frames.data(), count);
    return count;
  }

  testing::NetworkNamespace network;
  testing::PacketPool pool{64};
  abi::Tally tally;
};

TEST_F(TapTwinTest, IsThereWhileItLivesAndGoesInOrder) {
  auto twin = make();
  ASSERT_TRUE(twin);
  EXPECT_EQ(twin->index(), static_cast<int>(if_nametoindex("twin0")));
  EXPECT_EQ(twin->text(), "tap twin0");
  twin.reset();
  EXPECT_EQ(if_nametoindex("twin0"), 0u);
}

TEST_F(TapTwinTest, ANameThatIsTakenIsAnError) {
  auto twin = make();
  auto second = TapTwin::make({"twin0", testing::kOurs, 1500, {}}, pool.get());
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().find("twin twin0: another program uses this TAP device"), std::string::npos)
      << second.error();
  EXPECT_FALSE(TapTwin::make({"lo", testing::kOurs, 1500, {}}, pool.get()));
}

TEST_F(TapTwinTest, AnEndForEachWorker) {
  TwinSettings settings{"twin0", testing::kOurs, 1400, {{*abi::parse_ip("192.0.2.1"), 24}}};
  auto twins = TapTwin::make(settings, pool.get(), 3);
  ASSERT_TRUE(twins) << twins.error();
  ASSERT_EQ(twins->size(), 3u);
  size_t received = 0;
  EXPECT_TRUE(testing::wait_until([&] {
    for (auto& twin : *twins) received += receive(*twin);
    return received >= 2;
  })) << "what the kernel sends comes out of one of them";
  for (auto& twin : *twins) EXPECT_EQ(twin->index(), twins->front()->index());
  twins->clear();
  EXPECT_EQ(if_nametoindex("twin0"), 0u);
}

TEST_F(TapTwinTest, ADeviceThatAKilledDataplaneLeftForFewerWorkersIsMadeAnew) {
  for (size_t before : {1, 2}) {
    FileDescriptor left(open("/dev/net/tun", O_RDWR | O_CLOEXEC));
    ifreq request{};
    request.ifr_flags = static_cast<short>(IFF_TAP | IFF_NO_PI | (before > 1 ? IFF_MULTI_QUEUE : 0));
    std::strcpy(request.ifr_name, "twin0");
    ASSERT_EQ(ioctl(left.get(), TUNSETIFF, &request), 0);
    ASSERT_EQ(ioctl(left.get(), TUNSETPERSIST, 1), 0);
    left = FileDescriptor();
    auto twins = TapTwin::make({"twin0", testing::kOurs, 1500, {}}, pool.get(), 3 - before);
    ASSERT_TRUE(twins) << twins.error();
    EXPECT_EQ(twins->size(), 3 - before);
  }
}

TEST_F(TapTwinTest, FramesOfTheKernelComeOut) {
  auto twin = make();
  ASSERT_TRUE(twin);
  EXPECT_TRUE(testing::wait_until([&] { return receive(*twin) > 0; }));
}

TEST_F(TapTwinTest, AFrameThatIsLongerThanABufferIsDroppedNotCut) {
  // The twin's MTU is the operator's to raise, beyond what the port has.
  auto twins = TapTwin::make({"twin0", testing::kOurs, 9000, {{*abi::parse_ip("192.0.2.1"), 24}}}, pool.get());
  ASSERT_TRUE(twins) << twins.error();
  FileDescriptor sender(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  int on = 1;
  ASSERT_EQ(setsockopt(sender.get(), SOL_SOCKET, SO_BROADCAST, &on, sizeof on), 0);
  sockaddr_in everybody{};
  everybody.sin_family = AF_INET;
  everybody.sin_port = htons(9);
  ASSERT_EQ(inet_pton(AF_INET, "192.0.2.255", &everybody.sin_addr), 1);
  constexpr size_t kHeaders = 14 + 20 + 8;
  for (size_t size : {size_t{4000}, size_t{1000}}) {
    std::vector<char> bytes(size);
    ASSERT_EQ(sendto(sender.get(), bytes.data(), size, 0, reinterpret_cast<sockaddr*>(&everybody), sizeof everybody),
              static_cast<ssize_t>(size));
  }
  size_t longest = 0;
  EXPECT_TRUE(testing::wait_until([&] {
    std::array<rte_mbuf*, 8> frames;
    uint16_t count = twins->front()->rx_burst(frames, tally);
    for (rte_mbuf* frame : std::span(frames).first(count)) longest = std::max<size_t>(longest, frame->data_len);
    rte_pktmbuf_free_bulk(frames.data(), count);
    return longest >= 1000;
  }));
  EXPECT_EQ(longest, 1000 + kHeaders);
  EXPECT_EQ(drops(DropReason::outer_too_long), 1u);
}

TEST_F(TapTwinTest, WithoutBuffersItsFramesWait) {
  auto twin = make();
  ASSERT_TRUE(twin);
  std::array<rte_mbuf*, 64> all;
  ASSERT_EQ(rte_pktmbuf_alloc_bulk(pool.get(), all.data(), all.size()), 0);
  EXPECT_EQ(receive(*twin), 0u);
  EXPECT_EQ(drops(DropReason::mempool_empty), 0u) << "nothing was lost, and perhaps nothing came";
  rte_pktmbuf_free_bulk(all.data(), all.size());
  EXPECT_TRUE(testing::wait_until([&] { return receive(*twin) > 0; }));
}

TEST_F(TapTwinTest, ADeviceThatIsDownIsCounted) {
  auto twin = make();
  ASSERT_TRUE(twin);
  rte_mbuf* frame = pool.packet(testing::ethernet(testing::ipv4_packet("192.0.2.2", "192.0.2.1")));
  twin->tx_burst({&frame, 1}, tally);
  EXPECT_EQ(drops(DropReason::tx_port_down), 0u);
  FileDescriptor any(socket(AF_INET, SOCK_DGRAM, 0));
  ifreq request{};
  std::strcpy(request.ifr_name, "twin0");
  ASSERT_EQ(ioctl(any.get(), SIOCSIFFLAGS, &request), 0);
  frame = pool.packet(testing::ethernet(testing::ipv4_packet("192.0.2.2", "192.0.2.1")));
  twin->tx_burst({&frame, 1}, tally);
  EXPECT_EQ(drops(DropReason::tx_port_down), 1u);
}

TEST_F(TapTwinTest, TheLinksStateIsItsCarrier) {
  auto twin = make();
  ASSERT_TRUE(twin);
  auto running = [] {
    FileDescriptor any(socket(AF_INET, SOCK_DGRAM, 0));
    ifreq request{};
    std::strcpy(request.ifr_name, "twin0");
    ioctl(any.get(), SIOCGIFFLAGS, &request);
    return (request.ifr_flags & IFF_RUNNING) != 0;
  };
  ASSERT_TRUE(set_carrier(twin->index(), false));
  EXPECT_TRUE(testing::wait_until([&] { return !running(); }));
  ASSERT_TRUE(set_carrier(twin->index(), true));
  EXPECT_TRUE(testing::wait_until(running));
}

TEST_F(TapTwinTest, ADeletedDeviceIsCountedAndMadeAgainUnderTheSameEnds) {
  TwinSettings settings{"twin0", testing::kOurs, 1400, {{*abi::parse_ip("192.0.2.1"), 24}}};
  auto twins = TapTwin::make(settings, pool.get(), 2);
  ASSERT_TRUE(twins) << twins.error();
  int index = twins->front()->index();
  auto frame = [&] { return pool.packet(testing::ethernet(testing::ipv4_packet("192.0.2.2", "192.0.2.1"))); };
  auto sent = [&] { return tally.counters[static_cast<size_t>(abi::Counter::twin_tx_packets)]; };
  EXPECT_FALSE(twins->front()->is_gone());
  ASSERT_EQ(std::system("ip link delete twin0"), 0);
  for (auto& twin : *twins) {
    EXPECT_TRUE(twin->is_gone());
    EXPECT_EQ(receive(*twin), 0u);
    rte_mbuf* lost = frame();
    twin->tx_burst({&lost, 1}, tally);
  }
  EXPECT_EQ(drops(DropReason::tx_port_down), 2u);
  EXPECT_EQ(sent(), 0u) << "dropped, so not handed to the kernel";

  auto next = twins->front()->make_next(settings, 2);
  ASSERT_TRUE(next) << next.error();
  EXPECT_NE(next->front()->index(), index);
  for (size_t i = 0; i < 2; ++i) ASSERT_TRUE((*twins)[i]->go_on_with(*(*next)[i]));
  next->clear();
  ASSERT_NE(if_nametoindex("twin0"), 0u) << "it lives by the first ends now";
  for (auto& twin : *twins) {
    EXPECT_FALSE(twin->is_gone());
    rte_mbuf* taken = frame();
    twin->tx_burst({&taken, 1}, tally);
  }
  EXPECT_EQ(drops(DropReason::tx_port_down), 2u);
  EXPECT_EQ(sent(), 2u);
  size_t received = 0;
  EXPECT_TRUE(testing::wait_until([&] {
    for (auto& twin : *twins) received += receive(*twin);
    return received >= 2;
  }));
  twins->clear();
  EXPECT_EQ(if_nametoindex("twin0"), 0u);
}

}  // namespace
}  // namespace culvert::drivers
