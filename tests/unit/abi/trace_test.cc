// The ring of a trace, with neighbours that do what they should not.
#include "dataplane/abi/trace.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace culvert::abi {
namespace {

struct Rig {
  explicit Rig(uint32_t snap, uint32_t slots = 4) {
    shape = TraceShape::of(1, snap);
    shape.slots = slots;
    memory = static_cast<std::byte*>(std::aligned_alloc(64, shape.total_size()));
    std::memset(memory, 0, shape.total_size());
    writer = TraceWriter(memory, shape);
    reader = TraceReader(memory, shape);
    buffer.resize(shape.slot_size);
  }
  ~Rig() { std::free(memory); }
  Rig(const Rig&) = delete;

  TraceRing& ring() { return *reinterpret_cast<TraceRing*>(memory); }
  TraceEntry& slot(size_t index) {
    return *reinterpret_cast<TraceEntry*>(memory + sizeof(TraceRing) + index * shape.slot_size);
  }
  TraceReader::Status read() { return reader.read(entry, buffer, bytes); }

  TraceShape shape;
  std::byte* memory;
  TraceWriter writer;
  TraceReader reader;
  TraceEntry entry;
  std::vector<uint8_t> buffer;
  std::span<const uint8_t> bytes;
};

TraceEntry entry_of(uint32_t length) {
  TraceEntry entry{};
  entry.inner_length = length;
  entry.count = 1;
  entry.reason = kNoDropReason;
  entry.direction = trace_direction::kFromClient;
  entry.session.peer_id = entry.to.peer_id = kNoPeerId;
  entry.step = {"route"};
  return entry;
}

using Status = TraceReader::Status;

TEST(TraceRing, GivesBackWhatWasWrittenInOrder) {
  Rig rig(100);
  for (uint32_t round = 0; round < 10; ++round) {
    std::vector<uint8_t> packet(round * 20, static_cast<uint8_t>(round + 1));
    TraceEntry entry = entry_of(static_cast<uint32_t>(packet.size()));
    entry.content = packet.empty() ? PacketContent::kNone : PacketContent::kInner;
    ASSERT_TRUE(rig.writer.write(entry, packet));
    ASSERT_EQ(rig.read(), Status::kEntry);
    EXPECT_EQ(rig.entry.inner_length, packet.size());
    size_t room = rig.shape.slot_size - sizeof(TraceEntry);
    ASSERT_EQ(rig.bytes.size(), std::min(packet.size(), room));
    EXPECT_TRUE(std::equal(rig.bytes.begin(), rig.bytes.end(), packet.begin()));
    EXPECT_EQ(rig.read(), Status::kEmpty);
  }
}

TEST(TraceRing, ASlowReaderLosesEntriesAndTheyAreCounted) {
  Rig rig(0);
  for (uint32_t i = 0; i < 7; ++i) EXPECT_EQ(rig.writer.write(entry_of(i), {}), i < 4);
  EXPECT_EQ(rig.reader.lost(), 3u);
  for (uint32_t i = 0; i < 4; ++i) {
    ASSERT_EQ(rig.read(), Status::kEntry);
    EXPECT_EQ(rig.entry.inner_length, i);  // the oldest ones stay
  }
  EXPECT_EQ(rig.read(), Status::kEmpty);
  EXPECT_TRUE(rig.writer.write(entry_of(9), {}));
}

TEST(TraceRing, TheWriterBelievesNoImpossibleReader) {
  Rig rig(0);
  for (uint64_t head : {uint64_t{1}, uint64_t{5}, ~uint64_t{10}, uint64_t{1} << 63}) {
    rig.ring().head.store(head);
    EXPECT_FALSE(rig.writer.write(entry_of(1), {})) << head;
  }
  EXPECT_EQ(rig.writer.lost(), 4u);
  rig.ring().head.store(0);
  EXPECT_TRUE(rig.writer.write(entry_of(1), {}));
  // What the reader writes over is nothing the writer relies on.
  std::memset(rig.memory, 0xFF, rig.shape.total_size());
  rig.ring().head.store(1);
  EXPECT_TRUE(rig.writer.write(entry_of(2), {}));
  EXPECT_EQ(rig.ring().tail.load(), 2u);
}

TEST(TraceRing, TheReaderBelievesNoImpossibleWriter) {
  Rig rig(64);
  for (uint64_t tail : {uint64_t{5}, ~uint64_t{0}}) {
    rig.ring().tail.store(tail);
    EXPECT_EQ(rig.read(), Status::kBad) << tail;
  }
  rig.ring().tail.store(0);
  EXPECT_EQ(rig.read(), Status::kEmpty);
}

TEST(TraceRing, EntriesThatMakeNoSenseAreRefusedAndSkipped) {
  struct Case {
    const char* what;
    void (*spoil)(TraceEntry&);
  };
  for (const Case& c : {
           Case{"more bytes than a slot", [](TraceEntry& e) { e.captured = 65; }},
           Case{"bytes of nothing", [](TraceEntry& e) { e.content = PacketContent::kNone; }},
           Case{"content", [](TraceEntry& e) { e.content = static_cast<PacketContent>(3); }},
           Case{"reason", [](TraceEntry& e) { e.reason = kDropReasonCount; }},
           Case{"direction", [](TraceEntry& e) { e.direction = 3; }},
           Case{"no packets", [](TraceEntry& e) { e.count = 0; }},
           Case{"version", [](TraceEntry& e) { e.inner_version = 5; }},
           Case{"family", [](TraceEntry& e) { e.remote.address.family = static_cast<Family>(9); }},
           Case{"local family", [](TraceEntry& e) { e.local.address.family = static_cast<Family>(9); }},
           Case{"transport", [](TraceEntry& e) { e.remote.transport = static_cast<Transport>(0); }},
           Case{"no name", [](TraceEntry& e) { e.step = {}; }},
           Case{"a name that steers a terminal", [](TraceEntry& e) { e.step = {"\033[2J"}; }},
           Case{"a name without end", [](TraceEntry& e) { e.step.fill('a'); }},
       }) {
    Rig rig(64);
    TraceEntry entry = entry_of(8);
    entry.content = PacketContent::kInner;
    std::vector<uint8_t> packet(8, 1);
    ASSERT_TRUE(rig.writer.write(entry, packet));
    ASSERT_TRUE(rig.writer.write(entry, packet));
    c.spoil(rig.slot(0));
    EXPECT_EQ(rig.read(), Status::kBad) << c.what;
    EXPECT_EQ(rig.read(), Status::kEntry) << c.what;
  }
}

TEST(TraceShape, StaysWithinItsBytes) {
  for (uint32_t snap : {0u, 1u, 64u, 2048u, kMaxTraceSnap}) {
    TraceShape shape = TraceShape::of(3, snap);
    EXPECT_EQ(shape.slot_size % 64, 0u);
    EXPECT_GE(shape.slot_size, sizeof(TraceEntry) + snap);
    EXPECT_GE(shape.slots, 512u);
    EXPECT_LE(uint64_t{shape.slots} * shape.slot_size, TraceShape::kRingBytes);
  }
}

}  // namespace
}  // namespace culvert::abi
