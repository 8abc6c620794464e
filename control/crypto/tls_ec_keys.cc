#include "control/crypto/tls_ec_keys.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/params.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

namespace culvert::crypto {
namespace {

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

int validate(const void* key, int selection, int kind) {
  const bool only_public = (selection & OSSL_KEYMGMT_SELECT_ALL) == OSSL_KEYMGMT_SELECT_PUBLIC_KEY;
  if (only_public && on_nist_prime_curve(key)) kind = OSSL_KEYMGMT_VALIDATE_QUICK_CHECK;
  return ec().validate(key, selection, kind);
}

}  // namespace

const OSSL_DISPATCH* ec_key_manager(const OSSL_DISPATCH* original) {
  static std::vector<OSSL_DISPATCH> table;
  for (; original->function_id != 0; ++original) {
    if (original->function_id == OSSL_FUNC_KEYMGMT_VALIDATE) ec().validate = OSSL_FUNC_keymgmt_validate(original);
    if (original->function_id == OSSL_FUNC_KEYMGMT_GET_PARAMS) ec().get_params = OSSL_FUNC_keymgmt_get_params(original);
    table.push_back(*original);
  }
  table.push_back({0, nullptr});
  if (ec().get_params != nullptr)
    for (OSSL_DISPATCH& entry : table)
      if (entry.function_id == OSSL_FUNC_KEYMGMT_VALIDATE) entry.function = reinterpret_cast<void (*)()>(validate);
  return table.data();
}

}  // namespace culvert::crypto
