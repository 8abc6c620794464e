// What waits to be written to one TCP stream. A frame that was begun is finished first; then packets of the control
// channel; then data. Bounded: who may still seal asks has_room() before a packet-id is used up.
#pragma once

#include <sys/uio.h>

#include <algorithm>
#include <array>

#include "drivers/byte_queue.h"

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

  bool has_room() const { return data_.size() < kSoftLimit; }
  bool empty() const { return data_.empty() && control_.empty(); }
  size_t size() const { return data_.size() + control_.size(); }

  /// Queues a whole frame, length included. False: no room for it.
  bool push(Lane lane, std::span<const uint8_t> frame) {
    ByteQueue& queue = lane == Lane::kControl ? control_ : data_;
    if (queue.size() + frame.size() > (lane == Lane::kControl ? kControlLimit : kHardLimit)) return false;
    queue.append(frame);
    return true;
  }
  /// Queues the rest of a frame of which a part is written. Only when empty().
  void push_rest(std::span<const uint8_t> rest) {
    data_.append(rest);
    begun_ = rest.size();
  }

  /// What to write next, in order. Returns how many pieces.
  size_t gather(std::array<iovec, 3>& out) const {
    size_t count = 0;
    auto add = [&](std::span<const uint8_t> bytes) {
      if (!bytes.empty()) out[count++] = {const_cast<uint8_t*>(bytes.data()), bytes.size()};
    };
    add(data_.bytes().first(begun_));
    add(control_.bytes());
    add(data_.bytes().subspan(begun_));
    return count;
  }
  /// The first `count` bytes of gather() have been written.
  void written(size_t count) {
    size_t now = std::min(count, begun_);
    data_.consume(now);
    begun_ -= now;
    count -= now;
    now = std::min(count, control_.size());
    control_.consume(now);
    count -= now;
    while (count > 0) {
      size_t frame = 2 + (size_t{data_.bytes()[0]} << 8 | data_.bytes()[1]);
      now = std::min(count, frame);
      begun_ = frame - now;
      data_.consume(now);
      count -= now;
    }
  }

 private:
  ByteQueue data_;
  ByteQueue control_;
  size_t begun_ = 0;  // bytes at the front of data_ that finish a frame
};

}  // namespace culvert::drivers
