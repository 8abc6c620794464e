#include "dataplane/session/routes.h"

#include <algorithm>
#include <cstring>

namespace culvert::session {
namespace {

Prefix whole_address(uint8_t version, const uint8_t* address) {
  Prefix prefix;
  prefix.version = version;
  if (version == 4) {
    uint32_t word;
    std::memcpy(&word, address, sizeof word);
    prefix.high = uint64_t{__builtin_bswap32(word)} << 32;
    prefix.length = 32;
    return prefix;
  }
  std::memcpy(&prefix.high, address, 8);
  std::memcpy(&prefix.low, address + 8, 8);
  prefix.high = __builtin_bswap64(prefix.high);
  prefix.low = __builtin_bswap64(prefix.low);
  prefix.length = 128;
  return prefix;
}

constexpr uint64_t leading_ones(uint32_t count) {
  return count == 0 ? 0 : ~uint64_t{0} << (64 - count);
}

Prefix shorten(Prefix prefix, uint32_t length) {
  prefix.high &= leading_ones(std::min(length, 64u));
  prefix.low &= length > 64 ? leading_ones(length - 64) : 0;
  prefix.length = length;
  return prefix;
}

}  // namespace

Prefix make_prefix(uint8_t version, const uint8_t* address, uint8_t length) {
  return shorten(whole_address(version, address), length);
}

uint32_t Routes::find(uint8_t version, const uint8_t* address) const {
  Prefix whole = whole_address(version, address);
  for (uint8_t length : lengths(version).longest_first)
    if (uint32_t session = map_.find(shorten(whole, length)); session != kNone) return session;
  return kNone;
}

void Routes::prefetch(uint8_t version, const uint8_t* address) const {
  const Lengths& all = lengths(version);
  if (!all.longest_first.empty()) map_.prefetch(shorten(whole_address(version, address), all.longest_first.front()));
}

bool Routes::add(const Prefix& prefix, uint32_t peer_id) {
  bool fresh = map_.find(prefix) == kNone;
  if (!map_.set(prefix, peer_id)) return false;
  Lengths& all = lengths(prefix.version);
  if (fresh && all.entries[prefix.length]++ == 0) {
    all.longest_first.push_back(static_cast<uint8_t>(prefix.length));
    std::sort(all.longest_first.begin(), all.longest_first.end(), std::greater<>());
  }
  return true;
}

void Routes::remove(const Prefix& prefix) {
  if (map_.find(prefix) == kNone) return;
  map_.erase(prefix);
  Lengths& all = lengths(prefix.version);
  if (--all.entries[prefix.length] == 0) std::erase(all.longest_first, static_cast<uint8_t>(prefix.length));
}

}  // namespace culvert::session
