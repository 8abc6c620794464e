// Packets for which the kernel or a NIC had no room in front of the dataplane: a concern of the operator as long as it
// is of late. Pure: what the dataplane has counted is an argument.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "dataplane/abi/drop_reasons.h"

namespace culvert::gateway {

class LossWatch {
 public:
  using Drops = std::array<uint64_t, abi::kDropReasonCount>;

  static constexpr std::chrono::minutes kSampleEvery{1};
  static constexpr size_t kSamples = 10;        ///< so it is of late for ten minutes
  static constexpr uint64_t kWorthAWord = 100;  ///< packets; one burst may cost a few less on any machine

  /// To be called every kSampleEvery with the drops of all workers, the first time when control has found the
  /// dataplane. Returns what has become a concern since the last time, for the log.
  std::vector<std::string> sample(const Drops& drops);
  /// One text for each reason, with the number and the way out.
  std::vector<std::string> concerns(const Drops& drops) const;
  /// There is a new dataplane, which counts from 0.
  void begin_anew() { samples_.assign(1, {}); }

 private:
  bool is_concern(const Drops& drops, abi::DropReason reason) const { return lost(drops, reason) >= kWorthAWord; }
  uint64_t lost(const Drops& drops, abi::DropReason reason) const;
  std::string text(const Drops& drops, abi::DropReason reason) const;

  std::deque<Drops> samples_;  // the oldest first
};

}  // namespace culvert::gateway
