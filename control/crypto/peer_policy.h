// What a peer's certificate must be besides valid, and by which name the peer is known.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace culvert::crypto {

/// Directive remote-cert-tls: which extended key usage the peer's certificate must carry.
enum class PeerUsage : uint8_t { kAny, kClient, kServer };

struct PeerPolicy {
  PeerUsage usage = PeerUsage::kAny;
  /// remote-cert-ku: key usage must be there, and hold all bits of one of these (none: any). Bits as in
  /// x509v3 (digitalSignature 0x80 … decipherOnly 0x8000).
  std::optional<std::vector<uint32_t>> key_usages;
  std::string extended_key_usage;  ///< remote-cert-eku: dotted, or OpenSSL's long name; empty: not asked for

  enum class NameMatch : uint8_t { kNone, kSubject, kName, kNamePrefix };
  NameMatch name_match = NameMatch::kNone;  ///< verify-x509-name
  std::string name;

  /// x509-username-field: fields of the subject ("CN", "emailAddress"), "serialNumber" (of the certificate, 0x…), or
  /// "ext:subjectAltName" (its first e-mail address); the values are joined by '_'. Empty: CN.
  std::vector<std::string> name_fields;

  using Fingerprint = std::array<uint8_t, 32>;   ///< SHA-256
  std::vector<Fingerprint> fingerprints;         ///< peer-fingerprint: the leaf must be one of these
  std::vector<Fingerprint> issuer_fingerprints;  ///< verify-hash … SHA256: of the leaf's issuer
};

}  // namespace culvert::crypto
