// Key files of the control channel, as `openvpn --genkey` writes and reads them.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "control/now.h"
#include "control/openvpn/settings.h"
#include "control/openvpn/tls_crypt_v2.h"
#include "dataplane/abi/result.h"

namespace culvert::openvpn {

/// "-----BEGIN OpenVPN Static key V1-----", 256 bytes in hex: tls-auth and tls-crypt. Errors say what is wrong with the
/// text and, when it is a key of another kind, which directive that belongs to.
Result<StaticKey> parse_static_key(std::string_view text);
std::string write_static_key(const StaticKey& key);

/// "-----BEGIN OpenVPN tls-crypt-v2 server key-----".
Result<TlsCryptV2ServerKey> parse_tls_crypt_v2_server_key(std::string_view text);
Result<std::string> write_tls_crypt_v2_server_key(const TlsCryptV2ServerKey& key);

/// "-----BEGIN OpenVPN tls-crypt-v2 client key-----": Kc, then WKc.
struct ClientKeyFile {
  StaticKey key{};
  std::vector<uint8_t> wrapped;
};
Result<ClientKeyFile> parse_tls_crypt_v2_client_key(std::string_view text);
Result<std::string> write_tls_crypt_v2_client_key(const ClientKeyFile& file);

/// "-----BEGIN OpenVPN auth-token server key-----": the secret behind auth-gen-token. Of the file's 128 bytes 32 are
/// used.
using AuthTokenKey = std::array<uint8_t, 32>;
Result<AuthTokenKey> parse_auth_token_key(std::string_view text);
/// A new random one, as a file.
Result<std::string> make_auth_token_key(Random& random);

/// New random keys.
StaticKey make_static_key(Random& random);
TlsCryptV2ServerKey make_tls_crypt_v2_server_key(Random& random);
/// A new client key for this server, with the time of making as metadata.
Result<ClientKeyFile> make_tls_crypt_v2_client_key(const TlsCryptV2ServerKey& server_key, Random& random,
                                                   std::chrono::sys_seconds now);

}  // namespace culvert::openvpn
