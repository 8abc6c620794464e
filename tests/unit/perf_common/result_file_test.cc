// Where results can be saved, asked before and seen after.
#include "perf/common/result_file.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "tests/unit/support/temporary_folder.h"

namespace culvert::perf {
namespace {

TEST(ResultFile, IsWrittenWhereTheQuestionSaidYes) {
  testing::TemporaryFolder folder;
  std::string path = folder.path() + "/result.json";
  for (const char* text : {"longer than the next", "short"}) {
    ASSERT_TRUE(check_writable(path));
    ASSERT_TRUE(write_file(path, text));
    std::ifstream file(path);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), text);
  }
}

TEST(ResultFile, TheQuestionItselfLeavesNothing) {
  testing::TemporaryFolder folder;
  ASSERT_TRUE(check_writable(folder.path() + "/result.json"));
  EXPECT_FALSE(std::ifstream(folder.path() + "/result.json").is_open());
}

TEST(ResultFile, WhatCanNotBeWrittenIsNamed) {
  testing::TemporaryFolder folder;
  std::string nowhere = folder.path() + "/none/result.json";
  for (const Status& status : {check_writable(nowhere), write_file(nowhere, "x")}) {
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error(), nowhere + ": cannot be written: No such file or directory");
  }
  Status is_folder = check_writable(folder.path());
  ASSERT_FALSE(is_folder);
  EXPECT_EQ(is_folder.error(), folder.path() + ": cannot be written: Is a directory");
}

TEST(ResultFile, NoPathIsNoFile) {
  EXPECT_TRUE(check_writable(""));
  EXPECT_TRUE(write_file("", "x"));
}

}  // namespace
}  // namespace culvert::perf
