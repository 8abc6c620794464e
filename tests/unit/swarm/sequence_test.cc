#include "perf/swarm/sequence.h"

#include <gtest/gtest.h>

namespace culvert::swarm {
namespace {

TEST(Sequence, CountsWhatIsMissingDoubledAndLate) {
  Sequence sequence;
  Account account;
  account.sent = 200;
  for (uint64_t number : {0u, 1u, 3u, 2u, 3u, 130u}) sequence.receive(number, 1000, account);
  EXPECT_EQ(account.received, 5u);
  EXPECT_EQ(account.doubled, 1u);
  EXPECT_EQ(account.reordered, 1u);
  EXPECT_EQ(account.bytes, 5000u);
  EXPECT_EQ(account.lost(), 195u);
  EXPECT_EQ(account.damaged, 0u);
}

TEST(Sequence, NumbersThatCannotBeAreDamage) {
  Sequence sequence;
  Account account;
  sequence.receive(UINT64_MAX, 1000, account);
  EXPECT_EQ(account.damaged, 1u);
  EXPECT_EQ(account.received, 0u);
}

}  // namespace
}  // namespace culvert::swarm
