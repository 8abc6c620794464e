#include "control/openvpn/cookie.h"

#include <algorithm>

#include "control/crypto/primitives.h"
#include "dataplane/wire/byte_order.h"

namespace culvert::openvpn {
namespace {

constexpr int64_t kOldestSlot = 2;  // slots back that are still accepted (ssl_pkt.c: offsets -2 to 0)

template <class Stored>
crypto::Bytes view(const Stored& value) {
  return {reinterpret_cast<const uint8_t*>(&value), sizeof value};
}

}  // namespace

Cookie::Cookie(const std::array<uint8_t, 32>& secret, std::chrono::seconds hand_window)
    : secret_(secret),
      slot_(std::max<std::chrono::seconds>((hand_window + std::chrono::seconds(1)) / 2, std::chrono::seconds(1))) {}

Cookie::~Cookie() {
  crypto::wipe(secret_);
}

wire::SessionId Cookie::compute(const wire::SessionId& client, const abi::Endpoint& remote, int64_t slot) const {
  const wire::be64 slot_bytes(static_cast<uint64_t>(slot));
  const std::array<uint8_t, 2> kind = {static_cast<uint8_t>(remote.address.family),
                                       static_cast<uint8_t>(remote.transport)};
  const wire::be16 port(remote.port);
  const wire::be32 scope(remote.scope_id);
  std::array<uint8_t, 32> hash;
  wire::SessionId id{};
  // Every part has a fixed length, so no two inputs run together.
  if (!crypto::hmac(crypto::Digest::kSha256, secret_,
                    {view(slot_bytes), kind, remote.address.bytes, view(port), view(scope), client}, hash))
    return id;
  std::copy_n(hash.begin(), id.size(), id.begin());
  if (id == wire::SessionId{}) id[0] = 1;  // all zero means "no session ID" on the wire
  return id;
}

wire::SessionId Cookie::make(const wire::SessionId& client, const abi::Endpoint& remote, Now now) const {
  return compute(client, remote, now.mono.time_since_epoch() / slot_);
}

bool Cookie::accepts(const wire::SessionId& offered, const wire::SessionId& client, const abi::Endpoint& remote,
                     Now now) const {
  if (offered == wire::SessionId{}) return false;
  const int64_t current = now.mono.time_since_epoch() / slot_;
  bool found = false;
  for (int64_t back = 0; back <= kOldestSlot; ++back)
    found |= crypto::equal_constant_time(offered, compute(client, remote, current - back));
  return found;
}

}  // namespace culvert::openvpn
