#include "control/auth/revoked_folder.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/unit/support/temporary_folder.h"

namespace culvert::auth {
namespace {

TEST(RevokedFolder, AFileRevokesTheSerialItIsNamedAfter) {
  culvert::testing::TemporaryFolder folder;
  RevokedFolder list(folder.path());
  EXPECT_FALSE(list.has("1234"));
  EXPECT_FALSE(list.changed());
  std::ofstream(folder.path() + "/1234").close();
  EXPECT_TRUE(list.changed());
  EXPECT_FALSE(list.changed()) << "once per change";
  EXPECT_TRUE(list.has("1234"));
  EXPECT_FALSE(list.has("123"));
}

TEST(RevokedFolder, WithoutAFolderNobodyIsRevoked) {
  RevokedFolder list("");
  EXPECT_FALSE(list.has("1"));
  EXPECT_FALSE(list.changed());
}

TEST(RevokedFolder, AFolderThatIsGoneLetsNobodyIn) {
  culvert::testing::TemporaryFolder folder;
  RevokedFolder list(folder.path() + "/gone");
  EXPECT_TRUE(list.has("1"));
}

TEST(RevokedFolder, WhatCanNotBeLookedUpIsRevoked) {
  culvert::testing::TemporaryFolder folder;
  RevokedFolder list(folder.path());
  EXPECT_TRUE(list.has(std::string(300, '1'))) << "no file can have that name";
}

TEST(RevokedFolder, OnlyNumbersBecomePaths) {
  culvert::testing::TemporaryFolder folder;
  RevokedFolder list(folder.path());
  EXPECT_TRUE(list.has("../1")) << "not a serial: refused";
  EXPECT_FALSE(list.has(""));
}

}  // namespace
}  // namespace culvert::auth
