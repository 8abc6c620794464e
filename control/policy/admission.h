// Who gets in: the decision about a client whose certificate TLS has accepted.
#pragma once

#include <string>
#include <variant>

#include "control/config/server_config.h"
#include "control/openvpn/output.h"
#include "control/pool/address_pool.h"

namespace culvert::policy {

struct Admitted {
  pool::Lease lease;
  openvpn::ClientGrant grant;
};

struct Refused {
  std::string for_client;    ///< goes into AUTH_FAILED: says nothing that helps an attacker
  std::string for_operator;  ///< what it is and the way out
};

using Decision = std::variant<Admitted, Refused>;

/// Ranges of the server's pools, for AddressPool.
pool::AddressRanges ranges_of(const config::ServerConfig& config);

/// Decides on `request` and takes an address from `addresses` when the client is admitted. `revoked`: the newest CRL
/// names the client's certificate. Sessions that the client replaces have given their addresses back before.
Decision decide(const config::ServerConfig& config, const openvpn::ConnectRequest& request, bool revoked,
                pool::AddressPool& addresses, MonoTime now);

}  // namespace culvert::policy
