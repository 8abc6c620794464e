// A committed value survives a writer that dies in the middle of a write.
#include "dataplane/abi/committed.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <memory>

namespace culvert::abi {
namespace {

struct Value {
  std::array<uint64_t, 32> words;
};

Value filled(uint64_t with) {
  Value value{};
  value.words.fill(with);
  return value;
}

/// Overwrites the first `words` words of the copy that the next write() would fill, and commits nothing: what a writer
/// leaves that was killed there. Knows the layout: commit count, then two copies.
void tear(Committed<Value>& committed, size_t words) {
  auto* raw = reinterpret_cast<uint64_t*>(&committed);
  uint64_t* copy = raw + 1 + ((committed.commits() + 1) & 1) * (sizeof(Value) / 8);
  for (size_t i = 0; i < words; ++i) copy[i] = 0xDEAD;
}

TEST(Committed, NothingIsReadBeforeTheFirstWrite) {
  auto committed = std::make_unique<Committed<Value>>();
  Value value = filled(7);
  EXPECT_FALSE(committed->read(value));
  EXPECT_EQ(value.words[0], 7u) << "a failed read leaves the target alone";
  EXPECT_EQ(committed->commits(), 0u);
}

TEST(Committed, LastWriteIsRead) {
  auto committed = std::make_unique<Committed<Value>>();
  Value value{};
  for (uint64_t i = 1; i <= 5; ++i) {
    committed->write(filled(i));
    ASSERT_TRUE(committed->read(value));
    EXPECT_EQ(value.words, filled(i).words);
    EXPECT_EQ(committed->commits(), i);
  }
}

TEST(Committed, TornWriteLeavesTheOldValue) {
  static_assert(sizeof(Committed<Value>) == 8 + 2 * sizeof(Value), "tear() knows this layout");
  for (uint64_t before : {1u, 2u}) {  // both copies take their turn
    for (size_t words : {size_t{0}, size_t{1}, size_t{31}, size_t{32}}) {
      auto committed = std::make_unique<Committed<Value>>();
      for (uint64_t i = 1; i <= before; ++i) committed->write(filled(i));
      tear(*committed, words);
      Value value{};
      ASSERT_TRUE(committed->read(value));
      EXPECT_EQ(value.words, filled(before).words);
      committed->write(filled(99));  // the next writer goes on
      ASSERT_TRUE(committed->read(value));
      EXPECT_EQ(value.words, filled(99).words);
    }
  }
}

TEST(Committed, TornFirstWriteIsNoValue) {
  auto committed = std::make_unique<Committed<Value>>();
  tear(*committed, 16);
  Value value{};
  EXPECT_FALSE(committed->read(value));
}

}  // namespace
}  // namespace culvert::abi
