// auth-gen-token: the secret behind the tokens, and newer ones for those who stay.
#include "control/crypto/primitives.h"
#include "control/gateway/gateway.h"

namespace culvert::gateway {
namespace {

/// Without auth-gen-token-secret: of this run dir and server block, so that tokens outlive a restart of control but are
/// worth nothing at another block. Nothing when libcrypto refuses HMAC-SHA256.
std::optional<openvpn::AuthTokenKey> own_secret(const config::ServerConfig& config) {
  openvpn::AuthTokenKey key{};
  if (!crypto::hmac(crypto::Digest::kSha256, config.settings.cookie_secret,
                    {crypto::bytes_of("culvert auth-gen-token "), crypto::bytes_of(config.file)}, key))
    return std::nullopt;
  return key;
}

}  // namespace

void Gateway::set_token_settings(Instance& instance) {
  const config::AccessConfig& access = instance.config.access;
  instance.tokens->set_settings(std::nullopt);
  if (!access.tokens) return;
  auto key = access.tokens->secret ? access.tokens->secret : own_secret(instance.config);
  if (!key) return io::log(io::LogLevel::kError, "auth-gen-token: this machine's OpenSSL refuses HMAC-SHA256");
  instance.tokens->set_settings(auth::TokenSettings{.lifetime = access.tokens->lifetime,
                                                    .renewal = access.tokens->renewal,
                                                    .external_auth = access.tokens->external_auth,
                                                    .blank_username_allowed = access.password_optional,
                                                    .key = *key});
}

/// Clients get a newer token at each renegotiation; in between only when the operator wants it more often.
void Gateway::renew_token_later(size_t index, abi::SessionRef session) {
  Instance& instance = *instances_[index];
  const auto& settings = instance.tokens->settings();
  const auto reneg = instance.config.settings.reneg_sec;
  if (instance.token_timers.contains(session) || !settings || (reneg.count() > 0 && settings->renewal >= reneg)) return;
  instance.token_timers.insert(session);
  loop_.at(io::mono_now() + settings->renewal, [this, index, session] {
    instances_[index]->token_timers.erase(session);
    auto token = instances_[index]->tokens->renew(session);
    if (!token) return;  // the session has ended
    instances_[index]->server->push(session, {"auth-token " + *token}, io::now());
    carry_out(index, 0);
    renew_token_later(index, session);
  });
}

}  // namespace culvert::gateway
