#include "control/crypto/tls_algorithms.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/params.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace culvert::crypto {
namespace {

using DispatchTable = std::vector<OSSL_DISPATCH>;

/// Certificates carry public keys as SubjectPublicKeyInfo in DER.
bool decodes_public_key(const OSSL_ALGORITHM& algorithm) {
  const std::string_view properties = algorithm.property_definition;
  return properties.find("structure=SubjectPublicKeyInfo") != properties.npos;
}

/// OpenSSL's names are "EC:id-ecPublicKey:1.2.840.10045.2.1".
bool manages_ec_keys(const OSSL_ALGORITHM& algorithm) {
  return std::string_view(algorithm.algorithm_names).starts_with("EC:");
}

/// OpenSSL's functions for EC keys.
struct EcFunctions {
  OSSL_FUNC_keymgmt_validate_fn* validate = nullptr;
  OSSL_FUNC_keymgmt_get_params_fn* get_params = nullptr;
};
EcFunctions& ec() {
  static EcFunctions functions;
  return functions;
}

bool on_nist_prime_curve(const void* key) {
  std::array<char, 32> name{};
  std::array params = {OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, name.data(), name.size()),
                       OSSL_PARAM_construct_end()};
  // Reading parameters does not change the key; OpenSSL's type has no const.
  if (ec().get_params(const_cast<void*>(key), params.data()) != 1) return false;
  constexpr std::array<std::string_view, 3> kCurves = {"prime256v1", "secp384r1", "secp521r1"};
  return std::ranges::find(kCurves, std::string_view(name.data())) != kCurves.end();
}

int validate_ec(const void* key, int selection, int kind) {
  const bool only_public = (selection & OSSL_KEYMGMT_SELECT_ALL) == OSSL_KEYMGMT_SELECT_PUBLIC_KEY;
  if (only_public && on_nist_prime_curve(key)) kind = OSSL_KEYMGMT_VALIDATE_QUICK_CHECK;
  return ec().validate(key, selection, kind);
}

/// OpenSSL's table with validate_ec() in it; as it is when that has nothing to stand in front of.
DispatchTable ec_dispatch(const OSSL_DISPATCH* original) {
  DispatchTable table;
  for (; original->function_id != 0; ++original) {
    if (original->function_id == OSSL_FUNC_KEYMGMT_VALIDATE) ec().validate = OSSL_FUNC_keymgmt_validate(original);
    if (original->function_id == OSSL_FUNC_KEYMGMT_GET_PARAMS) ec().get_params = OSSL_FUNC_keymgmt_get_params(original);
    table.push_back(*original);
  }
  table.push_back({0, nullptr});
  if (ec().get_params != nullptr)
    for (OSSL_DISPATCH& entry : table)
      if (entry.function_id == OSSL_FUNC_KEYMGMT_VALIDATE) entry.function = reinterpret_cast<void (*)()>(validate_ec);
  return table;
}

}  // namespace

AlgorithmTable public_key_decoders(const OSSL_ALGORITHM* all) {
  AlgorithmTable kept;
  for (; all != nullptr && all->algorithm_names != nullptr; ++all)
    if (decodes_public_key(*all)) kept.push_back(*all);
  kept.push_back({});
  return kept;
}

AlgorithmTable key_managers(const OSSL_ALGORITHM* all) {
  AlgorithmTable kept;
  for (; all != nullptr && all->algorithm_names != nullptr; ++all) {
    kept.push_back(*all);
    if (!manages_ec_keys(*all)) continue;
    static const DispatchTable functions = ec_dispatch(all->implementation);
    kept.back().implementation = functions.data();
  }
  kept.push_back({});
  return kept;
}

}  // namespace culvert::crypto
