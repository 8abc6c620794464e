// The check that a side makes before it trusts a mapping: every field wrong in turn gives its reason.
#include "dataplane/abi/layout.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

namespace culvert::abi {
namespace {

LinkHeader good_header(uint32_t workers, uint32_t sessions) {
  LinkHeader header{};
  header.magic = kLinkMagic;
  header.abi_version = kAbiVersion;
  header.header_size = sizeof(LinkHeader);
  header.workers = workers;
  header.sessions = sessions;
  header.worker_area_size = sizeof(WorkerArea);
  header.session_record_size = sizeof(SessionRecord);
  header.seen_ids_size = sizeof(SeenIds);
  header.network_list_size = sizeof(NetworkList);
  header.total_size = layout_for(workers, sessions).total_size;
  return header;
}

TEST(Layout, AcceptsAGoodHeaderAtBothEnds) {
  for (uint32_t workers : {1u, 2u, kMaxWorkers}) {
    for (uint32_t sessions : {1u, 1024u, kMaxSessions}) {
      LinkHeader header = good_header(workers, sessions);
      EXPECT_EQ(why_not_usable(header, header.total_size), nullptr)
          << workers << " workers, " << sessions << " sessions";
    }
  }
}

struct BadField {
  const char* name;
  std::function<void(LinkHeader&)> spoil;
  const char* reason;  ///< must be part of the text
};

TEST(Layout, EachWrongFieldHasItsReason) {
  const std::vector<BadField> cases = {
      {"magic off by one bit", [](LinkHeader& h) { h.magic ^= 1; }, "magic differs"},
      {"magic 0", [](LinkHeader& h) { h.magic = 0; }, "magic differs"},
      {"version older", [](LinkHeader& h) { h.abi_version -= 1; }, "different versions"},
      {"version newer", [](LinkHeader& h) { h.abi_version += 1; }, "different versions"},
      {"header size", [](LinkHeader& h) { h.header_size += 64; }, "layout differs"},
      {"worker area size", [](LinkHeader& h) { h.worker_area_size -= 64; }, "layout differs"},
      {"session record size", [](LinkHeader& h) { h.session_record_size += 64; }, "layout differs"},
      {"size of the packet-ids seen", [](LinkHeader& h) { h.seen_ids_size /= 2; }, "layout differs"},
      {"network list size", [](LinkHeader& h) { h.network_list_size += 18; }, "layout differs"},
      {"no worker", [](LinkHeader& h) { h.workers = 0; }, "out of range"},
      {"too many workers", [](LinkHeader& h) { h.workers = kMaxWorkers + 1; }, "out of range"},
      {"workers 2^32 - 1", [](LinkHeader& h) { h.workers = UINT32_MAX; }, "out of range"},
      {"no session", [](LinkHeader& h) { h.sessions = 0; }, "out of range"},
      {"too many sessions", [](LinkHeader& h) { h.sessions = kMaxSessions + 1; }, "out of range"},
      {"sessions 2^32 - 1", [](LinkHeader& h) { h.sessions = UINT32_MAX; }, "out of range"},
      {"one worker more than the size", [](LinkHeader& h) { h.workers += 1; }, "size does not fit"},
      {"total size", [](LinkHeader& h) { h.total_size += 4096; }, "size does not fit"},
  };
  for (const BadField& bad : cases) {
    LinkHeader header = good_header(2, 64);
    uint64_t mapped = header.total_size;
    bad.spoil(header);
    const char* reason = why_not_usable(header, mapped);
    ASSERT_NE(reason, nullptr) << bad.name;
    EXPECT_NE(std::string(reason).find(bad.reason), std::string::npos) << bad.name << " gave: " << reason;
  }
}

TEST(Layout, MappingOfAnotherSizeIsRefused) {
  LinkHeader header = good_header(1, 64);
  for (uint64_t size :
       {uint64_t{0}, uint64_t{4096}, header.total_size - 1, header.total_size + 1, header.total_size * 2})
    EXPECT_NE(why_not_usable(header, size), nullptr) << size;
}

TEST(Layout, PartsFollowEachOtherWithoutOverlap) {
  for (uint32_t workers : {1u, 3u, kMaxWorkers}) {
    Layout layout = layout_for(workers, 1000);
    EXPECT_EQ(layout.workers_offset, sizeof(LinkHeader));
    EXPECT_EQ(layout.control_counters_offset, layout.workers_offset + workers * sizeof(WorkerArea));
    EXPECT_EQ(layout.seen_offset, layout.control_counters_offset + sizeof(CounterBlock));
    EXPECT_EQ(layout.sessions_offset, layout.seen_offset + 1000 * sizeof(SeenIds));
    EXPECT_EQ(layout.networks_offset, layout.sessions_offset + 1000 * sizeof(SessionRecord));
    EXPECT_GE(layout.total_size, layout.networks_offset + 1000 * sizeof(NetworkList));
    EXPECT_EQ(layout.total_size % 4096, 0u);
    for (uint64_t offset : {layout.workers_offset, layout.control_counters_offset, layout.seen_offset,
                            layout.sessions_offset, layout.networks_offset})
      EXPECT_EQ(offset % 64, 0u) << "a part would share a cache line with the one before it";
  }
}

TEST(Layout, ViewAgreesWithTheOffsets) {
  Layout layout = layout_for(2, 8);
  // LinkView only computes addresses; nothing is read here.
  std::vector<std::max_align_t> memory(layout.total_size / sizeof(std::max_align_t) + 8);
  auto base = (reinterpret_cast<uintptr_t>(memory.data()) + 63) & ~uintptr_t{63};
  LinkView view(reinterpret_cast<void*>(base), 2, 8);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(&view.header()), base);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(&view.worker(1)), base + layout.workers_offset + sizeof(WorkerArea));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(&view.control_counters()), base + layout.control_counters_offset);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(&view.session(7)), base + layout.sessions_offset + 7 * sizeof(SessionRecord));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(&view.seen(7)), base + layout.seen_offset + 7 * sizeof(SeenIds));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(&view.networks(7)), base + layout.networks_offset + 7 * sizeof(NetworkList));
}

TEST(PacketMessage, ImpossibleLengthMeansNoBytes) {
  PacketMessage message{};
  message.length = kMaxControlPacket;
  EXPECT_EQ(message.bytes().size(), kMaxControlPacket);
  message.length = kMaxControlPacket + 1;
  EXPECT_TRUE(message.bytes().empty());
  message.length = UINT16_MAX;
  EXPECT_TRUE(message.bytes().empty());
}

}  // namespace
}  // namespace culvert::abi
