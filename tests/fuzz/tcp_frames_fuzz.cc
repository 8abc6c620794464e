// The TCP framer and the send queue, however the stream is cut. The first byte says how: reads of that many bytes.
#include <algorithm>
#include <array>
#include <vector>

#include "drivers/stream_frames.h"
#include "drivers/stream_send_queue.h"
#include "tests/fuzz/input.h"

namespace culvert::fuzz {
namespace {

using drivers::Cut;
using drivers::FirstBytes;
using Bytes = std::vector<uint8_t>;

struct Seen {
  std::vector<Bytes> frames;
  bool bad = false;
};

/// What the port makes of a stream that arrives `step` bytes at a time.
Seen receive(std::span<const uint8_t> stream, size_t step) {
  Seen seen;
  drivers::ByteQueue kept;
  FirstBytes first = FirstBytes::kNeedMore;
  while (!stream.empty() && !seen.bad) {
    auto piece = stream.first(std::min(step, stream.size()));
    stream = stream.subspan(piece.size());
    kept.append(piece);
    if (seen.frames.empty()) {
      // More bytes never change a judgement.
      FirstBytes now = drivers::judge_first_bytes(kept.bytes());
      require(first == FirstBytes::kNeedMore || first == now);
      first = now;
    }
    for (;;) {
      drivers::CutFrame cut = drivers::cut_frame(kept.bytes());
      require(cut.used <= kept.size());
      seen.bad = cut.verdict == Cut::kBad;
      if (cut.verdict != Cut::kFrame) break;
      require(!cut.packet.empty() && cut.packet.size() <= kMaxPacket);
      require(cut.used == cut.packet.size() + drivers::kFrameHeader);
      seen.frames.emplace_back(cut.packet.begin(), cut.packet.end());
      kept.consume(cut.used);
    }
    require(seen.bad || kept.size() < drivers::kFrameHeader + kMaxPacket);
  }
  return seen;
}

/// Sends frames with writes of `step` bytes; a control frame comes in between. The other end sees all of them whole,
/// and the queue counts them when they are.
void send(const std::vector<Bytes>& frames, size_t step) {
  drivers::StreamSendQueue queue;
  Bytes wire;
  size_t queued = 0;
  uint64_t sent = 0;
  auto write_some = [&] {
    std::array<iovec, 3> pieces;
    size_t count = queue.gather(pieces);
    size_t before = wire.size();
    for (size_t i = 0; i < count && wire.size() < before + step; ++i) {
      auto* bytes = static_cast<const uint8_t*>(pieces[i].iov_base);
      wire.insert(wire.end(), bytes, bytes + std::min(pieces[i].iov_len, before + step - wire.size()));
    }
    sent += queue.written(wire.size() - before).packets;
    require(sent + queue.packets() == queued);
  };
  for (const Bytes& frame : frames) {
    Bytes framed = {static_cast<uint8_t>(frame.size() >> 8), static_cast<uint8_t>(frame.size())};
    framed.insert(framed.end(), frame.begin(), frame.end());
    auto lane = frame[0] % 2 == 0 ? drivers::Lane::kData : drivers::Lane::kControl;
    if (queue.push(lane, framed)) ++queued;
    write_some();
  }
  while (!queue.empty()) write_some();
  Seen arrived = receive(wire, wire.size() + 1);
  require(!arrived.bad && arrived.frames.size() == queued && sent == queued);
  if (queued != frames.size()) return;
  auto expected = frames;
  std::ranges::sort(expected);
  std::ranges::sort(arrived.frames);
  require(arrived.frames == expected);
}

}  // namespace
}  // namespace culvert::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace culvert::fuzz;
  Input input(data, size);
  size_t step = size_t{input.byte()} + 1;
  auto stream = input.rest();
  Seen whole = receive(stream, stream.size() + 1);
  Seen pieces = receive(stream, step);
  require(whole.frames == pieces.frames && whole.bad == pieces.bad);
  std::span<const uint8_t> left = stream;
  require(culvert::drivers::skip_frames(left) == whole.frames.size());
  send(whole.frames, step);
  return 0;
}
