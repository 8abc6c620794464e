// A client's .ovpn file, as far as the generator's clients need it.
#pragma once

#include <string>

#include "control/openvpn/settings.h"
#include "dataplane/abi/result.h"

namespace culvert::perf {

/// Reads `path`: remote (a numeric IPv4 address), ca, cert, key, tls-crypt-v2 or tls-crypt or none of them,
/// verify-x509-name, data-ciphers; certificates and keys inline. `cipher` replaces data-ciphers when it is not empty.
/// Directives that don't matter for packets (resolv-retry, verb, …) are skipped. Errors name the file and the way out.
Result<openvpn::ClientSettings> read_profile(const std::string& path, const std::string& cipher);

}  // namespace culvert::perf
