#include "perf/common/histogram.h"

#include <algorithm>
#include <cmath>

namespace culvert::perf {

void Histogram::add(const Histogram& other) {
  for (size_t i = 0; i < kBuckets; ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  sum_ += other.sum_;
  max_ = std::max(max_, other.max_);
  min_ = std::min(min_, other.min_);
}

uint64_t Histogram::first_of(size_t index) {
  if (index < 2 * kParts) return index;
  size_t shift = index / kParts - 1;
  return (index - shift * kParts) << shift;
}

uint64_t Histogram::at(double quantile) const {
  if (count_ == 0) return 0;
  auto wanted = static_cast<uint64_t>(std::ceil(std::clamp(quantile, 0.0, 1.0) * static_cast<double>(count_)));
  wanted = std::clamp<uint64_t>(wanted, 1, count_);
  uint64_t seen = 0;
  for (size_t i = 0; i + 1 < kBuckets; ++i) {
    seen += buckets_[i];
    if (seen >= wanted) return std::min(first_of(i + 1) - 1, max_);
  }
  return max_;
}

std::vector<Histogram::Bucket> Histogram::buckets() const {
  std::vector<Bucket> held;
  for (size_t i = 0; i < kBuckets; ++i)
    if (buckets_[i] > 0)
      held.push_back({first_of(i), i + 1 < kBuckets ? first_of(i + 1) - 1 : UINT64_MAX, buckets_[i]});
  return held;
}

}  // namespace culvert::perf
