// The two lists that generate enum, counter index and text: drop_reasons.def and counters.def.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <string_view>

#include "dataplane/abi/counters.h"
#include "dataplane/abi/drop_reasons.h"

namespace culvert::abi {
namespace {

bool is_snake_case(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

/// Names and texts go into tables, metrics and JSON as they are.
template <class List>
void expect_usable(const List& list) {
  std::set<std::string_view> names;
  std::set<std::string_view> texts;
  for (const auto& entry : list) {
    EXPECT_TRUE(is_snake_case(entry.name)) << entry.name;
    EXPECT_TRUE(names.insert(entry.name).second) << entry.name << " is there twice";
    EXPECT_TRUE(texts.insert(entry.text).second) << entry.name << " has the text of another entry: " << entry.text;
    EXPECT_GE(entry.text.size(), 10u) << entry.name << " needs a text that tells an operator what happened";
    EXPECT_EQ(entry.text.find_first_of("\"\\\n\t"), std::string_view::npos) << entry.name;
    EXPECT_NE(entry.text.back(), '.') << entry.name << ": texts stand in tables and have no full stop";
  }
}

TEST(DropReasons, NamesAndTextsAreUsable) {
  expect_usable(kDropInfo);
}

TEST(Counters, NamesAndTextsAreUsable) {
  expect_usable(kCounterInfo);
}

TEST(DropReasons, EnumIndexesTheList) {
  EXPECT_EQ(info(DropReason::outer_too_short).name, "outer_too_short");
  EXPECT_EQ(info(DropReason::control_link_full).name, "control_link_full");
  EXPECT_EQ(info(DropReason::control_link_full).side, DropSide::kControl);
  EXPECT_EQ(kCounterInfo[static_cast<size_t>(Counter::control_retransmits)].name, "control_retransmits");
}

TEST(CounterBlock, PublishesWhatWasTallied) {
  Tally tally;
  tally.add(Counter::polls, 3);
  tally.add(Counter::polls);
  tally.drop(DropReason::aead_bad_tag);
  tally.drop(DropReason::control_link_full, 5);
  CounterBlock block{};
  block.publish(tally);
  Tally seen = block.read();
  EXPECT_EQ(seen.counters, tally.counters);
  EXPECT_EQ(seen.drops, tally.drops);
  EXPECT_EQ(seen.counters[static_cast<size_t>(Counter::polls)], 4u);
  EXPECT_EQ(seen.drops[static_cast<size_t>(DropReason::control_link_full)], 5u);
}

}  // namespace
}  // namespace culvert::abi
