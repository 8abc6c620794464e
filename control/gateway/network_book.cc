#include "control/gateway/network_book.h"

#include <algorithm>

namespace culvert::gateway {

std::optional<abi::SessionRef> NetworkBook::holder(const abi::InnerPrefix& network) const {
  auto found = holders_.find(network);
  bool lives = found != holders_.end() && book_.find(found->second) != nullptr;
  return lives ? std::optional(found->second) : std::nullopt;
}

std::optional<abi::SessionRef> NetworkBook::take(const abi::InnerPrefix& network, abi::SessionRef session) {
  std::optional<abi::SessionRef> before = holder(network);
  if (before == session) return std::nullopt;
  if (holders_.size() >= most_) {
    std::erase_if(holders_, [this](const auto& held) { return book_.find(held.second) == nullptr; });
    most_ = std::max<size_t>(most_, 2 * holders_.size());
  }
  holders_[network] = session;
  return before;
}

}  // namespace culvert::gateway
