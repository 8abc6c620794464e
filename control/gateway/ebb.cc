#include "control/gateway/ebb.h"

#include <algorithm>

namespace culvert::gateway {

bool Ebb::is_due(size_t sessions, MonoTime now) {
  high_ = std::max(high_, sessions);
  const bool low = sessions < high_ - high_ / 2 && high_ - sessions >= kLeast;
  if (!low) began_.reset();
  if (low && !began_) began_ = now;
  if (!began_ || now - *began_ < kLast) return false;
  high_ = sessions;
  began_.reset();
  return true;
}

}  // namespace culvert::gateway
