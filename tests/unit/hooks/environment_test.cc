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
            (std::vector<std::string>{"IV_X_y=a_b_[2J\x80", "number=42", "plain=kept $(as) it is"}));
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

TEST(TameName, KeepsWhatPeopleAreCalled) {
  for (const char* name : {"alice@example.org", "DOMAIN\\alice", "Alice O'Hara", "j\xc3\xb6rg", "a/b"})
    EXPECT_EQ(tame_name(name), name);
  EXPECT_EQ(tame_name("a\nb\rc\x1b[\x7f"), "a_b_c_[_");
}

TEST(TameName, FilesStayInTheirFolder) {
  EXPECT_EQ(tame_file_name("Alice O'Hara"), "Alice O'Hara");
  EXPECT_EQ(tame_file_name("../../etc/passwd"), ".._.._etc_passwd");
  EXPECT_EQ(tame_file_name(".."), "");
  EXPECT_EQ(tame_file_name("."), "");
  EXPECT_EQ(tame_file_name(""), "");
}

TEST(TameName, ArgumentsAreNoOptions) {
  EXPECT_EQ(tame_argument("--help"), "__help");
  EXPECT_EQ(tame_argument("CN=-a"), "CN=-a");
}

}  // namespace
}  // namespace culvert::hooks
