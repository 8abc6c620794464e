// Tokens that stand in for a password (auth-gen-token): what is in them, and how one is made and read. A token made
// here is good at a server of the reference that has the same secret, and the other way round (auth_token.h,
// auth_token.c):
//
//   "SESS_ID_AT_" base64(session id 12 | time of the first token 8 | time of this one 8 | HMAC-SHA256 32)
//
// The HMAC covers the username and everything before it; times are seconds since 1970, big-endian.
#pragma once

#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "control/openvpn/key_files.h"

namespace culvert::auth {

using TokenSessionId = std::array<uint8_t, 12>;

struct Token {
  TokenSessionId session_id{};
  std::chrono::sys_seconds first{};  ///< when the session's first token was made: its lifetime counts from here
  std::chrono::sys_seconds made{};   ///< when this one was made: its renewal time counts from here
};

/// The token as the client gets it. Nothing when libcrypto refuses HMAC-SHA256.
std::optional<std::string> write_token(const openvpn::AuthTokenKey& key, std::string_view username, const Token& token);

/// Does the password look like a token? Then it is one, good or bad, and no password.
bool looks_like_token(std::string_view password);

struct ReadToken {
  Token token;
  bool for_empty_username = false;  ///< it was not made for `username`, but for a client that had none
};
/// Nothing when the token was not made with this key for this username (or for the empty one). Times are not judged.
std::optional<ReadToken> read_token(const openvpn::AuthTokenKey& key, std::string_view username, std::string_view text);

/// As scripts and logs know the session: the 16 characters of the token that stand for its session id.
std::string session_id_text(const TokenSessionId& id);

}  // namespace culvert::auth
