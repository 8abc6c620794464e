// The first message inside TLS, from a client whose certificate is good but whose words need not be.
#include "control/openvpn/key_method2.h"

#include "tests/fuzz/input.h"

using namespace culvert;
using namespace culvert::openvpn;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  Side writer = (input.byte() & 1) != 0 ? Side::kServer : Side::kClient;
  auto parsed = parse_key_method2(input.rest(), writer);
  if (!parsed) {
    fuzz::require(!parsed.error().empty());
    return 0;
  }
  // Nothing in it can break a log line, an environment variable or a line of peer-info.
  for (const std::string* text : {&parsed->options, &parsed->username, &parsed->password, &parsed->peer_info})
    for (char c : *text) fuzz::require(c != '\0');
  fuzz::require(parsed->username.find_first_of("\n\r\x1b") == std::string::npos);
  fuzz::require(parsed->peer_info.empty() || parsed->peer_info.back() == '\n');
  for (std::string_view name : {"IV_PROTO", "IV_VER", "", "IV_CIPHERS"}) peer_info_value(parsed->peer_info, name);
  return 0;
}
