#include "control/crypto/tls_ec_decoder.h"

#include <openssl/bio.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/core_object.h>
#include <openssl/params.h>

#include <array>
#include <vector>

#include "control/crypto/tls_ec_keys.h"

namespace culvert::crypto {
namespace {

// OpenSSL's, from when the provider was started.
OSSL_FUNC_BIO_read_ex_fn* read_bytes = nullptr;
OSSL_FUNC_BIO_ctrl_fn* control = nullptr;
OSSL_FUNC_decoder_decode_fn* original_decode = nullptr;

/// The key at the front of `in`; null: none that is read here.
void* read_key(OSSL_CORE_BIO* in) {
  std::array<uint8_t, kMaxEcKeyInfo + 1> info;  // one more, to see that there is more
  size_t size = 0;
  return read_bytes(in, info.data(), info.size(), &size) == 1 ? read_ec_key(std::span(info).first(size)) : nullptr;
}

/// `context` is the original's.
int decode(void* context, OSSL_CORE_BIO* in, int selection, OSSL_CALLBACK* take, void* argument,
           OSSL_PASSPHRASE_CALLBACK* password, void* password_argument) {
  const int start = control(in, BIO_C_FILE_TELL, 0, nullptr);
  if (start < 0) return original_decode(context, in, selection, take, argument, password, password_argument);
  EcReference reference = refer_to_ec_key(read_key(in));
  if (reference.key == nullptr) {
    if (control(in, BIO_C_FILE_SEEK, start, nullptr) < 0) return 0;
    return original_decode(context, in, selection, take, argument, password, password_argument);
  }
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

}  // namespace

OSSL_ALGORITHM ec_decoder(const OSSL_ALGORITHM& original, const OSSL_DISPATCH* core) {
  for (; core->function_id != 0; ++core) {
    if (core->function_id == OSSL_FUNC_BIO_READ_EX) read_bytes = OSSL_FUNC_BIO_read_ex(core);
    if (core->function_id == OSSL_FUNC_BIO_CTRL) control = OSSL_FUNC_BIO_ctrl(core);
  }
  static std::vector<OSSL_DISPATCH> table;
  for (const OSSL_DISPATCH* entry = original.implementation; entry->function_id != 0; ++entry) {
    table.push_back(*entry);
    if (entry->function_id != OSSL_FUNC_DECODER_DECODE) continue;
    original_decode = OSSL_FUNC_decoder_decode(entry);
    table.back().function = reinterpret_cast<void (*)()>(decode);
  }
  table.push_back({0, nullptr});
  OSSL_ALGORITHM own = original;
  if (read_bytes != nullptr && control != nullptr && original_decode != nullptr) own.implementation = table.data();
  return own;
}

}  // namespace culvert::crypto
