#include "drivers/offload/datagram_runs.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "tests/unit/support/eal.h"

namespace culvert::drivers::offload {
namespace {

class DatagramRunsTest : public ::testing::Test {
 protected:
  ~DatagramRunsTest() override { rte_pktmbuf_free_bulk(packets_.data(), static_cast<unsigned>(packets_.size())); }
  void add(uint8_t peer, size_t size) {
    rte_mbuf* packet = pool_.packet(std::vector<uint8_t>(size));
    abi::Endpoint& remote = meta(packet).remote;
    remote.address.family = abi::Family::kIpv4;
    remote.address.bytes = {192, 0, 2, peer};
    remote.port = 1194;
    packets_.push_back(packet);
  }
  /// The runs, each as its packets' indices.
  std::vector<std::vector<size_t>> plan(bool join = true) {
    std::vector<std::vector<size_t>> all;
    for (const auto& run : runs_.plan(packets_, join)) {
      std::vector<size_t> indices{run.first};
      while (indices.size() < run.count) indices.push_back(runs_.next(static_cast<uint8_t>(indices.back())));
      EXPECT_EQ(indices.back(), run.last);
      all.push_back(indices);
    }
    return all;
  }

  testing::PacketPool pool_{255};
  std::vector<rte_mbuf*> packets_;
  DatagramRuns runs_;
};

using Runs = std::vector<std::vector<size_t>>;

TEST_F(DatagramRunsTest, EqualLengthsToOnePeerAreOneAndAShorterOneEndsIt) {
  for (size_t size : {100, 100, 60, 100, 100, 120}) add(1, size);
  EXPECT_EQ(plan(), (Runs{{0, 1, 2}, {3, 4}, {5}}));
  EXPECT_EQ(plan(false).size(), 6u);
}

TEST_F(DatagramRunsTest, PeersThatTakeTurnsHaveTheirOwn) {
  for (int i = 0; i < 3; ++i)
    for (uint8_t peer : {1, 2, 3}) add(peer, 200);
  EXPECT_EQ(plan(), (Runs{{0, 3, 6}, {1, 4, 7}, {2, 5, 8}}));
}

TEST_F(DatagramRunsTest, AnotherAddressOfOursIsAnotherRun) {
  add(1, 200);
  add(1, 200);
  meta(packets_[1]).local.port = 7;
  EXPECT_EQ(plan(), (Runs{{0}, {1}}));
}

TEST_F(DatagramRunsTest, StaysBelowWhatOneMessageMayHave) {
  for (int i = 0; i < 50; ++i) add(1, 1400);
  auto runs = plan();
  ASSERT_EQ(runs.size(), 2u);
  EXPECT_EQ(runs[0].size(), DatagramRuns::kMaxBytes / 1400);
}

TEST_F(DatagramRunsTest, GoesToTheLastByteOfThat) {
  static_assert(50 * 1300 == DatagramRuns::kMaxBytes);
  for (int i = 0; i < 50; ++i) add(1, 1300);
  EXPECT_EQ(plan().size(), 1u);
}

TEST_F(DatagramRunsTest, AndNotABytePastIt) {
  static_assert(47 * 1383 == DatagramRuns::kMaxBytes + 1);
  for (int i = 0; i < 47; ++i) add(1, 1383);
  EXPECT_EQ(plan().size(), 2u);
}

TEST_F(DatagramRunsTest, EmptyDatagramsGoAlone) {
  for (size_t size : {0, 0, 10, 0}) add(1, size);
  for (const auto& run : plan()) EXPECT_EQ(run.size(), 1u);
}

TEST_F(DatagramRunsTest, OrderWithinAPeerNeverChangesAndNothingIsLost) {
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    rte_pktmbuf_free_bulk(packets_.data(), static_cast<unsigned>(packets_.size()));
    packets_.clear();
    size_t count = 1 + random() % DatagramRuns::kMost;
    for (size_t i = 0; i < count; ++i)
      add(static_cast<uint8_t>(random() % 40), random() % 3 == 0 ? 1 + random() % 300 : 300);
    std::map<uint8_t, size_t> last;
    size_t seen = 0;
    for (const auto& run : plan()) {
      for (size_t index : run) {
        uint8_t peer = meta(packets_[index]).remote.address.bytes[3];
        EXPECT_EQ(peer, meta(packets_[run[0]]).remote.address.bytes[3]);
        EXPECT_TRUE(!last.contains(peer) || last[peer] < index);
        last[peer] = index;
        ++seen;
        bool is_last = index == run.back();
        EXPECT_TRUE(is_last || packets_[index]->data_len == packets_[run[0]]->data_len);
        EXPECT_LE(packets_[index]->data_len, packets_[run[0]]->data_len);
      }
    }
    ASSERT_EQ(seen, count);
  }
}

TEST(SegmentRefusals, HoldBackThatSizeForThatPeerAndTryAgainLater) {
  SegmentRefusals refusals;
  DatagramRuns::Run large{.first = 0, .last = 1, .count = 2, .slot = 4, .segment = 1400, .bytes = 2800};
  DatagramRuns::Run small = large;
  small.segment = 1000;
  DatagramRuns::Run other = large;
  other.slot = 5;
  EXPECT_TRUE(refusals.may_send(large));
  refusals.refused(large, false);
  EXPECT_FALSE(refusals.may_send(large));
  EXPECT_TRUE(refusals.may_send(small));
  EXPECT_TRUE(refusals.may_send(other));
  refusals.refused(large, true);
  EXPECT_FALSE(refusals.may_send(small));
  int held_back = 0;
  while (!refusals.may_send(small) && held_back < 5000) ++held_back;
  EXPECT_GT(held_back, 100);
  EXPECT_LT(held_back, 5000);
  EXPECT_TRUE(refusals.may_send(large));
  refusals.refused(large, false);
  int again = 0;
  while (!refusals.may_send(large) && again < 5000) ++again;
  EXPECT_GT(again, 100) << "and then held back as before";
}

}  // namespace
}  // namespace culvert::drivers::offload
