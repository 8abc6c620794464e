// Which packet-ids of a key have been seen (packet_id.c of the reference; ring of words as in RFC 6479).
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace culvert::session {

enum class ReplayVerdict : uint8_t { kFresh, kDuplicate, kTooOld, kGap };

/// Accepts each packet-id once, and none that is `size` or more behind the highest accepted one. Looking (check) and
/// remembering (commit) are two calls, so that only an authenticated packet moves the window.
class ReplayWindow {
 public:
  static constexpr uint32_t kMaxSize = 65536;  ///< as the reference allows (directive replay-window)

  ReplayWindow() = default;
  ~ReplayWindow() { free_large(); }
  ReplayWindow(const ReplayWindow&) = delete;
  ReplayWindow& operator=(const ReplayWindow&) = delete;

  /// Starts anew. `size`: packets, 1..kMaxSize; 0 counts as 1 (only strictly growing packet-ids pass). Packet-ids up to
  /// `floor` count as seen.
  void reset(uint32_t size, uint64_t floor) {
    size_ = std::clamp<uint32_t>(size, 1, kMaxSize);
    strict_ = started_ = false;
    highest_ = floor;
    // A word more than the window has, so that the word being entered can be cleared whole.
    size_t words = std::bit_ceil(size_t{size_} / 64 + (size_ % 64 != 0) + 1);
    uint64_t* large = words > kSmallWords ? new uint64_t[words] : nullptr;
    free_large();
    if (large != nullptr) large_ = large;
    mask_ = static_cast<uint16_t>(words - 1);
    std::fill_n(this->words(), words, 0);
    for (uint64_t i = 0; floor != 0 && i < std::min<uint64_t>(size_, floor); ++i) mark(floor - i);
  }

  /// For a stream, which neither loses nor reorders: from now on only the packet-id after the last one passes. The
  /// first may be any behind the floor (packet_id.c, no backtrack).
  void demand_sequence() { strict_ = true; }

  /// Remembers `id` if it is the one after the highest so far, as nearly every packet's is: it is always fresh then.
  /// False: it is another one, and check() has to say.
  bool take_next(uint64_t id) {
    if (id != highest_ + 1) return false;
    started_ = true;
    highest_ = id;
    uint64_t& word = words()[(id >> 6) & mask_];
    word = (id & 63) == 0 ? 1 : word | uint64_t{1} << (id & 63);
    return true;
  }

  ReplayVerdict check(uint64_t id) const {
    if (strict_ && started_ && id != highest_ + 1)
      return id > highest_ ? ReplayVerdict::kGap : ReplayVerdict::kDuplicate;
    if (id > highest_) return ReplayVerdict::kFresh;
    if (id == 0 || highest_ - id >= size_) return ReplayVerdict::kTooOld;
    return (words()[(id >> 6) & mask_] >> (id & 63)) & 1 ? ReplayVerdict::kDuplicate : ReplayVerdict::kFresh;
  }

  /// Remembers `id`, for which check() said kFresh.
  void commit(uint64_t id) {
    started_ = true;
    if (id > highest_) {
      uint64_t entered = (id >> 6) - (highest_ >> 6);
      for (uint64_t i = 0; i < std::min<uint64_t>(entered, mask_ + 1u); ++i) words()[((id >> 6) - i) & mask_] = 0;
      highest_ = id;
    }
    mark(id);
  }

  /// Highest packet-id accepted so far.
  uint64_t highest() const { return highest_; }

 private:
  static constexpr size_t kSmallWords = 2;  ///< enough for windows of up to 64 packets, the default

  bool is_large() const { return mask_ >= kSmallWords; }
  uint64_t* words() { return is_large() ? large_ : small_.data(); }
  const uint64_t* words() const { return is_large() ? large_ : small_.data(); }
  void free_large() {
    if (is_large()) delete[] large_;
  }
  void mark(uint64_t id) { words()[(id >> 6) & mask_] |= uint64_t{1} << (id & 63); }

  uint64_t highest_ = 0;
  union {  // by is_large(): a key's line has no room for both
    std::array<uint64_t, kSmallWords> small_{};
    uint64_t* large_;
  };
  uint32_t size_ = 64;
  uint16_t mask_ = 1;
  bool strict_ = false;
  bool started_ = false;
};

}  // namespace culvert::session
