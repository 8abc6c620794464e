#include "control/auth/token.h"

#include <algorithm>
#include <vector>

#include "control/crypto/base64.h"
#include "control/crypto/primitives.h"

namespace culvert::auth {
namespace {

constexpr std::string_view kPrefix = "SESS_ID_AT_";
constexpr size_t kSigned = 12 + 8 + 8;
constexpr size_t kHmac = 32;
constexpr size_t kText = (kSigned + kHmac) / 3 * 4;

void put_time(std::span<uint8_t, 8> out, std::chrono::sys_seconds time) {
  auto value = static_cast<uint64_t>(time.time_since_epoch().count());
  for (size_t i = 0; i < 8; ++i) out[i] = static_cast<uint8_t>(value >> (56 - 8 * i));
}

std::chrono::sys_seconds get_time(std::span<const uint8_t, 8> in) {
  uint64_t value = 0;
  for (uint8_t byte : in) value = value << 8 | byte;
  // Far beyond what any clock says, but still to be reckoned with.
  constexpr uint64_t kLatest = uint64_t{1} << 52;
  return std::chrono::sys_seconds(std::chrono::seconds(std::min(value, kLatest)));
}

bool hmac_of(const openvpn::AuthTokenKey& key, std::string_view username, std::span<const uint8_t> content,
             std::span<uint8_t> out) {
  return crypto::hmac(crypto::Digest::kSha256, key, {crypto::bytes_of(username), content}, out);
}

}  // namespace

std::optional<std::string> write_token(const openvpn::AuthTokenKey& key, std::string_view username,
                                       const Token& token) {
  std::array<uint8_t, kSigned + kHmac> bytes{};
  std::copy(token.session_id.begin(), token.session_id.end(), bytes.begin());
  std::span<uint8_t> all(bytes);
  put_time(all.subspan<12, 8>(), token.first);
  put_time(all.subspan<20, 8>(), token.made);
  if (!hmac_of(key, username, all.first<kSigned>(), all.subspan<kSigned>())) return std::nullopt;
  return std::string(kPrefix) + crypto::base64_encode(bytes);
}

bool looks_like_token(std::string_view password) {
  return password.size() == kPrefix.size() + kText && password.starts_with(kPrefix);
}

std::optional<ReadToken> read_token(const openvpn::AuthTokenKey& key, std::string_view username,
                                    std::string_view text) {
  if (!looks_like_token(text)) return std::nullopt;
  auto bytes = crypto::base64_decode(text.substr(kPrefix.size()));
  if (!bytes || bytes->size() != kSigned + kHmac) return std::nullopt;
  std::span<const uint8_t> all(*bytes);
  ReadToken read;
  std::copy_n(all.begin(), read.token.session_id.size(), read.token.session_id.begin());
  read.token.first = get_time(all.subspan<12, 8>());
  read.token.made = get_time(all.subspan<20, 8>());
  for (std::string_view name : {username, std::string_view()}) {
    std::array<uint8_t, kHmac> expected{};
    if (!hmac_of(key, name, all.first<kSigned>(), expected)) return std::nullopt;
    if (!crypto::equal_constant_time(expected, all.subspan<kSigned>())) continue;
    read.for_empty_username = name.empty() && !username.empty();
    return read;
  }
  return std::nullopt;
}

std::string session_id_text(const TokenSessionId& id) {
  return crypto::base64_encode(id);
}

}  // namespace culvert::auth
