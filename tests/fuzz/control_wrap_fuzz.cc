// A stranger's control packet meets the wrapping layer: the first byte of the input chooses the wrap, the rest is the
// packet.
#include <iterator>

#include "control/openvpn/tls_crypt_v2.h"
#include "control/openvpn/wrap.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/keys.h"

using namespace culvert;
using namespace culvert::openvpn;

namespace {

constexpr WrapKind kKinds[] = {WrapKind::kNone, WrapKind::kTlsAuth, WrapKind::kTlsCrypt};

/// What was opened can be sealed again by the other side and opens to the same.
void require_reseals(WrapKind kind, const OpenedPacket& opened) {
  WrapSettings settings = fuzz::wrap_settings(kind);
  auto again = WrapKey::from_settings(settings, Side::kClient).seal(opened.header, opened.replay, opened.payload);
  fuzz::require(again.has_value());
  OpenResult reopened = WrapKey::from_settings(settings, Side::kServer).open(*again);
  const auto* packet = std::get_if<OpenedPacket>(&reopened);
  fuzz::require(packet != nullptr && packet->payload == opened.payload && packet->replay == opened.replay);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  WrapKind kind = kKinds[input.byte() % std::size(kKinds)];
  auto packet = input.rest();
  OpenResult result = WrapKey::from_settings(fuzz::wrap_settings(kind), Side::kServer).open(packet);
  if (const auto* opened = std::get_if<OpenedPacket>(&result)) {
    fuzz::require(opened->payload.size() <= packet.size());
    require_reseals(kind, *opened);
    parse_early_negotiation(opened->payload);
  }
  if (auto split = split_wrapped_key(packet)) {
    fuzz::require(split->packet.size() + split->wrapped_client_key.size() == packet.size());
    if (auto client = unwrap_client_key(fuzz::kServerKey, split->wrapped_client_key)) {
      key_made_at(*client);
      WrapKey::tls_crypt(client->key, Side::kServer).open(split->packet);
    }
  }
  parse_early_negotiation(packet);
  return 0;
}
