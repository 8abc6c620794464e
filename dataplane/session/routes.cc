#include "dataplane/session/routes.h"

#include <algorithm>

namespace culvert::session {
namespace {

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
uint32_t Routes::Family<Key>::find_shorter(const Prefix& whole) const {
  for (uint8_t length : longest_first)
    if (length == whole.length)
      continue;  // find() has looked
    else if (uint32_t session = entries.find(Key(shorten(whole, length))); session != kNone)
      return session;
  return kNone;
}

template <class Key>
bool Routes::Family<Key>::add(const Prefix& prefix, uint32_t peer_id) {
  bool fresh = entries.find(Key(prefix)) == kNone;
  if (!entries.set(Key(prefix), peer_id)) return false;
  lowest = std::min(lowest, prefix.high);
  highest = std::max(highest, prefix.high | ~leading_ones(std::min(prefix.length, 64u)));
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
  if (longest_first.empty()) lowest = ~uint64_t{0}, highest = 0;
}

template uint32_t Routes::Family<Routes::Key4>::find_shorter(const Prefix& whole) const;
template uint32_t Routes::Family<Routes::Key6>::find_shorter(const Prefix& whole) const;

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
