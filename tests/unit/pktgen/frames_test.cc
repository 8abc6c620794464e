// Outer frames, ARP, the clients' addresses, the pacer: the small parts between packets and ports.
#include <gtest/gtest.h>

#include <numeric>

#include "dataplane/wire/checksum.h"
#include "drivers/nic/frame.h"
#include "perf/pktgen/net_port.h"
#include "perf/pktgen/outer_frame.h"
#include "perf/pktgen/pacer.h"

namespace culvert::pktgen {
namespace {

constexpr wire::MacAddress kOwn = {2, 0, 0, 0, 0, 1}, kGateway = {2, 0, 0, 0, 0, 2};
constexpr OuterEnd kClient{0xC6120001, 20007}, kServer{0xC0000201, 1194};

std::vector<uint8_t> frame_of(size_t length, bool checksum) {
  std::vector<uint8_t> frame(kOuterHeaders + length);
  std::iota(frame.begin() + kOuterHeaders, frame.end(), uint8_t{1});
  OuterTemplate(kClient, kServer, kOwn, kGateway).write(frame.data(), static_cast<uint16_t>(length), checksum);
  return frame;
}

TEST(OuterFrameTest, TheGatewayTakesWhatWeMake) {
  for (size_t length : {1, 24, 25, 88, 1424}) {
    for (bool checksum : {true, false}) {
      auto frame = frame_of(length, checksum);
      drivers::Frame read;
      ASSERT_EQ(drivers::read_frame(frame, false, read), drivers::FrameKind::kIp) << length;
      EXPECT_TRUE(read.is_udp);
      EXPECT_EQ(read.source_port, kClient.port);
      EXPECT_EQ(read.destination_port, kServer.port);
      EXPECT_EQ(drivers::check_transport(frame, read), drivers::Checksum::kRight) << length;
      bool has_checksum = frame[40] != 0 || frame[41] != 0;
      EXPECT_EQ(has_checksum, checksum);
    }
  }
}

TEST(OuterFrameTest, WeReadWhatWeMakeAndNothingElse) {
  auto frame = frame_of(100, true);
  frame.resize(frame.size() + 3);  // padding
  auto view = read_outer(frame);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->source, kClient);
  EXPECT_EQ(view->destination, kServer);
  EXPECT_EQ(view->payload.size(), 100u);
  EXPECT_TRUE(udp_checksum_is_right(frame, 100));
  frame[kOuterHeaders + 50] ^= 1;
  EXPECT_FALSE(udp_checksum_is_right(frame, 100));

  for (size_t byte : {12, 14, 16, 20, 23, 24, 26, 38}) {  // type, version, lengths, fragment, protocol, sum, address
    auto wrong = frame_of(100, true);
    wrong[byte] ^= 0x11;
    EXPECT_FALSE(read_outer(wrong)) << byte;
  }
  for (size_t size = 0; size < kOuterHeaders + 100; ++size) {
    auto cut = frame_of(100, true);
    EXPECT_FALSE(read_outer(std::span(cut).first(size))) << size;
  }
}

TEST(ClientGridTest, EveryClientIsFoundWhereItIs) {
  ClientGrid grid{0xC6120001, 64, 1000};
  for (uint32_t client = 0; client < grid.clients; ++client) EXPECT_EQ(grid.client_at(grid.end_of(client)), client);
  EXPECT_FALSE(grid.client_at({grid.first - 1, ClientGrid::kFirstPort}));
  EXPECT_FALSE(grid.client_at({grid.first + 64, ClientGrid::kFirstPort}));
  EXPECT_FALSE(grid.client_at({grid.first, ClientGrid::kFirstPort - 1}));
  EXPECT_FALSE(grid.client_at({grid.first + 63, ClientGrid::kFirstPort + 15}));  // would be client 1023
}

TEST(ArpTest, AsksAnswersAndLearns) {
  constexpr Ip4 kOurIp{192, 0, 2, 2}, kGatewayIp{192, 0, 2, 1};
  Arp ours(kOwn, kOurIp, kGatewayIp), gateways(kGateway, kGatewayIp, kOurIp);
  std::array<uint8_t, Arp::kFrameSize> frame;
  ours.write_request(frame.data());
  EXPECT_EQ(frame[0], 0xFF);
  EXPECT_TRUE(gateways.take(frame));  // learns from the question, too
  EXPECT_EQ(gateways.gateway_mac(), kOwn);
  EXPECT_FALSE(ours.gateway_mac());
  EXPECT_FALSE(ours.take(frame));
  EXPECT_EQ(ours.gateway_mac(), kGateway);
}

TEST(ArpTest, AnswersForNobodyElse) {
  Arp ours(kOwn, {192, 0, 2, 2}, {192, 0, 2, 1});
  Arp stranger(kGateway, {192, 0, 2, 1}, {192, 0, 2, 99});
  std::array<uint8_t, Arp::kFrameSize> frame;
  stranger.write_request(frame.data());
  EXPECT_FALSE(ours.take(frame));
  stranger.write_request(frame.data());
  frame[14] = 9;  // not Ethernet
  Arp fresh(kOwn, {192, 0, 2, 2}, {192, 0, 2, 1});
  EXPECT_FALSE(fresh.take(frame));
  EXPECT_FALSE(fresh.gateway_mac());
  EXPECT_FALSE(fresh.take(std::span(frame).first(30)));
}

TEST(PacerTest, GivesWhatIsDueAndForgivesStalls) {
  Pacer pacer(0.01, 64, 1000);
  EXPECT_EQ(pacer.due(1000), 0u);
  EXPECT_EQ(pacer.due(1099), 0u);
  EXPECT_EQ(pacer.due(1350), 3u);
  pacer.take(3);
  EXPECT_EQ(pacer.due(1350), 0u);
  EXPECT_EQ(pacer.due(1400), 1u);  // the half packet was not forgotten
  pacer.take(1);
  EXPECT_EQ(pacer.due(1'000'000), 64u);
}

TEST(PacerTest, KeepsTheRateOverManySteps) {
  Pacer pacer(1.0 / 37, 64, 0);
  uint64_t sent = 0;
  for (uint64_t now = 0; now <= 3'700'000; now += 111) {
    uint32_t due = pacer.due(now);
    pacer.take(due);
    sent += due;
  }
  EXPECT_NEAR(static_cast<double>(sent), 100'000, 3);
}

}  // namespace
}  // namespace culvert::pktgen
