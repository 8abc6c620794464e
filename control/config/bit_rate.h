// Bits per second as an operator writes and reads them: "800K", "20M", "1.5G".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "dataplane/abi/result.h"

namespace culvert::config {

/// A number, with a fraction or without, and a unit: K, M, G (thousands of each other) or nothing; small letters too.
/// At least 1 and at most abi::kMaxLimit; "none" is 0. What is behind a whole bit is left off. The error says what may
/// stand there.
Result<uint64_t> parse_bit_rate(std::string_view text);

/// "1.5 Mbit/s"; up to three digits behind the point.
std::string bit_rate_text(uint64_t bits);

}  // namespace culvert::config
