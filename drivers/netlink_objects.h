// Owners of what libnl hands out.
#pragma once

#include <netlink/addr.h>
#include <netlink/cache.h>

#include <memory>

namespace culvert::drivers {

struct FreeNlAddress {
  void operator()(nl_addr* address) const { nl_addr_put(address); }
};
struct FreeNlCache {
  void operator()(nl_cache* cache) const { nl_cache_free(cache); }
};
using NlAddress = std::unique_ptr<nl_addr, FreeNlAddress>;
using NlCache = std::unique_ptr<nl_cache, FreeNlCache>;

}  // namespace culvert::drivers
