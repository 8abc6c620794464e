// Packets that the steps will get next: their first cache lines are fetched a few at a time, beside the work on the
// burst before. All at once they would fill the CPU's line fill buffers, and everything waits until one is free again.
#pragma once

#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include <cstddef>
#include <span>

#include "dataplane/packet.h"

namespace culvert::steps {

class Ahead {
 public:
  /// `packets` outlive this.
  explicit Ahead(std::span<rte_mbuf* const> packets) : packets_(packets) {}

  /// The next few lines. Once per pass over the burst before.
  void advance() {
    for (size_t i = 0; i < kAtOnce && known_ < packets_.size(); ++i) fetch_mbuf(packets_[known_++]);
    if (known_ < packets_.size()) return;
    for (size_t i = 0; i < 2 * kAtOnce && fetched_ < packets_.size(); ++i) fetch_data(packets_[fetched_++]);
  }
  /// What is left of the mbufs.
  void finish() {
    while (known_ < packets_.size()) fetch_mbuf(packets_[known_++]);
  }

 private:
  static constexpr size_t kAtOnce = 4;  ///< packets

  static void fetch_mbuf(rte_mbuf* mbuf) {
    rte_prefetch0(mbuf);
    rte_prefetch0(&meta(mbuf));
  }
  static void fetch_data(rte_mbuf* mbuf) { rte_prefetch0(rte_pktmbuf_mtod(mbuf, void*)); }

  std::span<rte_mbuf* const> packets_;
  size_t known_ = 0;    ///< packets whose mbufs are on their way
  size_t fetched_ = 0;  ///< packets whose data is as well
};

}  // namespace culvert::steps
