#include "dataplane/session/routes.h"

#include <algorithm>
#include <cstring>

namespace culvert::session {
namespace {

Prefix whole_ip4(const uint8_t* address) {
  uint32_t word;
  std::memcpy(&word, address, sizeof word);
  return {uint64_t{__builtin_bswap32(word)} << 32, 0, 32, 4};
}

Prefix whole_ip6(const uint8_t* address) {
  uint64_t high, low;
  std::memcpy(&high, address, 8);
  std::memcpy(&low, address + 8, 8);
  return {__builtin_bswap64(high), __builtin_bswap64(low), 128, 6};
}

constexpr uint64_t leading_ones(uint32_t count) {
  return count == 0 ? 0 : ~uint64_t{0} << (64 - count);
}

inline Prefix shorten(const Prefix& whole, uint32_t length) {
  return {whole.high & leading_ones(std::min(length, 64u)), whole.low & (length > 64 ? leading_ones(length - 64) : 0),
          length, whole.version};
}

}  // namespace

Prefix make_prefix(uint8_t version, const uint8_t* address, uint8_t length) {
  return shorten(version == 4 ? whole_ip4(address) : whole_ip6(address), length);
}

template <class Key>
uint32_t Routes::Family<Key>::find(const Prefix& whole) const {
  for (uint8_t length : longest_first)
    if (uint32_t session = entries.find(Key(shorten(whole, length))); session != kNone) return session;
  return kNone;
}

template <class Key>
void Routes::Family<Key>::prefetch(const Prefix& whole) const {
  if (!longest_first.empty()) entries.prefetch(Key(shorten(whole, longest_first.front())));
}

template <class Key>
bool Routes::Family<Key>::add(const Prefix& prefix, uint32_t peer_id) {
  bool fresh = entries.find(Key(prefix)) == kNone;
  if (!entries.set(Key(prefix), peer_id)) return false;
  if (fresh && count_by_length[prefix.length]++ == 0) {
    longest_first.push_back(static_cast<uint8_t>(prefix.length));
    std::sort(longest_first.begin(), longest_first.end(), std::greater<>());
  }
  return true;
}

template <class Key>
void Routes::Family<Key>::remove(const Prefix& prefix) {
  if (entries.find(Key(prefix)) == kNone) return;
  entries.erase(Key(prefix));
  if (--count_by_length[prefix.length] == 0) std::erase(longest_first, static_cast<uint8_t>(prefix.length));
}

uint32_t Routes::find(uint8_t version, const uint8_t* address) const {
  return version == 4 ? ip4_.find(whole_ip4(address)) : ip6_.find(whole_ip6(address));
}

void Routes::prefetch(uint8_t version, const uint8_t* address) const {
  version == 4 ? ip4_.prefetch(whole_ip4(address)) : ip6_.prefetch(whole_ip6(address));
}

uint32_t Routes::owner(const Prefix& prefix) const {
  return prefix.version == 4 ? ip4_.entries.find(Key4(prefix)) : ip6_.entries.find(Key6(prefix));
}

bool Routes::add(const Prefix& prefix, uint32_t peer_id) {
  return prefix.version == 4 ? ip4_.add(prefix, peer_id) : ip6_.add(prefix, peer_id);
}

void Routes::remove(const Prefix& prefix) {
  prefix.version == 4 ? ip4_.remove(prefix) : ip6_.remove(prefix);
}

size_t Routes::free() const {
  auto room = [](const auto& entries) { return entries.capacity() - entries.size(); };
  return std::min(room(ip4_.entries), room(ip6_.entries));
}

}  // namespace culvert::session
