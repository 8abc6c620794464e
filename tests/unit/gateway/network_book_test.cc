// Whose a network behind a client is, when several name the same one.
#include "control/gateway/network_book.h"

#include <gtest/gtest.h>

#include "dataplane/abi/endpoint_text.h"

namespace culvert::gateway {
namespace {

abi::InnerPrefix network(const char* address, uint8_t length) {
  return {*abi::parse_ip(address), length};
}

const abi::InnerPrefix kNet = network("10.1.0.0", 16);
constexpr abi::SessionRef kFirst{0, 1};
constexpr abi::SessionRef kSecond{1, 1};

class NetworkBookTest : public ::testing::Test {
 protected:
  NetworkBookTest() {
    sessions_.open(kFirst, 0, 0);
    sessions_.open(kSecond, 0, 0);
  }

  SessionBook sessions_{1024};
  NetworkBook book_{sessions_};
};

TEST_F(NetworkBookTest, WhoComesLastHasIt) {
  EXPECT_EQ(book_.holder(kNet), std::nullopt);
  EXPECT_EQ(book_.take(kNet, kFirst), std::nullopt) << "nobody had it";
  EXPECT_EQ(book_.take(kNet, kSecond), kFirst);
  EXPECT_EQ(book_.holder(kNet), kSecond);
}

TEST_F(NetworkBookTest, ToSayItAgainTakesItFromNobody) {
  book_.take(kNet, kFirst);
  EXPECT_EQ(book_.take(kNet, kFirst), std::nullopt);
  EXPECT_EQ(book_.holder(kNet), kFirst);
}

TEST_F(NetworkBookTest, OtherLengthAndOtherFamilyAreOtherNetworks) {
  book_.take(kNet, kFirst);
  EXPECT_EQ(book_.take(network("10.1.0.0", 17), kSecond), std::nullopt);
  EXPECT_EQ(book_.take(network("fd00::", 16), kSecond), std::nullopt);
  EXPECT_EQ(book_.holder(kNet), kFirst);
}

TEST_F(NetworkBookTest, WhoHasEndedHasNothing) {
  book_.take(kNet, kFirst);
  sessions_.close(kFirst);
  EXPECT_EQ(book_.holder(kNet), std::nullopt);
  sessions_.open({kFirst.peer_id, 2}, 0, 0);
  EXPECT_EQ(book_.holder(kNet), std::nullopt) << "the next life of the peer-id";
  EXPECT_EQ(book_.take(kNet, kSecond), std::nullopt);
}

TEST_F(NetworkBookTest, SessionsThatHaveEndedAreForgottenInTime) {
  for (uint32_t life = 2; life < 20'000; ++life) {
    abi::SessionRef session{7, life};
    sessions_.open(session, 0, 0);
    book_.take({abi::ipv4({10, static_cast<uint8_t>(life >> 8), static_cast<uint8_t>(life), 0}), 24}, session);
    sessions_.close(session);
  }
  EXPECT_LE(book_.size(), 1025u);
}

}  // namespace
}  // namespace culvert::gateway
