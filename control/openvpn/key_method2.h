// The key-method-2 message: the first thing each side says inside TLS (ssl.c, key_method_2_write and key_method_2_read;
// openvpn-wire-protocol, "Key method 2").
//
//   uint32 0; uint8 2; [client: pre-master (48)]; random 1 (32); random 2 (32); options; username; password; peer-info
//
// Strings: 16-bit length that counts a terminating NUL; length 0 for none. Trailing strings may be missing.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "control/crypto/primitives.h"
#include "control/now.h"
#include "control/openvpn/wrap.h"
#include "dataplane/abi/result.h"

namespace culvert::openvpn {

/// What one side contributes to the keys of the legacy derivation. The server's pre-master stays zero and is not used.
struct KeySource {
  crypto::Secret<48> pre_master;
  crypto::Secret<32> random1;
  crypto::Secret<32> random2;

  static KeySource make(Random& random, Side side);
};

struct KeyMethod2 {
  KeySource source;
  std::string options;   ///< OCC string; at most 511 characters
  std::string username;  ///< control characters replaced by '_'
  std::string password;  ///< likewise; secret
  std::string
      peer_info;  ///< lines that are NAME=value in printable characters, others are left out; each ends with '\n'
  bool has_credentials = false;       ///< username and password both came (perhaps empty ones)
  bool credentials_too_long = false;  ///< answer AUTH_FAILED: username or password were longer than we take

  KeyMethod2() = default;
  KeyMethod2(const KeyMethod2&) = default;
  KeyMethod2(KeyMethod2&&) = default;
  KeyMethod2& operator=(const KeyMethod2&) = default;
  KeyMethod2& operator=(KeyMethod2&&) = default;
  ~KeyMethod2();  ///< wipes the password
};

inline constexpr size_t kMaxOptionsString = 512;  ///< with NUL (ssl.h, TLS_OPTIONS_LEN)
inline constexpr size_t kMaxCredential = 4096;    ///< with NUL (misc.h, USER_PASS_LEN of Debian's build)

/// The message that `writer` sends. Credentials are written when has_credentials is set. Error when a string is too
/// long.
Result<std::vector<uint8_t>> write_key_method2(const KeyMethod2& message, Side writer);

/// Reads a message that came from `writer`. Errors: too short, other key method, odd string lengths, NUL inside a
/// string.
Result<KeyMethod2> parse_key_method2(std::span<const uint8_t> message, Side writer);

/// Value of NAME in peer-info ("IV_PROTO"), empty when missing. The first one counts.
std::string_view peer_info_value(std::string_view peer_info, std::string_view name);

}  // namespace culvert::openvpn
