// The keys that fuzz targets and their corpora share. Test data: nobody's secret.
#pragma once

#include <array>
#include <cstdint>

#include "control/openvpn/settings.h"
#include "control/openvpn/tls_crypt_v2.h"

namespace culvert::fuzz {

template <size_t N>
constexpr std::array<uint8_t, N> numbered(uint8_t first) {
  std::array<uint8_t, N> bytes{};
  for (size_t i = 0; i < N; ++i) bytes[i] = static_cast<uint8_t>(first + 7 * i);
  return bytes;
}

inline constexpr openvpn::StaticKey kStaticKey = numbered<256>(1);
inline constexpr openvpn::TlsCryptV2ServerKey kServerKey = numbered<128>(2);
inline constexpr openvpn::StaticKey kClientKey = numbered<256>(3);

inline openvpn::WrapSettings wrap_settings(openvpn::WrapKind kind) {
  openvpn::WrapSettings settings;
  settings.kind = kind;
  settings.key = kind == openvpn::WrapKind::kTlsCryptV2 ? kClientKey : kStaticKey;
  settings.auth = openvpn::Digest::kSha256;
  settings.server_key = kServerKey;
  return settings;
}

}  // namespace culvert::fuzz
