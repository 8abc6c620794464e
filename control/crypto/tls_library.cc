#include "control/crypto/tls_library.h"

#include <openssl/core_dispatch.h>
#include <openssl/provider.h>

#include <map>
#include <mutex>
#include <string_view>

#include "control/crypto/openssl.h"
#include "control/crypto/tls_algorithms.h"
#include "control/crypto/tls_ec_decoder.h"
#include "control/crypto/tls_ec_keys.h"
#include "control/crypto/tls_key_derivation.h"

namespace culvert::crypto {
namespace {

/// The default provider in the default context. Its algorithms keep it as their home when the slim provider hands them
/// on, so that nested look-ups (the digest inside a signature, random bytes inside a key generation) find everything.
OSSL_PROVIDER* default_provider() {
  static OSSL_PROVIDER* const provider = OSSL_PROVIDER_try_load(nullptr, "default", 1);
  return provider;
}

const OSSL_ALGORITHM* ask(int operation) {
  int no_cache = 0;  // the default provider's tables stay as they are
  return OSSL_PROVIDER_query_operation(default_provider(), operation, &no_cache);
}

/// What OpenSSL gave the slim provider when it was started.
const OSSL_DISPATCH* core_functions = nullptr;

bool is_named(const OSSL_ALGORITHM& algorithm, std::string_view name) {
  const std::string_view names = algorithm.algorithm_names != nullptr ? algorithm.algorithm_names : "";
  return names.substr(0, names.find(':')) == name;
}

/// What stands in the slim provider for one operation. The tables live as long as the process.
AlgorithmTable make_table(int operation) {
  AlgorithmTable table = tls_algorithms(Use::kOften, operation, ask(operation));
  for (OSSL_ALGORITHM& algorithm : table) {
    if (operation == OSSL_OP_KDF && is_named(algorithm, "TLS13-KDF"))
      algorithm.implementation = tls13_key_derivation(algorithm.implementation);
    if (!is_named(algorithm, "EC")) continue;
    if (operation == OSSL_OP_KEYMGMT)
      algorithm.implementation =
          ec_key_manager(algorithm.implementation, OSSL_PROVIDER_get0_provider_ctx(default_provider()));
    if (operation == OSSL_OP_DECODER) algorithm = ec_decoder(algorithm, core_functions);
  }
  return table;
}

const OSSL_ALGORITHM* query(void*, int operation, int* no_cache) {
  static std::map<int, AlgorithmTable> tables;
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  auto at = tables.find(operation);
  if (at == tables.end()) at = tables.emplace(operation, make_table(operation)).first;
  *no_cache = 0;
  return at->second.data();
}

const OSSL_ALGORITHM* other_keys(int operation) {
  static const AlgorithmTable keys = tls_algorithms(Use::kOtherKeys, OSSL_OP_KEYMGMT, ask(OSSL_OP_KEYMGMT));
  static const AlgorithmTable signatures = tls_algorithms(Use::kOtherKeys, OSSL_OP_SIGNATURE, ask(OSSL_OP_SIGNATURE));
  static const AlgorithmTable ciphers = tls_algorithms(Use::kOtherKeys, OSSL_OP_ASYM_CIPHER, ask(OSSL_OP_ASYM_CIPHER));
  static const AlgorithmTable decoders = tls_algorithms(Use::kOtherKeys, OSSL_OP_DECODER, ask(OSSL_OP_DECODER));
  switch (operation) {
    case OSSL_OP_KEYMGMT:
      return keys.data();
    case OSSL_OP_SIGNATURE:
      return signatures.data();
    case OSSL_OP_ASYM_CIPHER:
      return ciphers.data();
    case OSSL_OP_DECODER:
      return decoders.data();
    default:
      return nullptr;
  }
}

/// The third provider, which is not there before somebody needs it.
const OSSL_ALGORITHM* query_other_keys(void*, int operation, int* no_cache) {
  *no_cache = 0;
  return other_keys(operation);
}

/// While this thread makes an SSL_CTX, for which OpenSSL looks once which signatures there are.
thread_local bool making_context = false;

/// The second provider: what OpenSSL is not to keep.
const OSSL_ALGORITHM* query_seldom(void*, int operation, int* no_cache) {
  static const AlgorithmTable ciphers = tls_algorithms(Use::kSeldom, OSSL_OP_CIPHER, ask(OSSL_OP_CIPHER));
  static const AlgorithmTable digests = tls_algorithms(Use::kSeldom, OSSL_OP_DIGEST, ask(OSSL_OP_DIGEST));
  *no_cache = 1;
  if (operation == OSSL_OP_CIPHER) return ciphers.data();
  if (operation == OSSL_OP_DIGEST) return digests.data();
  return making_context ? other_keys(operation) : nullptr;
}

/// The groups of TLS.
int capabilities(void*, const char* capability, OSSL_CALLBACK* callback, void* argument) {
  return OSSL_PROVIDER_get_capabilities(default_provider(), capability, callback, argument);
}

template <class Function>
OSSL_DISPATCH entry(int id, Function* function) {
  return {id, reinterpret_cast<void (*)()>(function)};
}

int start_provider(const OSSL_CORE_HANDLE*, const OSSL_DISPATCH* core, const OSSL_DISPATCH** functions,
                   void** context) {
  static const OSSL_DISPATCH table[] = {entry(OSSL_FUNC_PROVIDER_QUERY_OPERATION, query),
                                        entry(OSSL_FUNC_PROVIDER_GET_CAPABILITIES, capabilities),
                                        {0, nullptr}};
  core_functions = core;
  *functions = table;
  *context = OSSL_PROVIDER_get0_provider_ctx(default_provider());
  return 1;
}

/// One of those that have nothing but algorithms.
template <auto Query>
int start_further_provider(const OSSL_CORE_HANDLE*, const OSSL_DISPATCH*, const OSSL_DISPATCH** functions,
                           void** context) {
  static const OSSL_DISPATCH table[] = {entry(OSSL_FUNC_PROVIDER_QUERY_OPERATION, Query), {0, nullptr}};
  *functions = table;
  *context = OSSL_PROVIDER_get0_provider_ctx(default_provider());
  return 1;
}

bool start(OSSL_LIB_CTX* library, const char* name, OSSL_provider_init_fn* provider) {
  return OSSL_PROVIDER_add_builtin(library, name, provider) == 1 && OSSL_PROVIDER_load(library, name) != nullptr;
}

OSSL_LIB_CTX* make_library() {
  if (OPENSSL_init_ssl(0, nullptr) != 1 || !only_default_provider() || default_provider() == nullptr) return nullptr;
  OSSL_LIB_CTX* library = OSSL_LIB_CTX_new();
  if (library == nullptr) return nullptr;
  if (start(library, "culvert-tls", start_provider) &&
      start(library, "culvert-tls-seldom", start_further_provider<query_seldom>))
    return library;
  OSSL_LIB_CTX_free(library);
  return nullptr;
}

}  // namespace

OSSL_LIB_CTX* tls_library() {
  static OSSL_LIB_CTX* const library = [] {
    OSSL_LIB_CTX* made = make_library();
    ERR_clear_error();
    return made;
  }();
  return library;
}

OwnedSslCtx new_tls_context(const SSL_METHOD* method) {
  OSSL_LIB_CTX* library = tls_library();
  making_context = true;
  OwnedSslCtx context(SSL_CTX_new_ex(library, nullptr, method));
  making_context = false;
  return context;
}

void add_other_keys() {
  static std::once_flag once;
  std::call_once(once, [] {
    OSSL_LIB_CTX* library = tls_library();
    if (library == nullptr) return;  // OpenSSL's own context has them
    start(library, "culvert-tls-other-keys", start_further_provider<query_other_keys>);
    ERR_clear_error();
  });
}

}  // namespace culvert::crypto
