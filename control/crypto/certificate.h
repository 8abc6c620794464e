// Keys, certificates and revocation lists: what a small certificate authority of one gateway needs. Everything in and
// out is PEM text; time is an argument. Reference for the extensions: RFC 5280, sections 4.2 and 5.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/abi/result.h"

namespace culvert::crypto {

enum class KeyKind : uint8_t { kEcP256, kEd25519 };

struct Validity {
  std::chrono::sys_seconds from{};
  std::chrono::sys_seconds until{};
};

/// A certificate and its private key (PKCS#8, not encrypted).
struct Identity {
  std::string certificate_pem;
  std::string key_pem;
  ~Identity();  ///< wipes the key
  Identity() = default;
  Identity(const Identity&) = default;
  Identity(Identity&&) = default;
  Identity& operator=(const Identity&) = default;
  Identity& operator=(Identity&&) = default;
};

/// Which end of the tunnel the certificate is for: sets key usage and extended key usage. kNoUsage leaves the extended
/// usage out (only tests want that).
enum class CertificateUse : uint8_t { kServer, kClient, kNoUsage };

struct CertificateRequest {
  std::string common_name;  ///< 1 to 64 characters, no control characters (RFC 5280, ub-common-name)
  CertificateUse use = CertificateUse::kClient;
  Validity validity;
  KeyKind key_kind = KeyKind::kEcP256;
  std::vector<std::string> dns_names{};     ///< subject alternative names
  std::vector<std::string> ip_addresses{};  ///< likewise, in text
};

/// A self-signed CA: CA:TRUE with path length 0, keyCertSign and cRLSign.
Result<Identity> make_authority(std::string_view common_name, const Validity& validity,
                                KeyKind key_kind = KeyKind::kEcP256);

/// A new key with a certificate signed by `authority`. The serial is 127 random bits.
Result<Identity> issue_certificate(const Identity& authority, const CertificateRequest& request);

struct CertificateInfo {
  std::string common_name;           ///< last CN of the subject; empty when there is none
  std::vector<std::string> subject;  ///< "CN=alice", in the certificate's order
  std::string issuer;                ///< "CN=…, O=…"
  std::string serial;                ///< decimal
  std::string serial_hex;            ///< "0A1B2C", as `openssl x509 -serial` prints it
  Validity validity;
  std::vector<uint8_t> sha256;  ///< of the DER encoding
  bool authority = false;
};

/// Reads the first certificate of the text.
Result<CertificateInfo> read_certificate(std::string_view pem);

/// Does the private key belong to the (first) certificate? An error says why not, or what can't be read.
Status check_key_fits(std::string_view certificate_pem, std::string_view key_pem, std::string_view key_password = {});

struct Revocation {
  std::string serial;  ///< decimal
  std::chrono::sys_seconds when{};
};

/// A CRL (version 2) signed by `authority`: replaces an older one of a smaller `number`.
Result<std::string> make_crl(const Identity& authority, std::span<const Revocation> revoked, uint64_t number,
                             const Validity& validity);

struct CrlInfo {
  std::string issuer;
  uint64_t number = 0;
  Validity validity;  ///< thisUpdate and nextUpdate (until = from when the CRL has no nextUpdate)
  bool expires = true;
  std::vector<Revocation> revoked;
};
Result<CrlInfo> read_crl(std::string_view pem);

/// `crl_pem` with one more serial (none twice), the next number and a new validity. Refuses a list that this CA did not
/// sign.
Result<std::string> add_to_crl(std::string_view crl_pem, const Identity& authority, const Revocation& revocation,
                               const Validity& validity);

/// "2026-01-02 03:04:05 UTC".
std::string time_text(std::chrono::sys_seconds time);

}  // namespace culvert::crypto
