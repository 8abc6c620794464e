// Bytes that wait, first in, first out, in one piece. Gives its memory back when empty.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace culvert::drivers {

class ByteQueue {
 public:
  std::span<const uint8_t> bytes() const { return std::span(bytes_).subspan(head_); }
  size_t size() const { return bytes_.size() - head_; }
  bool empty() const { return size() == 0; }

  void append(std::span<const uint8_t> more) { bytes_.insert(bytes_.end(), more.begin(), more.end()); }
  /// Takes `count` bytes, which are there, from the front.
  void consume(size_t count) {
    head_ += count;
    if (head_ == bytes_.size()) {
      bytes_ = {};
      head_ = 0;
    } else if (head_ >= kCompactAt) {
      bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(head_));
      head_ = 0;
    }
  }

 private:
  static constexpr size_t kCompactAt = 32 << 10;
  std::vector<uint8_t> bytes_;
  size_t head_ = 0;
};

}  // namespace culvert::drivers
