// Which worker a session belongs to, and through which one its packets leave.
#include "control/gateway/session_book.h"

#include <gtest/gtest.h>

#include "dataplane/abi/endpoint_text.h"

namespace culvert::gateway {
namespace {

abi::Endpoint remote(uint16_t port) {
  abi::Endpoint endpoint;
  endpoint.address = *abi::parse_ip("198.51.100.1");
  endpoint.port = port;
  return endpoint;
}

TEST(SessionBook, AConnectionStaysWhereItCameUntilItEnds) {
  SessionBook book(8);
  EXPECT_EQ(book.worker_of(remote(1), 5), 5u) << "not seen: as the caller says";
  book.saw(remote(1), 2);
  EXPECT_EQ(book.worker_of(remote(1), 5), 2u);
  book.saw(remote(1), 3);
  EXPECT_EQ(book.worker_of(remote(1), 5), 3u) << "a new connection from the same port";
  book.forget(remote(1));
  EXPECT_EQ(book.worker_of(remote(1), 5), 5u);
}

TEST(SessionBook, WhereASessionHasSettledItsOwnerStaysAsLongAsItLives) {
  SessionBook book(8);
  ASSERT_NE(book.open({3, 1}, 1, 0), nullptr);
  book.settle(remote(1), {3, 1});
  book.saw(remote(1), 2);
  EXPECT_EQ(book.worker_of(remote(1), 0), 1u) << "its packets may arrive elsewhere, its commands go to the owner";
  book.settle(remote(2), {3, 1});
  EXPECT_EQ(book.worker_of(remote(2), 0), 1u) << "after a float";
  book.settle(remote(3), {3, 2});
  EXPECT_EQ(book.worker_of(remote(3), 7), 7u) << "there is no such session";
  book.close({3, 1});
  book.saw(remote(1), 2);
  EXPECT_EQ(book.worker_of(remote(1), 0), 2u);
}

TEST(SessionBook, StrangersMakeRoomForSessions) {
  SessionBook book(1);
  ASSERT_NE(book.open({0, 1}, 1, 0), nullptr);
  book.settle(remote(1), {0, 1});
  for (uint16_t port = 2; port < 5000; ++port) book.saw(remote(port), 2);
  EXPECT_EQ(book.worker_of(remote(1), 0), 1u);
  EXPECT_EQ(book.worker_of(remote(4999), 0), 2u) << "the newest";
  EXPECT_EQ(book.worker_of(remote(2), 0), 0u) << "one of the oldest";
}

}  // namespace
}  // namespace culvert::gateway
