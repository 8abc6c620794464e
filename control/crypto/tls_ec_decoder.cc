#include "control/crypto/tls_ec_decoder.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/core_object.h>
#include <openssl/params.h>

#include <array>

#include "control/crypto/tls_ec_keys.h"

namespace culvert::crypto {
namespace {

OSSL_FUNC_BIO_read_ex_fn* read_bytes = nullptr;  // OpenSSL's, from when the provider was started

void* new_context(void*) {
  static char none;  // it remembers nothing
  return &none;
}

void free_context(void*) {}

int does_selection(void*, int selection) {
  return selection == 0 || (selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY) != 0 ? 1 : 0;
}

/// 1 without a call of `take` means: not for this decoder.
int decode(void*, OSSL_CORE_BIO* in, int, OSSL_CALLBACK* take, void* argument, OSSL_PASSPHRASE_CALLBACK*, void*) {
  std::array<uint8_t, kMaxEcKeyInfo + 1> info;  // one more, to see that there is more
  size_t size = 0;
  if (read_bytes(in, info.data(), info.size(), &size) != 1) return 1;
  EcReference reference = refer_to_ec_key(read_ec_key(std::span(info).first(size)));
  if (reference.key == nullptr) return 1;
  int kind = OSSL_OBJECT_PKEY;
  std::array<char, 3> type = {"EC"};
  std::array params = {OSSL_PARAM_construct_int(OSSL_OBJECT_PARAM_TYPE, &kind),
                       OSSL_PARAM_construct_utf8_string(OSSL_OBJECT_PARAM_DATA_TYPE, type.data(), 0),
                       OSSL_PARAM_construct_octet_string(OSSL_OBJECT_PARAM_REFERENCE, &reference, sizeof(reference)),
                       OSSL_PARAM_construct_end()};
  const int done = take(params.data(), argument);
  free_ec_key(reference.key);  // when nobody took it
  return done;
}

template <class Function>
OSSL_DISPATCH entry(int id, Function* function) {
  return {id, reinterpret_cast<void (*)()>(function)};
}

}  // namespace

OSSL_ALGORITHM ec_decoder(const OSSL_DISPATCH* core) {
  for (; core->function_id != 0; ++core)
    if (core->function_id == OSSL_FUNC_BIO_READ_EX) read_bytes = OSSL_FUNC_BIO_read_ex(core);
  static const std::array functions = {entry(OSSL_FUNC_DECODER_NEWCTX, new_context),
                                       entry(OSSL_FUNC_DECODER_FREECTX, free_context),
                                       entry(OSSL_FUNC_DECODER_DOES_SELECTION, does_selection),
                                       entry(OSSL_FUNC_DECODER_DECODE, decode), OSSL_DISPATCH{0, nullptr}};
  return {"EC", "provider=culvert,input=der,structure=SubjectPublicKeyInfo", functions.data(),
          "EC keys of certificates, NIST prime curves"};
}

}  // namespace culvert::crypto
