// What has become of numbered packets: each is new, late, or there for the second time.
#pragma once

#include <array>
#include <cstdint>

namespace culvert::pktgen {

enum class Arrival : uint8_t {
  kInOrder,
  kReordered,  ///< one with a higher number was here before (RFC 4737, reordered)
  kDoubled,    ///< this number was here before
  kTooLate,    ///< so far behind that nobody remembers whether it was here
};

/// One session's packets in one direction, numbered from 0.
class SequenceTracker {
 public:
  static constexpr uint64_t kWindow = 1024;  ///< how far behind the highest number a packet may come

  Arrival note(uint64_t number) {
    uint64_t bit = uint64_t{1} << number % 64;
    uint64_t& word = seen_[number / 64 % seen_.size()];
    if (number >= next_) {
      advance_to(number);
      word |= bit;
      return Arrival::kInOrder;
    }
    // The words of the window's end are cleared whole: keep one word's distance.
    if (next_ - number > kWindow - 64) return Arrival::kTooLate;
    if (word & bit) return Arrival::kDoubled;
    word |= bit;
    return Arrival::kReordered;
  }

 private:
  void advance_to(uint64_t number) {
    uint64_t first = next_ == 0 ? 0 : (next_ - 1) / 64 + 1;  // words that nobody has used in this turn
    uint64_t last = number / 64;
    if (last >= first && last - first >= seen_.size()) first = last - (seen_.size() - 1);
    for (uint64_t word = first; word <= last; ++word) seen_[word % seen_.size()] = 0;
    next_ = number + 1;
  }

  uint64_t next_ = 0;  ///< highest number seen, and one
  std::array<uint64_t, kWindow / 64> seen_{};
};

}  // namespace culvert::pktgen
