#include "dataplane/steps/cold_jobs.h"

#include <gtest/gtest.h>

#include <vector>

#include "dataplane/session/key.h"

namespace culvert::steps {
namespace {

/// Notes which jobs' keys it was asked to expand.
class NotingEngine final : public aead::Engine {
 public:
  void expand(abi::Cipher, const std::array<uint8_t, 32>&, aead::Key&) override {}
  void expand_cbc(abi::Cipher, abi::Digest, const abi::DirectionKey&, aead::Key&) override {}
  bool make_compact(abi::Cipher, const std::array<uint8_t, 32>&, const aead::Key&, aead::CompactKey&) override {
    return false;
  }
  void expand_cold(std::span<const aead::ColdJob> jobs) override {
    asked.insert(asked.end(), jobs.begin(), jobs.end());
  }
  void hmac_sha256(const std::array<uint8_t, 32>&, std::span<const uint8_t>, std::array<uint8_t, 32>&) override {}
  void seal(std::span<aead::Job>) override {}
  void open(std::span<aead::Job>) override {}
  const char* name() const override { return "noting"; }

  std::vector<aead::ColdJob> asked;
};

class ColdJobsTest : public ::testing::Test {
 protected:
  ColdJobsTest() {
    key.aead = &expanded;
    key.has_compact = true;
  }
  /// Was the key of a packet that comes at `clock` expanded again?
  bool is_cold(uint32_t clock, size_t sessions = kMany) {
    aead::Job job{};
    NotingEngine engine;
    ColdJobs jobs(clock, sessions);
    jobs.add(key, job);
    jobs.expand(engine);
    if (engine.asked.empty()) return false;
    EXPECT_EQ(engine.asked.size(), 1u);
    EXPECT_EQ(engine.asked[0].job, &job);
    EXPECT_EQ(engine.asked[0].key, &key.compact);
    return true;
  }

  static constexpr uint32_t kAfter = ColdJobs::kColdAfter;
  static constexpr size_t kMany = ColdJobs::kFew + 1;
  aead::Key expanded{};
  session::SendKey key;
};

TEST_F(ColdJobsTest, AKeyIsColdWhenManyPacketsHaveGoneByWithoutIt) {
  EXPECT_TRUE(is_cold(kAfter + 1)) << "never used";
  EXPECT_FALSE(is_cold(kAfter + 1)) << "again in this burst";
  EXPECT_FALSE(is_cold(kAfter + 16));
  EXPECT_FALSE(is_cold(2 * kAfter + 16));
  EXPECT_TRUE(is_cold(3 * kAfter + 17));
  EXPECT_FALSE(is_cold(3 * kAfter + 18));
}

TEST_F(ColdJobsTest, OfFewSessionsNoKeyIs) {
  EXPECT_FALSE(is_cold(kAfter + 1, 1));
  EXPECT_FALSE(is_cold(5 * kAfter, ColdJobs::kFew));
  EXPECT_TRUE(is_cold(5 * kAfter, ColdJobs::kFew + 1)) << "one more session has come";
}

TEST_F(ColdJobsTest, TheClockGoesRound) {
  key.used_at = UINT32_MAX - 10;
  EXPECT_FALSE(is_cold(5));
  key.used_at = UINT32_MAX - 10;
  EXPECT_TRUE(is_cold(kAfter));
}

TEST_F(ColdJobsTest, WithoutACompactFormThereIsNothingToExpand) {
  key.has_compact = false;
  EXPECT_FALSE(is_cold(kAfter + 1));
  EXPECT_FALSE(is_cold(5 * kAfter));
}

TEST_F(ColdJobsTest, OnlyTheColdOnesOfABurst) {
  session::SendKey others[3];
  for (session::SendKey& other : others) other.aead = &expanded, other.has_compact = true;
  others[1].used_at = kAfter;
  aead::Job jobs[3]{};
  NotingEngine engine;
  ColdJobs cold(kAfter + 1, kMany);
  for (size_t i = 0; i < 3; ++i) cold.add(others[i], jobs[i]);
  cold.expand(engine);
  ASSERT_EQ(engine.asked.size(), 2u);
  EXPECT_EQ(engine.asked[0].job, &jobs[0]);
  EXPECT_EQ(engine.asked[1].job, &jobs[2]);
}

}  // namespace
}  // namespace culvert::steps
