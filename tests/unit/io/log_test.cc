#include "control/io/log.h"

#include <gtest/gtest.h>

namespace culvert::io {
namespace {

using std::chrono::seconds;

TEST(Printable, LeavesNothingThatEndsALineOrSteersATerminal) {
  EXPECT_EQ(printable("alice"), "alice");
  EXPECT_EQ(printable(std::string_view("a\nb\x1b[2J\0c\x7f", 10)), "a\\x0ab\\x1b[2J\\x00c\\x7f");
  EXPECT_EQ(printable("Zoë"), "Zoë");
}

TEST(LogBudget, LeavesOutWhatIsTooMuchAndSaysHowMuchThatWas) {
  LogBudget budget(2, seconds(10));
  MonoTime t0{seconds(100)};
  EXPECT_TRUE(budget.ask(t0).write);
  EXPECT_TRUE(budget.ask(t0 + seconds(9)).write);
  EXPECT_FALSE(budget.ask(t0 + seconds(9)).write);
  EXPECT_FALSE(budget.ask(t0 + seconds(9)).write);
  auto verdict = budget.ask(t0 + seconds(10));
  EXPECT_TRUE(verdict.write);
  EXPECT_EQ(verdict.left_out_before, 2u);
  EXPECT_EQ(budget.ask(t0 + seconds(10)).left_out_before, 0u) << "said once";
}

}  // namespace
}  // namespace culvert::io
