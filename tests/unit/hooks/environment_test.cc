#include "control/hooks/environment.h"

#include <gtest/gtest.h>

namespace culvert::hooks {
namespace {

TEST(Environment, NamesAndValuesCannotCarryWhatAShellWouldActOn) {
  Environment environment;
  environment.set("IV_X-y", "a\nb\x1b[2J\x80");
  environment.set("plain", "kept $(as) it is");
  environment.set("number", uint64_t{42});
  EXPECT_EQ(environment.strings(),
            (std::vector<std::string>{"IV_X_y=a_b_[2J_", "number=42", "plain=kept $(as) it is"}));
}

TEST(Environment, LaterValuesReplaceEarlierOnes) {
  Environment environment;
  environment.set("a", "1");
  environment.set("b", "1");
  Environment more;
  more.set("a", "2");
  environment.add(more);
  environment.remove("b");
  EXPECT_EQ(environment.strings(), std::vector<std::string>{"a=2"});
}

TEST(TameName, KeepsWhatFileNamesMayHold) {
  EXPECT_EQ(tame_name("alice@example.org"), "alice@example.org");
  EXPECT_EQ(tame_name("../a b/\xc3\xa4"), ".._a_b___");
  EXPECT_EQ(tame_name("a/b", "/"), "a/b");
}

}  // namespace
}  // namespace culvert::hooks
