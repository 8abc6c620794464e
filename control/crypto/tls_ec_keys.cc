#include "control/crypto/tls_ec_keys.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

namespace culvert::crypto {
namespace {

/// OpenSSL's functions for EC keys.
struct EcFunctions {
  void* provider = nullptr;
  OSSL_FUNC_keymgmt_validate_fn* validate = nullptr;
  OSSL_FUNC_keymgmt_get_params_fn* get_params = nullptr;
  OSSL_FUNC_keymgmt_set_params_fn* set_params = nullptr;
  OSSL_FUNC_keymgmt_load_fn* load = nullptr;
  OSSL_FUNC_keymgmt_free_fn* free = nullptr;
  OSSL_FUNC_keymgmt_dup_fn* dup = nullptr;
  OSSL_FUNC_keymgmt_gen_init_fn* gen_init = nullptr;
  OSSL_FUNC_keymgmt_gen_set_params_fn* gen_set_params = nullptr;
  OSSL_FUNC_keymgmt_gen_set_template_fn* gen_set_template = nullptr;
  OSSL_FUNC_keymgmt_gen_fn* gen = nullptr;
  OSSL_FUNC_keymgmt_gen_cleanup_fn* gen_cleanup = nullptr;

  bool complete() const {
    return validate && get_params && set_params && load && free && dup && gen_init && gen_set_params &&
           gen_set_template && gen && gen_cleanup;
  }
};
EcFunctions& ec() {
  static EcFunctions functions;
  return functions;
}

constexpr uint8_t kUncompressed = 4;  // SEC 1, section 2.3.3

struct Curve {
  const char* name;                   ///< OpenSSL's
  std::span<const uint8_t> key_info;  ///< a SubjectPublicKeyInfo up to the point (RFC 5480, section 2)
  size_t point_size;                  ///< uncompressed
};

constexpr std::array<uint8_t, 26> kP256Info = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48,
                                               0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A, 0x86, 0x48,
                                               0xCE, 0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};
constexpr std::array<uint8_t, 23> kP384Info = {0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02,
                                               0x01, 0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00};
constexpr std::array<uint8_t, 25> kP521Info = {0x30, 0x81, 0x9B, 0x30, 0x10, 0x06, 0x07, 0x2A, 0x86,
                                               0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x05, 0x2B, 0x81,
                                               0x04, 0x00, 0x23, 0x03, 0x81, 0x86, 0x00};
/// All have the cofactor 1.
constexpr std::array kCurves = {Curve{"prime256v1", kP256Info, 65}, Curve{"secp384r1", kP384Info, 97},
                                Curve{"secp521r1", kP521Info, 133}};
static_assert(kP521Info.size() + 133 == kMaxEcKeyInfo);

const Curve* curve_named(std::string_view name) {
  const auto* found = std::ranges::find(kCurves, name, [](const Curve& curve) { return std::string_view(curve.name); });
  return found == kCurves.end() ? nullptr : found;
}

/// Without a key in it, only the curve. Kept until the process ends; null when OpenSSL does not have the curve.
void* make_template(const Curve& curve) {
  std::array params = {OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, const_cast<char*>(curve.name), 0),
                       OSSL_PARAM_construct_end()};
  void* generation = ec().gen_init(ec().provider, OSSL_KEYMGMT_SELECT_ALL_PARAMETERS, params.data());
  void* made = generation != nullptr ? ec().gen(generation, nullptr, nullptr) : nullptr;
  if (generation != nullptr) ec().gen_cleanup(generation);
  return made;
}

void* template_of(const Curve& curve) {
  static const std::array<void*, kCurves.size()> templates = [] {
    std::array<void*, kCurves.size()> made{};
    std::ranges::transform(kCurves, made.begin(), make_template);
    return made;
  }();
  return templates[static_cast<size_t>(&curve - kCurves.data())];
}

bool on_nist_prime_curve(const void* key) {
  std::array<char, 32> name{};
  std::array params = {OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, name.data(), name.size()),
                       OSSL_PARAM_construct_end()};
  // Reading parameters does not change the key; OpenSSL's type has no const.
  return ec().get_params(const_cast<void*>(key), params.data()) == 1 && curve_named(name.data()) != nullptr;
}

int validate(const void* key, int selection, int kind) {
  const bool only_public = (selection & OSSL_KEYMGMT_SELECT_ALL) == OSSL_KEYMGMT_SELECT_PUBLIC_KEY;
  if (only_public && on_nist_prime_curve(key)) kind = OSSL_KEYMGMT_VALIDATE_QUICK_CHECK;
  return ec().validate(key, selection, kind);
}

/// When nothing but a curve is asked for, by its name: that curve.
const Curve* curve_alone(const OSSL_PARAM* params) {
  const char* name = nullptr;
  const bool alone = params != nullptr && params[0].key != nullptr && params[1].key == nullptr &&
                     std::string_view(params[0].key) == OSSL_PKEY_PARAM_GROUP_NAME;
  return alone && OSSL_PARAM_get_utf8_string_ptr(params, &name) == 1 ? curve_named(name) : nullptr;
}

