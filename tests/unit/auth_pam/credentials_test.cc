#include "tools/auth_pam/credentials.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/unit/support/temporary_folder.h"

namespace culvert::auth_pam {
namespace {

TEST(Credentials, AStaticChallengeIsPasswordAndResponse) {
  Credentials credentials;
  take_password("SCRV1:c2VjcmV0:MTIzNDU2", credentials);
  EXPECT_EQ(credentials.password, "secret");
  EXPECT_EQ(credentials.response, "123456");
  EXPECT_EQ(credentials.hidden_answer(), "secret");
  EXPECT_EQ(credentials.hidden_answer(), "123456");
  EXPECT_EQ(credentials.hidden_answer(), "123456");
}

TEST(Credentials, WhatOnlyBeginsLikeOneIsAPassword) {
  for (std::string line : {"SCRV1:", "SCRV1:secret", "SCRV1:secret:123456", "SCRV1:c2VjcmV0", "SCRV1:AAAA:MTIz",
                           "scrv1:c2VjcmV0:MTIz", ""}) {
    Credentials credentials;
    take_password(line, credentials);
    EXPECT_EQ(credentials.password, line);
    EXPECT_EQ(credentials.response, "");
    EXPECT_EQ(credentials.hidden_answer(), line);
    EXPECT_EQ(credentials.hidden_answer(), line);
  }
}

TEST(Credentials, StandInTwoLines) {
  testing::TemporaryFolder folder;
  const std::string path = folder.path() + "/up";
  EXPECT_FALSE(read_credentials(path));
  std::ofstream(path) << "alice\n";
  EXPECT_FALSE(read_credentials(path));
  std::ofstream(path) << "alice smith\n pass word \nmore\n";
  auto credentials = read_credentials(path);
  ASSERT_TRUE(credentials);
  EXPECT_EQ(credentials->username, "alice smith");
  EXPECT_EQ(credentials->password, " pass word ");
}

}  // namespace
}  // namespace culvert::auth_pam
