// Base64 (RFC 4648, section 4), with padding.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace culvert::crypto {

std::string base64_encode(std::span<const uint8_t> bytes);

/// Nothing when the text is not exactly what base64_encode() makes of some bytes: no spaces, no line ends, no stray
/// bits.
std::optional<std::vector<uint8_t>> base64_decode(std::string_view text);

}  // namespace culvert::crypto
