#include "control/crypto/tls_key_derivation.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

#include <algorithm>
#include <array>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "control/crypto/hasher.h"
#include "control/crypto/tls_recent_keys.h"

namespace culvert::crypto {
namespace {

/// OpenSSL's functions.
struct KdfFunctions {
  OSSL_FUNC_kdf_newctx_fn* newctx = nullptr;
  OSSL_FUNC_kdf_freectx_fn* freectx = nullptr;
  OSSL_FUNC_kdf_reset_fn* reset = nullptr;
  OSSL_FUNC_kdf_derive_fn* derive = nullptr;
  OSSL_FUNC_kdf_set_ctx_params_fn* set_ctx_params = nullptr;
  OSSL_FUNC_kdf_get_ctx_params_fn* get_ctx_params = nullptr;
  OSSL_FUNC_kdf_settable_ctx_params_fn* settable_ctx_params = nullptr;
  OSSL_FUNC_kdf_gettable_ctx_params_fn* gettable_ctx_params = nullptr;

  bool complete() const {
    return newctx && freectx && reset && derive && set_ctx_params && get_ctx_params && settable_ctx_params &&
           gettable_ctx_params;
  }
};
KdfFunctions& kdf() {
  static KdfFunctions functions;
  return functions;
}

/// What libssl takes for a context of OpenSSL's.
struct Context {
  void* provider = nullptr;
  void* original = nullptr;  ///< made when it is needed
  bool derived = false;      ///< here
};

void* original_of(Context& context) {
  if (context.original == nullptr) context.original = kdf().newctx(context.provider);
  return context.original;
}

constexpr size_t kMostLabel = 255;  // in an HkdfLabel, and as much context

/// By the name that libssl has from its own digest; nothing for others.
HashFunction hash_named(std::string_view name) {
  if (name == "SHA2-384") return hash_function(Digest::kSha384);
  if (name == "SHA2-256") return hash_function(Digest::kSha256);
  return {};
}

/// The parameters of one derivation; empty: not given.
struct Request {
  int mode = -1;
  HashFunction hash;
  Bytes key;
  Bytes salt;
  Bytes prefix;
  Bytes label;
  Bytes data;
};

/// Nothing when a parameter is of another kind than libssl's.
std::optional<Request> read_request(const OSSL_PARAM* params) {
  Request request;
  for (; params != nullptr && params->key != nullptr; ++params) {
    const std::string_view name = params->key;
    if (name == OSSL_KDF_PARAM_MODE) {
      if (OSSL_PARAM_get_int(params, &request.mode) != 1) return std::nullopt;
      continue;
    }
    if (params->data == nullptr || (params->data_size == 0 && name != OSSL_KDF_PARAM_DATA)) return std::nullopt;
    if (name == OSSL_KDF_PARAM_DIGEST && params->data_type == OSSL_PARAM_UTF8_STRING) {
      request.hash = hash_named({static_cast<const char*>(params->data), params->data_size});
      continue;
    }
    if (params->data_type != OSSL_PARAM_OCTET_STRING) return std::nullopt;
    const Bytes bytes(static_cast<const uint8_t*>(params->data), params->data_size);
    if (name == OSSL_KDF_PARAM_KEY)
      request.key = bytes;
    else if (name == OSSL_KDF_PARAM_SALT)
      request.salt = bytes;
    else if (name == OSSL_KDF_PARAM_PREFIX)
      request.prefix = bytes;
    else if (name == OSSL_KDF_PARAM_LABEL)
      request.label = bytes;
    else if (name == OSSL_KDF_PARAM_DATA)
      request.data = bytes;
    else
      return std::nullopt;
  }
  return request;
}

/// HKDF-Expand-Label (RFC 8446, section 7.1; RFC 5869, section 2.3). `out` at most 255 hashes long, label with its
/// prefix and `data` at most kMostLabel bytes.
bool expand_label(const HashFunction& hash, const Request& request, Bytes key, Bytes data, std::span<uint8_t> out) {
  const std::array<uint8_t, 3> head = {static_cast<uint8_t>(out.size() >> 8), static_cast<uint8_t>(out.size()),
                                       static_cast<uint8_t>(request.prefix.size() + request.label.size())};
  const std::array<uint8_t, 1> data_size = {static_cast<uint8_t>(data.size())};
  std::optional<HmacKey> own;
  RecentKeys* recent = RecentKeys::of_thread();
  HmacKey& hmac = recent != nullptr ? recent->hmac(hash, key) : own.emplace(hash, key);
  Secret<kMaxDigestSize> block;
  Bytes before;
  for (uint8_t counter = 1; !out.empty(); ++counter) {
    const std::array<uint8_t, 1> number = {counter};
    if (!hmac.tag({before, head, request.prefix, request.label, data_size, data, number}, block.span())) return false;
    before = block.span().first(hash.size);
    const size_t size = std::min(out.size(), hash.size);
    std::copy_n(before.begin(), size, out.begin());
    out = out.subspan(size);
  }
  return true;
}

constexpr std::array<uint8_t, kMaxDigestSize> kZeros{};
constexpr std::string_view kPrefix = "tls13 ";
constexpr std::string_view kDerived = "derived";

/// How the key schedule of every handshake begins (no PSK).
struct Beginning {
  std::array<uint8_t, kMaxDigestSize> hash_of_nothing{};
  std::array<uint8_t, kMaxDigestSize> early{};    ///< the early secret
  std::array<uint8_t, kMaxDigestSize> derived{};  ///< Derive-Secret(early secret, "derived", "")
  bool good = false;                              ///< false: libcrypto refused something
};

const Beginning& beginning(const HashFunction& hash) {
  const auto make = [](const HashFunction& function) {
    Request request;
    request.prefix = bytes_of(kPrefix);
    request.label = bytes_of(kDerived);
    const auto sized = [&function](auto& bytes) { return std::span(bytes).first(function.size); };
    Beginning made;
    made.good = Hasher(function).hash({}, made.hash_of_nothing) &&
                HmacKey(function, {}).tag({sized(kZeros)}, made.early) &&
                expand_label(function, request, sized(made.early), sized(made.hash_of_nothing), sized(made.derived));
    return made;
  };
  static const Beginning sha256 = make(hash_function(Digest::kSha256));
  static const Beginning sha384 = make(hash_function(Digest::kSha384));
  return hash.size == digest_size(Digest::kSha256) ? sha256 : sha384;
}

bool is(Bytes bytes, std::string_view text) {
  return std::ranges::equal(bytes, bytes_of(text));
}

/// The next of the three secrets of the key schedule: Derive-Secret(salt, "derived", "") as salt for HKDF-Extract.
bool extract(const HashFunction& hash, const Request& request, std::span<uint8_t> out) {
  const Beginning& known = beginning(hash);
  const auto sized = [&hash](auto& bytes) { return Bytes(bytes).first(hash.size); };
  if (!known.good) return false;
  if (request.salt.empty() && request.key.empty()) {
    std::ranges::copy(sized(known.early), out.begin());
    return true;
  }
  Secret<kMaxDigestSize> memory;
  Bytes salt;
  if (std::ranges::equal(request.salt, sized(known.early)) && is(request.prefix, kPrefix) &&
      is(request.label, kDerived))
    salt = sized(known.derived);
  else if (!request.salt.empty()) {
    const auto derived = memory.span().first(hash.size);
    if (!expand_label(hash, request, request.salt, sized(known.hash_of_nothing), derived)) return false;
    salt = derived;
  }
  const Bytes secret = !request.key.empty() ? request.key : sized(kZeros);
  return HmacKey(hash, salt).tag({secret}, out);
}

/// Nothing: this is for OpenSSL, which may refuse it.
std::optional<bool> derive_here(const OSSL_PARAM* params, std::span<uint8_t> out) {
  const auto request = read_request(params);
  if (!request || request->hash.digest == nullptr || out.empty()) return std::nullopt;
  const HashFunction& hash = request->hash;
  const size_t label_size = request->prefix.size() + request->label.size();
  if (request->prefix.empty() || request->label.empty() || label_size > kMostLabel || request->data.size() > kMostLabel)
    return std::nullopt;
  if (request->mode == EVP_KDF_HKDF_MODE_EXPAND_ONLY) {
    if (request->key.empty() || request->key.size() > hash.block || out.size() > 255 * hash.size) return std::nullopt;
    return expand_label(hash, *request, request->key, request->data, out);
  }
  if (request->mode != EVP_KDF_HKDF_MODE_EXTRACT_ONLY || out.size() != hash.size || request->salt.size() > hash.block)
    return std::nullopt;
  return extract(hash, *request, out);
}

void* new_context(void* provider) {
  return new (std::nothrow) Context{provider};
}

void free_context(void* handle) {
  const std::unique_ptr<Context> context(static_cast<Context*>(handle));
  if (context && context->original != nullptr) kdf().freectx(context->original);
}

void reset_context(void* handle) {
  Context& context = *static_cast<Context*>(handle);
  if (context.original != nullptr) kdf().reset(context.original);
  context.derived = false;
}

int derive(void* handle, unsigned char* key, size_t size, const OSSL_PARAM params[]) {
  Context& context = *static_cast<Context*>(handle);
  if (context.original == nullptr) {
    if (const auto done = derive_here(params, {key, size})) {
      context.derived = true;
      return *done ? 1 : 0;
    }
  }
  return !context.derived && original_of(context) != nullptr ? kdf().derive(context.original, key, size, params) : 0;
}

int set_params(void* handle, const OSSL_PARAM params[]) {
  if (params == nullptr) return 1;
  void* original = original_of(*static_cast<Context*>(handle));
  return original != nullptr ? kdf().set_ctx_params(original, params) : 0;
}

int get_params(void* handle, OSSL_PARAM params[]) {
  void* original = original_of(*static_cast<Context*>(handle));
  return original != nullptr ? kdf().get_ctx_params(original, params) : 0;
}

// Of all contexts: asked without one.
const OSSL_PARAM* settable_params(void*, void* provider) {
  return kdf().settable_ctx_params(nullptr, provider);
}
const OSSL_PARAM* gettable_params(void*, void* provider) {
  return kdf().gettable_ctx_params(nullptr, provider);
}

template <class Function>
void (*as_entry(Function* function))() {
  return reinterpret_cast<void (*)()>(function);
}

}  // namespace

const OSSL_DISPATCH* tls13_key_derivation(const OSSL_DISPATCH* original) {
  static std::vector<OSSL_DISPATCH> table;
  KdfFunctions& functions = kdf();
  for (const OSSL_DISPATCH* entry = original; entry->function_id != 0; ++entry) {
    table.push_back(*entry);
    auto& function = table.back().function;
    switch (entry->function_id) {
      case OSSL_FUNC_KDF_NEWCTX:
        functions.newctx = OSSL_FUNC_kdf_newctx(entry);
        function = as_entry(new_context);
        break;
      case OSSL_FUNC_KDF_FREECTX:
        functions.freectx = OSSL_FUNC_kdf_freectx(entry);
        function = as_entry(free_context);
        break;
      case OSSL_FUNC_KDF_RESET:
        functions.reset = OSSL_FUNC_kdf_reset(entry);
        function = as_entry(reset_context);
        break;
      case OSSL_FUNC_KDF_DERIVE:
        functions.derive = OSSL_FUNC_kdf_derive(entry);
        function = as_entry(derive);
        break;
      case OSSL_FUNC_KDF_SET_CTX_PARAMS:
        functions.set_ctx_params = OSSL_FUNC_kdf_set_ctx_params(entry);
        function = as_entry(set_params);
        break;
      case OSSL_FUNC_KDF_GET_CTX_PARAMS:
        functions.get_ctx_params = OSSL_FUNC_kdf_get_ctx_params(entry);
        function = as_entry(get_params);
        break;
      case OSSL_FUNC_KDF_SETTABLE_CTX_PARAMS:
        functions.settable_ctx_params = OSSL_FUNC_kdf_settable_ctx_params(entry);
        function = as_entry(settable_params);
        break;
      case OSSL_FUNC_KDF_GETTABLE_CTX_PARAMS:
        functions.gettable_ctx_params = OSSL_FUNC_kdf_gettable_ctx_params(entry);
        function = as_entry(gettable_params);
        break;
      default:
        return original;  // it would be given a context that it does not know
    }
  }
  table.push_back({0, nullptr});
  return functions.complete() ? table.data() : original;
}

}  // namespace culvert::crypto
