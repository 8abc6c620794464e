// Key files, as an operator's editor may have left them. What is read can be written and read again.
#include "control/openvpn/key_files.h"

#include "tests/fuzz/input.h"

using namespace culvert;
using namespace culvert::openvpn;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (auto key = parse_static_key(text)) {
    auto again = parse_static_key(write_static_key(*key));
    fuzz::require(again && *again == *key);
  }
  if (auto key = parse_tls_crypt_v2_server_key(text)) {
    auto written = write_tls_crypt_v2_server_key(*key);
    fuzz::require(static_cast<bool>(written));
    auto again = parse_tls_crypt_v2_server_key(*written);
    fuzz::require(again && *again == *key);
  }
  if (auto file = parse_tls_crypt_v2_client_key(text)) {
    auto written = write_tls_crypt_v2_client_key(*file);
    fuzz::require(static_cast<bool>(written));
    auto again = parse_tls_crypt_v2_client_key(*written);
    fuzz::require(again && again->key == file->key && again->wrapped == file->wrapped);
  }
  return 0;
}
