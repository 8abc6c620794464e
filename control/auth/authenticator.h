// Who says whether a client gets in, besides its certificate: scripts, tokens, the management interface. Each is an
// Authenticator; AuthChain (auth_chain.h) asks them one after the other.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "control/openvpn/output.h"

namespace culvert::auth {

struct AuthRequest {
  abi::SessionRef session;
  abi::Endpoint remote;
  openvpn::ClientIdentity identity;  ///< with the password, which is wiped when the last authenticator is done
  bool renewal = false;              ///< a connected client renegotiates: it keeps its addresses, whoever it is
  // With auth-gen-token, for those who are asked behind it (server-options.rst):
  std::string token_session{};  ///< session_id
  std::string token_state{};    ///< session_state: "Initial", "Authenticated", "Expired", "Invalid", …
};

/// Let in.
struct Allow {
  std::vector<std::string> config;  ///< lines as of a client-config-dir file, applied behind that file's
  std::string token{};              ///< to be pushed as auth-token; empty: none
  std::string token_session{};      ///< as in AuthRequest, for scripts that follow
  std::string token_state{};
  std::optional<std::string> username{};  ///< who it is, when that is not what the client says
};

/// Refused.
struct Deny {
  std::string for_client;  ///< behind "AUTH_FAILED,"; may start with TEMP[…]:, SESSION:, CRV1:; empty: no reason given
  std::string for_operator;  ///< what it is and the way out
};

/// Not decided: the client is told to wait (AUTH_PENDING, and INFO_PRE when `extra` is not empty). Allow or Deny
/// follows.
struct Pending {
  std::chrono::seconds timeout{};
  std::string extra;  ///< "WEB_AUTH::https://…", "CR_TEXT:R,E:Enter your code"
};

using Verdict = std::variant<Allow, Deny, Pending>;

class Authenticator {
 public:
  using Done = std::function<void(Verdict)>;

  virtual ~Authenticator() = default;
  /// Begins to judge. `done` is called with Pending any number of times and with Allow or Deny once, in this call or
  /// later, but not after cancel(). A session has one request at a time.
  virtual void begin(const AuthRequest& request, Done done) = 0;
  /// The client's answer to a challenge (CR_RESPONSE), as sent: base64 of what the user typed.
  virtual void challenge_response(abi::SessionRef, std::string_view /*response*/) {}
  /// The session is gone, or asks anew: forget the request.
  virtual void cancel(abi::SessionRef session) = 0;
};

}  // namespace culvert::auth
