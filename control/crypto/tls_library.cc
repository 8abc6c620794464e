#include "control/crypto/tls_library.h"

#include <openssl/core_dispatch.h>
#include <openssl/provider.h>

#include <string_view>

#include "control/crypto/openssl.h"
#include "control/crypto/tls_algorithms.h"

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

const OSSL_ALGORITHM* query(void*, int operation, int* no_cache) {
  static const AlgorithmTable decoders = public_key_decoders(ask(OSSL_OP_DECODER));
  static const AlgorithmTable managers = key_managers(ask(OSSL_OP_KEYMGMT));
  *no_cache = 0;
  if (operation == OSSL_OP_DECODER) return decoders.data();
  if (operation == OSSL_OP_KEYMGMT) return managers.data();
  return ask(operation);
}

/// The groups of TLS.
int capabilities(void*, const char* capability, OSSL_CALLBACK* callback, void* argument) {
  return OSSL_PROVIDER_get_capabilities(default_provider(), capability, callback, argument);
}

template <class Function>
OSSL_DISPATCH entry(int id, Function* function) {
  return {id, reinterpret_cast<void (*)()>(function)};
}

int start_provider(const OSSL_CORE_HANDLE*, const OSSL_DISPATCH*, const OSSL_DISPATCH** functions, void** context) {
  static const OSSL_DISPATCH table[] = {entry(OSSL_FUNC_PROVIDER_QUERY_OPERATION, query),
                                        entry(OSSL_FUNC_PROVIDER_GET_CAPABILITIES, capabilities),
                                        {0, nullptr}};
  *functions = table;
  *context = OSSL_PROVIDER_get0_provider_ctx(default_provider());
  return 1;
}

int note_foreign(OSSL_PROVIDER* provider, void* foreign) {
  if (std::string_view(OSSL_PROVIDER_get0_name(provider)) != "default") *static_cast<bool*>(foreign) = true;
  return 1;
}

/// What openssl.cnf decides must go on deciding.
bool only_default_provider() {
  bool foreign = false;
  return OSSL_PROVIDER_do_all(nullptr, note_foreign, &foreign) == 1 && !foreign &&
         EVP_default_properties_is_fips_enabled(nullptr) == 0;
}

OSSL_LIB_CTX* make_library() {
  constexpr const char* kName = "culvert-tls";
  if (OPENSSL_init_ssl(0, nullptr) != 1 || !only_default_provider() || default_provider() == nullptr) return nullptr;
  OSSL_LIB_CTX* library = OSSL_LIB_CTX_new();
  if (library == nullptr) return nullptr;
  if (OSSL_PROVIDER_add_builtin(library, kName, start_provider) == 1 && OSSL_PROVIDER_load(library, kName) != nullptr)
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

}  // namespace culvert::crypto
