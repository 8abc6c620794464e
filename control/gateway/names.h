// Names of the engines' enumerations, for the operator.
#pragma once

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>

#include "control/openvpn/output.h"
#include "control/openvpn/settings.h"

namespace culvert::gateway {

constexpr std::string_view name_of(abi::Cipher cipher) {
  switch (cipher) {
    case abi::Cipher::kAes128Gcm:
      return "AES-128-GCM";
    case abi::Cipher::kAes192Gcm:
      return "AES-192-GCM";
    case abi::Cipher::kAes256Gcm:
      return "AES-256-GCM";
    case abi::Cipher::kChacha20Poly1305:
      return "CHACHA20-POLY1305";
    case abi::Cipher::kAes128Cbc:
      return "AES-128-CBC";
    case abi::Cipher::kAes192Cbc:
      return "AES-192-CBC";
    case abi::Cipher::kAes256Cbc:
      return "AES-256-CBC";
  }
  return "none";
}

constexpr std::string_view name_of(openvpn::WrapKind wrap) {
  switch (wrap) {
    case openvpn::WrapKind::kNone:
      return "none";
    case openvpn::WrapKind::kTlsAuth:
      return "tls-auth";
    case openvpn::WrapKind::kTlsCrypt:
      return "tls-crypt";
    case openvpn::WrapKind::kTlsCryptV2:
      return "tls-crypt-v2";
  }
  return "none";
}

constexpr std::string_view text_of(openvpn::EndReason reason) {
  switch (reason) {
    case openvpn::EndReason::kClientExit:
      return "said goodbye";
    case openvpn::EndReason::kClientRestarted:
      return "replaced by a newer session";
    case openvpn::EndReason::kPingTimeout:
      return "silent for too long (ping-restart)";
    case openvpn::EndReason::kHandshakeTimeout:
      return "handshake not finished in time (hand-window)";
    case openvpn::EndReason::kTlsFailed:
      return "TLS failed";
    case openvpn::EndReason::kAuthFailed:
      return "refused";
    case openvpn::EndReason::kIdentityChanged:
      return "came back as someone else";
    case openvpn::EndReason::kKilled:
      return "ended by the operator";
    case openvpn::EndReason::kServerStopping:
      return "server is stopping";
    case openvpn::EndReason::kLimit:
      return "key used up";
    case openvpn::EndReason::kProtocolError:
      return "protocol error";
    case openvpn::EndReason::kConnectionClosed:
      return "connection closed";
    case openvpn::EndReason::kInactive:
      return "inactive";
    case openvpn::EndReason::kSessionTimeout:
      return "session-timeout";
  }
  return "ended";
}

/// A text of the link, NUL-padded.
inline std::string field_text(std::span<const char> field) {
  return {field.data(), std::find(field.data(), field.data() + field.size(), '\0')};
}

/// How a server block is named in session records: by the end of its file's path, which says more than the beginning.
constexpr std::array<char, 64> record_name(std::string_view file) {
  std::array<char, 64> name{};
  if (file.size() >= name.size()) file.remove_prefix(file.size() - (name.size() - 1));
  std::copy(file.begin(), file.end(), name.begin());
  return name;
}

}  // namespace culvert::gateway
