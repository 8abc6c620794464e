// What waits to be written to one TCP stream. A frame that was begun is finished first; then packets of the control
// channel; then data. Bounded: who may still seal asks has_room() before a packet-id is used up.
#pragma once

#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "drivers/byte_queue.h"
#include "drivers/left_stream.h"
#include "drivers/stream_frames.h"

namespace culvert::drivers {

enum class Lane : uint8_t { kControl, kData };

class StreamSendQueue {
 public:
  /// Bytes of data from which on there is no room for more: next to the kernel's own buffer this only has to keep a
  /// burst. What was sealed before that showed is still taken, up to kHardLimit: 16 packets that the path asked for at
  /// once behind 63 that it had staged (path.cc, steps/transmit.h), each of the longest that there are.
  static constexpr size_t kSoftLimit = 64 << 10;
  static constexpr size_t kSealedBefore = 63 + 16;
  static constexpr size_t kLongestFrame = 9216;  ///< of the largest TUN's packets (kMaxTunMtu, kTunnelOverhead)
  static constexpr size_t kHardLimit = kSoftLimit + kSealedBefore * kLongestFrame;
  static constexpr size_t kControlLimit = 32 << 10;

  /// Packets, and their bytes without the lengths in front of them.
  struct Sum {
    uint64_t packets = 0;
    uint64_t bytes = 0;
  };

  StreamSendQueue() = default;
  /// Goes on where leave() has stopped. Nothing: what was left is not what a queue can hold.
  static std::optional<StreamSendQueue> resume(const LeftFrames& control, const LeftFrames& data) {
    StreamSendQueue queue;
    bool fits = control.bytes.size() <= kControlLimit && data.bytes.size() <= kHardLimit + kLongestFrame;
    if (!fits || !queue.control_.resume(control) || !queue.data_.resume(data)) return std::nullopt;
    return queue;
  }
  LeftFrames leave(Lane lane) const { return (lane == Lane::kControl ? control_ : data_).leave(); }

  bool has_room() const { return data_.size() < kSoftLimit; }
  bool empty() const { return data_.empty() && control_.empty(); }
  size_t size() const { return data_.size() + control_.size(); }
  /// Packets that have not been written as a whole.
  size_t packets() const { return data_.packets() + control_.packets(); }

  /// Queues a whole frame, length included. False: no room for it.
  bool push(Lane lane, std::span<const uint8_t> frame) {
    Frames& frames = lane == Lane::kControl ? control_ : data_;
    if (frames.size() + frame.size() > (lane == Lane::kControl ? kControlLimit : kHardLimit)) return false;
    frames.push(frame);
    return true;
  }
  /// Queues what is left of `frame` behind its first `written` bytes. Only when empty().
  void push_rest(std::span<const uint8_t> frame, size_t written) { data_.push_rest(frame, written); }

  /// What to write next, in order. Returns how many pieces.
  size_t gather(std::array<iovec, 3>& out) const {
    size_t count = 0;
    auto add = [&](std::span<const uint8_t> bytes) {
      if (!bytes.empty()) out[count++] = {const_cast<uint8_t*>(bytes.data()), bytes.size()};
    };
    add(data_.begun());
    add(control_.bytes());
    add(data_.bytes().subspan(data_.begun().size()));
    return count;
  }
  /// The first `count` bytes of gather() have been written. Returns the packets that are whole with that.
  Sum written(size_t count) {
    Sum sum;
    for (auto [frames, most] : {std::pair{&data_, data_.begun().size()}, std::pair{&control_, control_.size()},
                                std::pair{&data_, data_.size()}}) {
      size_t now = std::min(count, most);
      frames->written(now, sum);
      count -= now;
    }
    return sum;
  }

 private:
  /// Frames, of which the first may have been begun.
  class Frames {
   public:
    bool empty() const { return bytes_.empty(); }
    size_t size() const { return bytes_.size(); }
    size_t packets() const { return packets_; }
    std::span<const uint8_t> bytes() const { return bytes_.bytes(); }
    /// What finishes the frame that was begun.
    std::span<const uint8_t> begun() const { return bytes().first(left_); }

    LeftFrames leave() const {
      return {{bytes().begin(), bytes().end()}, static_cast<uint32_t>(length_), static_cast<uint32_t>(left_)};
    }
    /// False when it is not whole frames behind the one that was begun.
    bool resume(const LeftFrames& left) {
      if (left.begun_left > left.bytes.size() || left.begun_length > 0xFFFF) return false;
      if (left.begun_left > kFrameHeader + left.begun_length) return false;
      std::span<const uint8_t> whole = std::span(left.bytes).subspan(left.begun_left);
      packets_ = skip_frames(whole, 0xFFFF) + (left.begun_left > 0 ? 1 : 0);
      if (!whole.empty()) return false;
      bytes_.append(left.bytes);
      length_ = left.begun_length;
      left_ = left.begun_left;
      return true;
    }

    void push(std::span<const uint8_t> frame) {
      bytes_.append(frame);
      ++packets_;
    }
    void push_rest(std::span<const uint8_t> frame, size_t written) {
      begin(frame);
      left_ -= written;
      push(frame.subspan(written));
    }
    void written(size_t count, Sum& sum) {
      while (count > 0) {
        if (left_ == 0) begin(bytes());
        size_t now = std::min(count, left_);
        bytes_.consume(now);
        left_ -= now;
        count -= now;
        if (left_ > 0) return;
        --packets_;
        ++sum.packets;
        sum.bytes += length_;
      }
    }

   private:
    void begin(std::span<const uint8_t> frame) {
      length_ = size_t{frame[0]} << 8 | frame[1];
      left_ = kFrameHeader + length_;
    }

    ByteQueue bytes_;
    size_t packets_ = 0;
    size_t length_ = 0;  // of the packet in the frame that was begun
    size_t left_ = 0;    // bytes of that frame that are still to be written; 0: none was begun
  };

  Frames data_;
  Frames control_;
};

}  // namespace culvert::drivers
