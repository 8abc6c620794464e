// PEM armour around bytes that are not X.509 (OpenVPN's tls-crypt-v2 keys use it).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/abi/result.h"

namespace culvert::crypto {

/// "-----BEGIN label-----" … "-----END label-----" around the bytes.
Result<std::string> pem_encode(std::string_view label, std::span<const uint8_t> bytes);

/// The bytes of the first block with this label. An error says what was found instead.
Result<std::vector<uint8_t>> pem_decode(std::string_view label, std::string_view text);

}  // namespace culvert::crypto
