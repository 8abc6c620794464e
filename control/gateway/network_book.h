// Whose the networks behind clients are (iroute). Where two clients name the same network, the one that came last has
// it, as with the reference (multi.c, multi_learn_addr): a standby router takes over from one that fell silent.
#pragma once

#include <map>
#include <optional>

#include "control/gateway/session_book.h"
#include "dataplane/abi/command.h"

namespace culvert::gateway {

class NetworkBook {
 public:
  /// `book`: says who still lives, and outlives this.
  explicit NetworkBook(SessionBook& book) : book_(book) {}

  /// The network is `session`'s from now on. Returns the living session that it was before, if that is another.
  std::optional<abi::SessionRef> take(const abi::InnerPrefix& network, abi::SessionRef session);
  /// The living session that has the network.
  std::optional<abi::SessionRef> holder(const abi::InnerPrefix& network) const;
  size_t size() const { return holders_.size(); }

 private:
  struct Order {
    bool operator()(const abi::InnerPrefix& a, const abi::InnerPrefix& b) const {
      return a.length != b.length ? a.length < b.length : a.address < b.address;
    }
  };

  SessionBook& book_;
  std::map<abi::InnerPrefix, abi::SessionRef, Order>
      holders_;  ///< of sessions that have ended, too, until there are many
  size_t most_ = 1024;
};

}  // namespace culvert::gateway