int gen_set_params(void* generation, const OSSL_PARAM* params) {
  const Curve* curve = curve_alone(params);
  void* known = curve != nullptr ? template_of(*curve) : nullptr;
  return known != nullptr ? ec().gen_set_template(generation, known) : ec().gen_set_params(generation, params);
}

constexpr char kOwnReference = 0;  // its address marks our references

void* load(const void* reference, size_t size) {
  if (size != sizeof(EcReference)) return ec().load(reference, size);
  // The decoder that refers to a key gives it away, as OpenSSL's own do.
  auto* own = static_cast<EcReference*>(const_cast<void*>(reference));
  return own->kind == &kOwnReference ? std::exchange(own->key, nullptr) : nullptr;
}

/// Takes down what OpenSSL's table has, for those functions that are used or stood in for here.
void note(const OSSL_DISPATCH& entry) {
  switch (entry.function_id) {
    case OSSL_FUNC_KEYMGMT_VALIDATE:
      ec().validate = OSSL_FUNC_keymgmt_validate(&entry);
      break;
    case OSSL_FUNC_KEYMGMT_GET_PARAMS:
      ec().get_params = OSSL_FUNC_keymgmt_get_params(&entry);
      break;
    case OSSL_FUNC_KEYMGMT_SET_PARAMS:
      ec().set_params = OSSL_FUNC_keymgmt_set_params(&entry);
      break;
    case OSSL_FUNC_KEYMGMT_LOAD:
      ec().load = OSSL_FUNC_keymgmt_load(&entry);
      break;
    case OSSL_FUNC_KEYMGMT_FREE:
      ec().free = OSSL_FUNC_keymgmt_free(&entry);
      break;
    case OSSL_FUNC_KEYMGMT_DUP:
      ec().dup = OSSL_FUNC_keymgmt_dup(&entry);
      break;
    case OSSL_FUNC_KEYMGMT_GEN_INIT:
      ec().gen_init = OSSL_FUNC_keymgmt_gen_init(&entry);
      break;
    case OSSL_FUNC_KEYMGMT_GEN_SET_PARAMS:
      ec().gen_set_params = OSSL_FUNC_keymgmt_gen_set_params(&entry);
      break;
    case OSSL_FUNC_KEYMGMT_GEN_SET_TEMPLATE:
      ec().gen_set_template = OSSL_FUNC_keymgmt_gen_set_template(&entry);
      break;
    case OSSL_FUNC_KEYMGMT_GEN:
      ec().gen = OSSL_FUNC_keymgmt_gen(&entry);
      break;
    case OSSL_FUNC_KEYMGMT_GEN_CLEANUP:
      ec().gen_cleanup = OSSL_FUNC_keymgmt_gen_cleanup(&entry);
      break;
    default:
      break;
  }
}

template <class Function>
void stand_in(std::vector<OSSL_DISPATCH>& table, int id, Function* function) {
  for (OSSL_DISPATCH& entry : table)
    if (entry.function_id == id) entry.function = reinterpret_cast<void (*)()>(function);
}

}  // namespace

const OSSL_DISPATCH* ec_key_manager(const OSSL_DISPATCH* original, void* provider) {
  static std::vector<OSSL_DISPATCH> table;
  ec().provider = provider;
  for (; original->function_id != 0; ++original) {
    note(*original);
    table.push_back(*original);
  }
  table.push_back({0, nullptr});
  if (!ec().complete()) return table.data();
  stand_in(table, OSSL_FUNC_KEYMGMT_VALIDATE, validate);
  stand_in(table, OSSL_FUNC_KEYMGMT_GEN_SET_PARAMS, gen_set_params);
  stand_in(table, OSSL_FUNC_KEYMGMT_LOAD, load);
  return table.data();
}

void* read_ec_key(std::span<const uint8_t> info) {
  if (!ec().complete()) return nullptr;
  for (const Curve& curve : kCurves) {
    if (info.size() != curve.key_info.size() + curve.point_size) continue;
    if (!std::ranges::equal(info.first(curve.key_info.size()), curve.key_info)) continue;
    const std::span<const uint8_t> point = info.subspan(curve.key_info.size());
    if (point[0] != kUncompressed || template_of(curve) == nullptr) return nullptr;
    void* key = ec().dup(template_of(curve), OSSL_KEYMGMT_SELECT_ALL_PARAMETERS);
    std::array params = {OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY,
                                                           const_cast<uint8_t*>(point.data()), point.size()),
                         OSSL_PARAM_construct_end()};
    if (key != nullptr && ec().set_params(key, params.data()) == 1) return key;
    if (key != nullptr) ec().free(key);
    return nullptr;
  }
  return nullptr;
}

void free_ec_key(void* key) {
  if (key != nullptr) ec().free(key);
}

EcReference refer_to_ec_key(void* key) {
  return {key, &kOwnReference};
}

}  // namespace culvert::crypto
