// Log-linear histogram of times: every power of two is cut into equal parts, so that any value is known to 1/32 (3 %)
// whatever its size, in a few KiB and without a loop per value.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace culvert::perf {

class Histogram {
 public:
  static constexpr uint32_t kParts = 32;  ///< of each power of two

  void record(uint64_t value) {
    ++buckets_[index_of(value)];
    ++count_;
    sum_ += value;
    if (value > max_) max_ = value;
    if (value < min_) min_ = value;
  }
  void add(const Histogram& other);

  uint64_t count() const { return count_; }
  uint64_t min() const { return count_ == 0 ? 0 : min_; }
  uint64_t max() const { return max_; }
  double mean() const { return count_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(count_); }
  /// The smallest value that at least the share `quantile` (0 to 1) of all values does not exceed, rounded up to its
  /// bucket's end, but never above max(). 0 when nothing was recorded.
  uint64_t at(double quantile) const;

  struct Bucket {
    uint64_t from;   ///< first value in it
    uint64_t to;     ///< last value in it
    uint64_t count;  ///< above 0
  };
  /// The buckets that hold something, in order.
  std::vector<Bucket> buckets() const;

 private:
  static constexpr uint32_t kPartBits = 5;
  static constexpr size_t kBuckets = (64 - kPartBits + 1) * kParts;
  static size_t index_of(uint64_t value) {
    if (value < kParts) return value;
    auto shift = static_cast<uint32_t>(63 - __builtin_clzll(value)) - kPartBits;
    return size_t{shift} * kParts + (value >> shift);
  }
  static uint64_t first_of(size_t index);

  std::array<uint64_t, kBuckets> buckets_{};
  uint64_t count_ = 0;
  uint64_t sum_ = 0;
  uint64_t max_ = 0;
  uint64_t min_ = UINT64_MAX;
};

}  // namespace culvert::perf
