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

TEST(SessionBook, AdmittedSessionsAreFoundByNameAndServerBlock) {
  SessionBook book(8);
  using Sessions = std::vector<abi::SessionRef>;
  auto admit = [&](abi::SessionRef session, size_t instance, const char* name) {
    BookEntry* entry = book.open(session, 0, instance);
    ASSERT_NE(entry, nullptr);
    book.admit(session, *entry, name);
  };
  ASSERT_NE(book.open({0, 1}, 0, 0), nullptr);
  EXPECT_TRUE(book.named(0, "").empty()) << "not decided on";
  admit({0, 1}, 0, "alice");
  admit({5, 2}, 0, "alice");
  admit({1, 1}, 1, "alice");
  admit({2, 1}, 0, "alic");
  admit({3, 1}, 0, "alice2");
  EXPECT_EQ(book.named(0, "alice"), (Sessions{{0, 1}, {5, 2}}));
  EXPECT_EQ(book.named(1, "alice"), (Sessions{{1, 1}}));
  EXPECT_TRUE(book.named(2, "alice").empty());
  admit({0, 1}, 0, "bob");
  EXPECT_EQ(book.named(0, "alice"), (Sessions{{5, 2}})) << "renamed";
  book.close({5, 1});
  EXPECT_EQ(book.named(0, "alice"), (Sessions{{5, 2}})) << "another life of the peer-id";
  book.close({5, 2});
  EXPECT_TRUE(book.named(0, "alice").empty());
  admit({0, 2}, 0, "alice");
  EXPECT_TRUE(book.named(0, "bob").empty()) << "the next life of a peer-id";
  EXPECT_EQ(book.named(0, "alice"), (Sessions{{0, 2}}));
}

}  // namespace
}  // namespace culvert::gateway
