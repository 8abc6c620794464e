#include "control/crypto/tls_algorithms.h"

#include <openssl/core_dispatch.h>

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

namespace culvert::crypto {
namespace {

using namespace std::string_view_literals;
using Names = std::span<const std::string_view>;

/// AES-CBC and its MAC in one go, which libssl looks up for each connection of TLS 1.2 that has it.
constexpr std::array kCiphers = {
    "AES-128-CBC-HMAC-SHA1"sv,
    "AES-256-CBC-HMAC-SHA1"sv,
    "AES-128-CBC-HMAC-SHA256"sv,
    "AES-256-CBC-HMAC-SHA256"sv,
};

/// The others of libssl's cipher suites: an SSL_CTX looks them up once and holds them.
constexpr std::array kSeldomCiphers = {
    "AES-128-GCM"sv,  "AES-256-GCM"sv,      "ChaCha20-Poly1305"sv, "AES-128-CCM"sv,
    "AES-256-CCM"sv,  "AES-128-CBC"sv,      "AES-256-CBC"sv,       "ARIA-128-GCM"sv,
    "ARIA-256-GCM"sv, "CAMELLIA-128-CBC"sv, "CAMELLIA-256-CBC"sv,  "DES-EDE3-CBC"sv,
    "NULL"sv,
};

/// Of the handshake, and of signatures on certificates (OBJ_find_sigid_algs knows which).
constexpr std::array kDigests = {"SHA1"sv, "SHA2-256"sv, "SHA2-384"sv, "SHA2-512"sv};
constexpr std::array kSeldomDigests = {
    "SHA2-224"sv, "SHA2-512/224"sv, "SHA2-512/256"sv, "SHA3-224"sv, "SHA3-256"sv,
    "SHA3-384"sv, "SHA3-512"sv,     "MD5"sv,          "MD5-SHA1"sv, "RIPEMD-160"sv,
};

constexpr std::array kMacs = {"HMAC"sv};
constexpr std::array kKdfs = {"TLS13-KDF"sv, "TLS1-PRF"sv};
constexpr std::array kRandom = {"CTR-DRBG"sv, "SEED-SRC"sv};
/// Of the key exchange, and those that nearly all certificates have. HMAC is a kind of key for the suites of TLS 1.2
/// that have it.
constexpr std::array kKeys = {"EC"sv, "DH"sv, "X25519"sv, "X448"sv, "HMAC"sv};
constexpr std::array kExchanges = {"ECDH"sv, "X25519"sv, "X448"sv, "DH"sv};
constexpr std::array kSignatures = {"ECDSA"sv, "HMAC"sv};
constexpr std::array kCertificateKeys = {"EC"sv};

constexpr std::array kOtherKeys = {"RSA"sv, "RSA-PSS"sv, "DSA"sv, "ED25519"sv, "ED448"sv};
constexpr std::array kOtherSignatures = {"RSA"sv, "ED25519"sv, "ED448"sv, "DSA"sv};
constexpr std::array kAsymmetricCiphers = {"RSA"sv};

Names seldom(int operation) {
  if (operation == OSSL_OP_CIPHER) return kSeldomCiphers;
  if (operation == OSSL_OP_DIGEST) return kSeldomDigests;
  return {};
}

Names of_other_keys(int operation) {
  switch (operation) {
    case OSSL_OP_KEYMGMT:
    case OSSL_OP_DECODER:
      return kOtherKeys;
    case OSSL_OP_SIGNATURE:
      return kOtherSignatures;
    case OSSL_OP_ASYM_CIPHER:
      return kAsymmetricCiphers;
    default:
      return {};
  }
}

Names often(int operation) {
  switch (operation) {
    case OSSL_OP_CIPHER:
      return kCiphers;
    case OSSL_OP_DIGEST:
      return kDigests;
    case OSSL_OP_MAC:
      return kMacs;
    case OSSL_OP_KDF:
      return kKdfs;
    case OSSL_OP_RAND:
      return kRandom;
    case OSSL_OP_KEYMGMT:
      return kKeys;
    case OSSL_OP_KEYEXCH:
      return kExchanges;
    case OSSL_OP_SIGNATURE:
      return kSignatures;
    case OSSL_OP_DECODER:
      return kCertificateKeys;
    default:
      return {};
  }
}

Names names_of(Use use, int operation) {
  switch (use) {
    case Use::kOften:
      return often(operation);
    case Use::kSeldom:
      return seldom(operation);
    case Use::kOtherKeys:
      return of_other_keys(operation);
  }
  return {};
}

/// OpenSSL's names are "EC:id-ecPublicKey:1.2.840.10045.2.1".
std::string_view first_name(const OSSL_ALGORITHM& algorithm) {
  const std::string_view names = algorithm.algorithm_names;
  return names.substr(0, names.find(':'));
}

/// Certificates carry public keys as SubjectPublicKeyInfo in DER.
bool fits(int operation, const OSSL_ALGORITHM& algorithm) {
  const std::string_view properties = algorithm.property_definition;
  return operation != OSSL_OP_DECODER || properties.find("structure=SubjectPublicKeyInfo") != properties.npos;
}

}  // namespace

AlgorithmTable tls_algorithms(Use use, int operation, const OSSL_ALGORITHM* all) {
  const Names names = names_of(use, operation);
  AlgorithmTable kept;
  for (; all != nullptr && all->algorithm_names != nullptr; ++all)
    if (std::ranges::find(names, first_name(*all)) != names.end() && fits(operation, *all)) kept.push_back(*all);
  kept.push_back({});
  return kept;
}

}  // namespace culvert::crypto
