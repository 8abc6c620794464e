// Framing and the send queue: bytes in, bytes out, no sockets.
#include "drivers/stream_frames.h"

#include <gtest/gtest.h>

#include <vector>

#include "drivers/packet_room.h"
#include "drivers/stream_send_queue.h"
#include "drivers/tun_device.h"

namespace culvert::drivers {
namespace {

using Bytes = std::vector<uint8_t>;

Bytes filled_frame(size_t length, uint8_t fill) {
  Bytes bytes(kFrameHeader + length, fill);
  bytes[0] = static_cast<uint8_t>(length >> 8);
  bytes[1] = static_cast<uint8_t>(length);
  return bytes;
}

TEST(CutFrame, WaitsForEveryByte) {
  Bytes whole = filled_frame(300, 7);
  for (size_t length = 0; length < whole.size(); ++length)
    EXPECT_EQ(cut_frame(std::span(whole).first(length)).verdict, Cut::kNeedMore) << length;
  whole.push_back(1);
  CutFrame cut = cut_frame(whole);
  EXPECT_EQ(cut.verdict, Cut::kFrame);
  EXPECT_EQ(cut.used, 302u);
  EXPECT_EQ(Bytes(cut.packet.begin(), cut.packet.end()), Bytes(300, 7));
}

TEST(CutFrame, KnowsImpossibleLengthsAtOnce) {
  for (size_t length = 0; length <= 0xFFFF; ++length) {
    Bytes header = {static_cast<uint8_t>(length >> 8), static_cast<uint8_t>(length)};
    bool possible = length >= 1 && length <= kMaxPacket;
    EXPECT_EQ(cut_frame(header).verdict, possible ? Cut::kNeedMore : Cut::kBad) << length;
    bool possible_in_larger_buffers = length >= 1 && length <= 9000;
    EXPECT_EQ(cut_frame(header, 9000).verdict, possible_in_larger_buffers ? Cut::kNeedMore : Cut::kBad) << length;
  }
}

FirstBytes judge(std::initializer_list<uint8_t> bytes) {
  return judge_first_bytes(std::span(bytes.begin(), bytes.size()));
}

TEST(JudgeFirstBytes, LetsClientsIn) {
  EXPECT_EQ(judge({}), FirstBytes::kNeedMore);
  EXPECT_EQ(judge({0}), FirstBytes::kNeedMore);
  EXPECT_EQ(judge({0, 14}), FirstBytes::kNeedMore);
  EXPECT_EQ(judge({0, 14, 0x38}), FirstBytes::kOpenvpn);
  EXPECT_EQ(judge({0, 255, 0x38}), FirstBytes::kOpenvpn);
  EXPECT_EQ(judge({1, 0x50, 0x50}), FirstBytes::kOpenvpn) << "tls-crypt-v2, 336 bytes";
  EXPECT_EQ(judge({4, 0xFE, 0x50}), FirstBytes::kOpenvpn) << "tls-crypt-v2, 1278 bytes";
}

TEST(JudgeFirstBytes, TellsOthers) {
  EXPECT_EQ(judge({0, 13}), FirstBytes::kForeign);
  EXPECT_EQ(judge({1, 0}), FirstBytes::kForeign);
  EXPECT_EQ(judge({1, 0x4F}), FirstBytes::kForeign);
  EXPECT_EQ(judge({4, 0xFF}), FirstBytes::kForeign);
  EXPECT_EQ(judge({'G', 'E', 'T'}), FirstBytes::kForeign);
  EXPECT_EQ(judge({0x16, 0x03, 0x01}), FirstBytes::kForeign) << "a TLS ClientHello";
  EXPECT_EQ(judge({0, 14, 0x39}), FirstBytes::kForeign) << "a reset with a key-id";
  EXPECT_EQ(judge({0, 14, 0x20}), FirstBytes::kForeign) << "no reset";
  EXPECT_EQ(judge({0, 14, 0x50}), FirstBytes::kForeign) << "too short for a wrapped client key";
  EXPECT_EQ(judge({1, 0x50, 0x38}), FirstBytes::kForeign) << "too long for a reset without one";
}

/// Takes up to `count` bytes out of the queue as a socket would.
Bytes take(StreamSendQueue& queue, size_t count) {
  std::array<iovec, 3> pieces;
  size_t pieces_count = queue.gather(pieces);
  Bytes taken;
  for (size_t i = 0; i < pieces_count && taken.size() < count; ++i) {
    auto* bytes = static_cast<const uint8_t*>(pieces[i].iov_base);
    taken.insert(taken.end(), bytes, bytes + std::min(pieces[i].iov_len, count - taken.size()));
  }
  queue.written(taken.size());
  return taken;
}

TEST(SendQueue, ControlGoesBeforeDataButNeverIntoAFrame) {
  Bytes first = filled_frame(10, 1);
  Bytes second = filled_frame(20, 2);
  Bytes control = filled_frame(5, 9);
  // Wherever the write before stopped, control stands between two frames.
  for (size_t before = 0; before <= first.size() + second.size(); ++before) {
    StreamSendQueue queue;
    ASSERT_TRUE(queue.push(Lane::kData, first));
    ASSERT_TRUE(queue.push(Lane::kData, second));
    Bytes all = take(queue, before);
    ASSERT_TRUE(queue.push(Lane::kControl, control));
    while (!queue.empty()) {
      Bytes piece = take(queue, 3);
      all.insert(all.end(), piece.begin(), piece.end());
    }
    std::vector<Bytes> expected = {first, second};
    size_t place = before == 0 ? 0 : before <= first.size() ? 1 : 2;
    expected.insert(expected.begin() + static_cast<std::ptrdiff_t>(place), control);
    Bytes joined;
    for (const Bytes& one : expected) joined.insert(joined.end(), one.begin(), one.end());
    EXPECT_EQ(all, joined) << "after " << before << " bytes";
  }
}

TEST(SendQueue, FinishesWhatWasBegunOutsideOfIt) {
  Bytes begun = filled_frame(100, 1);
  StreamSendQueue queue;
  queue.push_rest(begun, 40);
  ASSERT_TRUE(queue.push(Lane::kControl, filled_frame(5, 9)));
  Bytes all = take(queue, 1000);
  ASSERT_EQ(all.size(), 62u + 7u);
  EXPECT_EQ(all[61], 1);
  EXPECT_EQ(all[62], 0) << "the control frame's length";
  EXPECT_TRUE(queue.empty());
}

TEST(SendQueue, SaysWhichPacketsAreWhole) {
  const std::vector<Bytes> frames = {filled_frame(100, 1), filled_frame(1, 2), filled_frame(300, 3),
                                     filled_frame(20, 9), filled_frame(7, 9)};
  for (size_t step = 1; step < 200; ++step) {
    StreamSendQueue queue;
    queue.push_rest(frames[0], 1 + step % (frames[0].size() - 1));
    for (size_t i = 1; i < frames.size(); ++i) ASSERT_TRUE(queue.push(i < 3 ? Lane::kData : Lane::kControl, frames[i]));
    StreamSendQueue::Sum sum;
    while (!queue.empty()) {
      EXPECT_EQ(sum.packets + queue.packets(), frames.size());
      StreamSendQueue::Sum more = queue.written(std::min(step, queue.size()));
      sum = {sum.packets + more.packets, sum.bytes + more.bytes};
    }
    EXPECT_EQ(sum.packets, frames.size()) << step;
    EXPECT_EQ(sum.bytes, 100u + 1 + 300 + 20 + 7) << step;
    EXPECT_EQ(queue.packets(), 0u);
  }
}

TEST(SendQueue, TakesWhatWasSealedBeforeItShowedThatItIsFull) {
  // The path asks for 16 packets at once, and 63 may stand staged from before: each of the longest inner packet with
  // all that a tunnel adds.
  constexpr size_t kSealed = 63 + 16;
  const Bytes packet = filled_frame(kMaxTunMtu + kTunnelOverhead, 1);
  StreamSendQueue queue;
  while (queue.size() + packet.size() < StreamSendQueue::kSoftLimit) ASSERT_TRUE(queue.push(Lane::kData, packet));
  ASSERT_TRUE(queue.has_room());
  for (size_t i = 0; i < kSealed; ++i) ASSERT_TRUE(queue.push(Lane::kData, packet)) << i;
}

TEST(SendQueue, GoesOnWithNothingThatNoQueueCanHold) {
  auto resumes = [](LeftFrames control, LeftFrames data) { return StreamSendQueue::resume(control, data).has_value(); };
  const LeftFrames nothing{};
  const LeftFrames begun{Bytes(12, 1), 10, 12};
  EXPECT_TRUE(resumes(nothing, nothing));
  EXPECT_TRUE(resumes(begun, begun));
  EXPECT_FALSE(resumes(nothing, {Bytes(12, 1), 9, 12})) << "more left of a frame than it is long";
  EXPECT_FALSE(resumes(nothing, {Bytes(12, 1), 100, 13})) << "more left than there is";
  EXPECT_FALSE(resumes(nothing, {Bytes(12, 1), 0x10000, 12}));
  EXPECT_FALSE(resumes(nothing, {{0, 2, 7}, 0, 0})) << "half a frame";
  EXPECT_FALSE(resumes({{0, 2, 7}, 0, 0}, nothing));

  auto frames_of = [](size_t size) {
    Bytes all;
    while (all.size() < size) {
      Bytes frame = filled_frame(std::min<size_t>(size - all.size() - kFrameHeader, 60'000), 1);
      all.insert(all.end(), frame.begin(), frame.end());
    }
    return LeftFrames{all, 0, 0};
  };
  constexpr size_t kMostData = StreamSendQueue::kHardLimit + StreamSendQueue::kLongestFrame;
  EXPECT_TRUE(resumes(frames_of(StreamSendQueue::kControlLimit), frames_of(kMostData)));
  EXPECT_FALSE(resumes(frames_of(StreamSendQueue::kControlLimit + 1), nothing));
  EXPECT_FALSE(resumes(nothing, frames_of(kMostData + 1)));
}

TEST(SendQueue, HasBounds) {
  StreamSendQueue queue;
  Bytes packet = filled_frame(1400, 1);
  while (queue.has_room()) ASSERT_TRUE(queue.push(Lane::kData, packet));
  EXPECT_LE(queue.size(), StreamSendQueue::kSoftLimit + packet.size());
  while (queue.push(Lane::kData, packet)) {
  }
  EXPECT_LE(queue.size(), StreamSendQueue::kHardLimit);
  EXPECT_TRUE(queue.push(Lane::kControl, packet)) << "control has a place of its own";
  while (queue.push(Lane::kControl, packet)) {
  }
  EXPECT_LE(queue.size(), StreamSendQueue::kHardLimit + StreamSendQueue::kControlLimit);
  StreamSendQueue exact;
  EXPECT_FALSE(exact.push(Lane::kControl, filled_frame(StreamSendQueue::kControlLimit - kFrameHeader + 1, 1)));
  EXPECT_TRUE(exact.push(Lane::kControl, filled_frame(StreamSendQueue::kControlLimit - kFrameHeader, 1)));
}

}  // namespace
}  // namespace culvert::drivers
