// Clients that connect, leave, and connect again, in a thread of their own.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "perf/common/histogram.h"
#include "perf/swarm/crowd.h"

namespace culvert::swarm {

struct StormResult {
  uint64_t connected = 0;
  uint64_t failed = 0;
  perf::Histogram took_ns;  ///< from the first packet to keys and address
  std::string error;        ///< of the last one that failed
};

class Storm {
 public:
  /// `crowd` has as many places as clients shall connect at once.
  explicit Storm(std::unique_ptr<Crowd> crowd);
  ~Storm();
  /// Handshakes so far.
  uint64_t connected() const { return connected_; }
  /// Ends it.
  StormResult finish();

 private:
  void run();

  std::unique_ptr<Crowd> crowd_;
  StormResult result_;
  std::atomic<uint64_t> connected_{0};
  std::atomic<bool> ends_{false};
  std::thread thread_;
};

}  // namespace culvert::swarm
