// auth-gen-token: stands in front of all authenticators. A client that was let in is given a token, and who comes back
// with a good one need not be asked for again. What becomes of a client:
//
//   password            ──▶ authenticators ──▶ Allow with a token
//   token, good         ──▶ Allow with a new token          (external-auth: authenticators, which are told)
//   token, bad or old   ──▶ Deny; "SESSION:" makes the client ask its user again     (external-auth: likewise)
#pragma once

#include <map>

#include "control/auth/authenticator.h"
#include "control/auth/token.h"
#include "control/now.h"

namespace culvert::auth {

struct TokenSettings {
  std::chrono::seconds lifetime{0};     ///< from a session's first token on; 0: for ever
  std::chrono::seconds renewal{3600};   ///< a token is good for twice as long
  bool external_auth = false;           ///< the authenticators decide in any case
  bool blank_username_allowed = false;  ///< auth-user-pass-optional
  openvpn::AuthTokenKey key{};
};

class TokenGate final : public Authenticator {
 public:
  using WallClock = std::function<std::chrono::sys_seconds()>;
  /// `behind` and `random` outlive it.
  TokenGate(Authenticator& behind, Random& random, WallClock wall)
      : behind_(behind), random_(random), wall_(std::move(wall)) {}

  /// Without settings everything goes to the authenticators, and no token is given out.
  void set_settings(std::optional<TokenSettings> settings) { settings_ = std::move(settings); }
  const std::optional<TokenSettings>& settings() const { return settings_; }

  void begin(const AuthRequest& request, Done done) override;
  void challenge_response(abi::SessionRef session, std::string_view response) override;
  void cancel(abi::SessionRef session) override;

  /// A newer token for a client that was let in with one; nothing when it was not.
  std::optional<std::string> renew(abi::SessionRef session);
  /// The session is called `to` from now on.
  void renumber(abi::SessionRef from, abi::SessionRef to);
  /// The session has ended.
  void forget(abi::SessionRef session) { known_.erase(session); }

 private:
  /// What a session's tokens have in common.
  struct Known {
    TokenSessionId id{};
    std::chrono::sys_seconds first{};
    std::string username;  ///< that the tokens are for
    bool let_in = false;
  };
  struct Judged {
    std::string state;
    bool good = false;
    bool old = false;
    bool for_empty_username = false;
  };

  Judged judge(const AuthRequest& request);
  bool too_old(const Token& token) const;
  Known make_known();
  void ask(AuthRequest request, const Judged& judged, Done done);
  void answer(abi::SessionRef session, const Judged& judged, const Done& done, Verdict verdict);
  void let_in(abi::SessionRef session, const Judged& judged, Allow& allow);
  std::optional<std::string> make(const Known& known) const;

  Authenticator& behind_;
  Random& random_;
  WallClock wall_;
  std::optional<TokenSettings> settings_;
  std::map<abi::SessionRef, Known> known_;
};

}  // namespace culvert::auth
