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
  static constexpr size_t kStride =
      4;  ///< packets of the burst before that are worked on between two calls of advance()

  /// `packets` outlive this. `first_line`: what is needed of them begins so many bytes behind (or, when negative, in
  /// front of) their first byte, and is two cache lines.
  Ahead(std::span<rte_mbuf* const> packets, std::ptrdiff_t first_line) : packets_(packets), first_line_(first_line) {}

  /// The lines of the next packet.
  void advance() {
    if (known_ < packets_.size()) fetch(packets_[known_++]);
  }
  /// What is left.
  void finish() {
    while (known_ < packets_.size()) fetch(packets_[known_++]);
  }

 private:
  /// Where the packet begins stands in the mbuf, which is not here yet; nearly all begin behind kHeadroom bytes.
  void fetch(rte_mbuf* mbuf) const {
    char* lines = reinterpret_cast<char*>(mbuf) + sizeof(rte_mbuf) + kPacketPrivateSize + kHeadroom + first_line_;
    rte_prefetch0(mbuf);
    rte_prefetch0(&meta(mbuf));
    rte_prefetch0(lines);
    rte_prefetch0(lines + RTE_CACHE_LINE_SIZE);
  }

  std::span<rte_mbuf* const> packets_;
  std::ptrdiff_t first_line_;
  size_t known_ = 0;  ///< packets whose lines are on their way
};

}  // namespace culvert::steps
