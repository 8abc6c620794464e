// A count that the kernel keeps in 32 bits: it goes on from 0 when they are full.
#pragma once

#include <cstdint>
#include <utility>

namespace culvert::drivers {

class WrappingCount {
 public:
  /// By how much it has grown since the last call (the first time: since 0), now that it stands at `now`. To be asked
  /// before it has grown by 2^32.
  uint32_t growth(uint32_t now) { return now - std::exchange(seen_, now); }

 private:
  uint32_t seen_ = 0;
};

}  // namespace culvert::drivers
