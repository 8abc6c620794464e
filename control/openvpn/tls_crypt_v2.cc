#include "control/openvpn/tls_crypt_v2.h"

#include <algorithm>

#include "control/crypto/primitives.h"
#include "control/openvpn/key_layout.h"
#include "dataplane/wire/byte_order.h"
#include "dataplane/wire/openvpn.h"

namespace culvert::openvpn {
namespace {

using crypto::Bytes;

constexpr size_t kKeySize = 256;
constexpr size_t kLengthSize = 2;
constexpr size_t kServerKeyPart = 64;  // Ke, then Ka: 64 bytes each, of which 32 are used
/// Header, replay ID and tag of the tls-crypt packet in front of WKc.
constexpr size_t kMinPacket = 1 + wire::kSessionIdSize + 8 + kTagSize;

constexpr uint16_t kTlvFlags = 1;
constexpr uint16_t kFlagResendWrappedKey = 1;

std::span<const uint8_t, 32> encryption_key(const TlsCryptV2ServerKey& key) {
  return std::span(key).first<32>();
}
Bytes authentication_key(const TlsCryptV2ServerKey& key) {
  return std::span(key).subspan(kServerKeyPart, 32);
}

uint16_t read_u16(Bytes bytes) {
  return static_cast<uint16_t>(bytes[0] << 8 | bytes[1]);
}

void append_u16(std::vector<uint8_t>& out, uint16_t value) {
  out.push_back(static_cast<uint8_t>(value >> 8));
  out.push_back(static_cast<uint8_t>(value));
}

}  // namespace

ClientKey::~ClientKey() {
  crypto::wipe(key);
}

std::optional<SplitPacket> split_wrapped_key(Bytes packet) {
  if (packet.size() < kMinPacket + kMinWrappedClientKey) return std::nullopt;
  const size_t length = read_u16(packet.last(kLengthSize));
  if (length < kMinWrappedClientKey || length > kMaxWrappedClientKey || length > packet.size() - kMinPacket)
    return std::nullopt;
  return SplitPacket{packet.first(packet.size() - length), packet.last(length)};
}

std::optional<ClientKey> unwrap_client_key(const TlsCryptV2ServerKey& server_key, Bytes wrapped) {
  if (wrapped.size() < kMinWrappedClientKey || wrapped.size() > kMaxWrappedClientKey) return std::nullopt;
  Bytes length = wrapped.last(kLengthSize);
  if (read_u16(length) != wrapped.size()) return std::nullopt;
  Bytes tag = wrapped.first(kTagSize);
  Bytes ciphertext = wrapped.subspan(kTagSize, wrapped.size() - kTagSize - kLengthSize);

  crypto::Secret<kKeySize + kMaxClientKeyMetadata> memory;
  std::span<uint8_t> plain = memory.span().first(ciphertext.size());
  crypto::Secret<kTagSize> expected;
  if (!crypto::aes256_ctr(encryption_key(server_key), tag.first<kIvSize>(), ciphertext, plain) ||
      !crypto::hmac(crypto::Digest::kSha256, authentication_key(server_key), {length, plain}, expected.span()) ||
      !crypto::equal_constant_time(expected.span(), tag))
    return std::nullopt;
  ClientKey key;
  std::copy_n(plain.begin(), kKeySize, key.key.begin());
  key.metadata.assign(plain.begin() + kKeySize, plain.end());
  return key;
}

Result<std::vector<uint8_t>> wrap_client_key(const TlsCryptV2ServerKey& server_key, const StaticKey& client_key,
                                             Bytes metadata) {
  if (metadata.size() > kMaxClientKeyMetadata)
    return Error{"metadata of a tls-crypt-v2 key is " + std::to_string(metadata.size()) + " bytes long, at most " +
                 std::to_string(kMaxClientKeyMetadata) + " fit"};
  std::vector<uint8_t> wrapped(kMinWrappedClientKey + metadata.size());
  std::span<uint8_t> tag = std::span(wrapped).first(kTagSize);
  std::span<uint8_t> body = std::span(wrapped).subspan(kTagSize, kKeySize + metadata.size());
  std::span<uint8_t> length = std::span(wrapped).last(kLengthSize);
  length[0] = static_cast<uint8_t>(wrapped.size() >> 8);
  length[1] = static_cast<uint8_t>(wrapped.size());
  std::copy(client_key.begin(), client_key.end(), body.begin());
  std::copy(metadata.begin(), metadata.end(), body.begin() + kKeySize);
  if (!crypto::hmac(crypto::Digest::kSha256, authentication_key(server_key), {length, body}, tag) ||
      !crypto::aes256_ctr(encryption_key(server_key), Bytes(tag).first<kIvSize>(), body, body)) {
    crypto::wipe(wrapped);
    return Error{"the crypto library refuses HMAC-SHA256 or AES-256-CTR: check the system's crypto policy"};
  }
  return wrapped;
}

std::vector<uint8_t> timestamp_metadata(std::chrono::sys_seconds made) {
  const uint64_t seconds = static_cast<uint64_t>(made.time_since_epoch().count());
  std::vector<uint8_t> metadata = {static_cast<uint8_t>(MetadataType::kTimestamp)};
  for (int shift = 56; shift >= 0; shift -= 8) metadata.push_back(static_cast<uint8_t>(seconds >> shift));
  return metadata;
}

std::optional<std::chrono::sys_seconds> key_made_at(const ClientKey& key) {
  if (key.metadata.size() < 9 || key.metadata[0] != static_cast<uint8_t>(MetadataType::kTimestamp)) return std::nullopt;
  uint64_t seconds = 0;
  for (size_t i = 1; i < 9; ++i) seconds = seconds << 8 | key.metadata[i];
  return std::chrono::sys_seconds(std::chrono::seconds(static_cast<int64_t>(seconds)));
}

std::vector<uint8_t> request_wrapped_key_again() {
  std::vector<uint8_t> payload;
  append_u16(payload, kTlvFlags);
  append_u16(payload, sizeof kFlagResendWrappedKey);
  append_u16(payload, kFlagResendWrappedKey);
  return payload;
}

std::optional<EarlyNegotiation> parse_early_negotiation(Bytes payload) {
  EarlyNegotiation result;
  while (!payload.empty()) {
    if (payload.size() < 4) return std::nullopt;
    const uint16_t type = read_u16(payload);
    const size_t length = read_u16(payload.subspan(2));
    payload = payload.subspan(4);
    if (length > payload.size()) return std::nullopt;
    if (type == kTlvFlags) {
      if (length != sizeof kFlagResendWrappedKey) return std::nullopt;
      if ((read_u16(payload) & kFlagResendWrappedKey) != 0) result.resend_wrapped_key = true;
    }
    payload = payload.subspan(length);
  }
  return result;
}

}  // namespace culvert::openvpn
