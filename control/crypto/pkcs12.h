// PKCS #12 files (RFC 7292): key, certificate and CAs in one.
#pragma once

#include <string>
#include <string_view>

#include "dataplane/abi/result.h"

namespace culvert::crypto {

struct Pkcs12Parts {
  std::string key_pem;          ///< not encrypted: secret
  std::string certificate_pem;  ///< the key's own certificate
  std::string authorities_pem;  ///< all others; may be empty
};

/// Opens the file's bytes. Errors tell a missing or wrong password from damage.
Result<Pkcs12Parts> read_pkcs12(std::string_view bytes, const std::string& password);

}  // namespace culvert::crypto
