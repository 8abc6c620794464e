// Which of one sender's numbered packets came: what is missing, what came twice, what came late.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace culvert::swarm {

/// What all senders of one direction lost and got.
struct Account {
  uint64_t sent = 0;
  uint64_t received = 0;  ///< each number once
  uint64_t doubled = 0;
  uint64_t reordered = 0;  ///< came behind a later one
  uint64_t damaged = 0;    ///< not what was sent, or not sent at all
  uint64_t forged = 0;     ///< outer packets whose tag did not fit
  uint64_t replayed = 0;   ///< outer packets that came twice
  uint64_t bytes = 0;      ///< of inner packets received
  uint64_t lost() const { return sent > received ? sent - received : 0; }
};

class Sequence {
 public:
  void receive(uint64_t number, size_t bytes, Account& account) {
    // A number that far ahead was never sent: without this a damaged one would ask for all memory.
    if (number >= seen_.size() * 64 + kFarthest) {
      ++account.damaged;
      return;
    }
    if (number / 64 >= seen_.size()) seen_.resize(number / 64 + 1);
    uint64_t bit = uint64_t{1} << (number % 64);
    if ((seen_[number / 64] & bit) != 0) {
      ++account.doubled;
      return;
    }
    seen_[number / 64] |= bit;
    if (number < next_)
      ++account.reordered;
    else
      next_ = number + 1;
    ++account.received;
    account.bytes += bytes;
  }

 private:
  static constexpr uint64_t kFarthest = 1 << 20;
  std::vector<uint64_t> seen_;  ///< a bit per number: an hour of a gigabit is 40 MB
  uint64_t next_ = 0;
};

}  // namespace culvert::swarm
