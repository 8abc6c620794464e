// Who gets in: the decision about a client whose certificate TLS has accepted.
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "control/config/server_config.h"
#include "control/openvpn/output.h"
#include "control/policy/client_settings.h"
#include "control/pool/address_pool.h"

namespace culvert::policy {

/// What a client is told whose place is another's for now. (Clients since 2.6 try again after TEMP, where AUTH_FAILED
/// alone would end them for good: push.c, parse_auth_failed_temp.)
inline constexpr const char* kAddressTaken = "TEMP:address is in use";

struct Admitted {
  std::optional<pool::Lease> lease;  ///< nothing when all addresses are set by the operator and outside the pool
  openvpn::ClientGrant grant;
};

struct Refused {
  std::string for_client;    ///< goes into AUTH_FAILED: says nothing that helps an attacker
  std::string for_operator;  ///< what it is and the way out
};

using Decision = std::variant<Admitted, Refused>;

/// Ranges of the server's pools, for AddressPool.
pool::AddressRanges ranges_of(const config::ServerConfig& config);

/// What the session is called: the username where username-as-common-name says so, else the certificate's name; empty
/// when neither is there.
std::string session_name(const config::ServerConfig& config, const openvpn::ClientIdentity& identity);

/// Decides on `request` and takes an address from `addresses` when the client is admitted. `revoked`: the newest CRL
/// names the client's certificate. `own`: what is set for this client. Sessions that the client replaces have given
/// their addresses back before; `before`: the place of one that it goes on from.
Decision decide(const config::ServerConfig& config, const openvpn::ConnectRequest& request, bool revoked,
                const ClientSettings& own, pool::AddressPool& addresses, MonoTime now,
                std::optional<uint32_t> before = {});

/// Applies what is set for the client to a grant that has its addresses: options, networks, limits.
void apply(const config::ServerConfig& config, const ClientSettings& own, openvpn::ClientGrant& grant);

}  // namespace culvert::policy
