#include "control/config/bit_rate.h"

#include <array>
#include <cstdio>
#include <optional>

#include "dataplane/abi/command.h"

namespace culvert::config {
namespace {

/// What the unit at the end of `text` stands for, which is taken off; 1: none.
uint64_t take_unit(std::string_view& text) {
  if (text.empty()) return 1;
  uint64_t unit = 1;
  switch (text.back()) {
    case 'k':
    case 'K':
      unit = 1'000;
      break;
    case 'm':
    case 'M':
      unit = 1'000'000;
      break;
    case 'g':
    case 'G':
      unit = 1'000'000'000;
      break;
    default:
      return 1;
  }
  text.remove_suffix(1);
  return unit;
}

/// "1", "1.5" or ".5", times `unit`; nothing when it is no such number, or too large.
std::optional<uint64_t> times(std::string_view number, uint64_t unit) {
  size_t point = number.find('.');
  std::string_view whole = number.substr(0, point);
  std::string_view fraction = point == std::string_view::npos ? std::string_view() : number.substr(point + 1);
  if (whole.empty() && fraction.empty()) return std::nullopt;
  uint64_t value = 0;
  for (char digit : whole) {
    if (digit < '0' || digit > '9') return std::nullopt;
    value = value * 10 + static_cast<uint64_t>(digit - '0') * unit;
    if (value > abi::kMaxLimit) return std::nullopt;
  }
  for (char digit : fraction) {
    if (digit < '0' || digit > '9') return std::nullopt;
    unit /= 10;
    value += static_cast<uint64_t>(digit - '0') * unit;
  }
  return value;
}

}  // namespace

Result<uint64_t> parse_bit_rate(std::string_view text) {
  if (text == "none") return uint64_t{0};
  std::string_view number = text;
  uint64_t unit = take_unit(number);
  std::optional<uint64_t> bits = times(number, unit);
  if (bits && *bits >= 1 && *bits <= abi::kMaxLimit) return *bits;
  return Error{"\"" + std::string(text) +
               "\" is no limit: give bits per second, such as 800K, 20M or 1.5G (1 to 400G), or none"};
}

std::string bit_rate_text(uint64_t bits) {
  constexpr std::array kUnits = {"bit/s", "kbit/s", "Mbit/s", "Gbit/s"};
  size_t unit = 0;
  uint64_t one = 1;
  for (; bits / one >= 1000 && unit + 1 < kUnits.size(); ++unit) one *= 1000;
  std::string text = std::to_string(bits / one);
  if (uint64_t thousandths = bits % one * 1000 / one; thousandths != 0) {
    std::array<char, 8> digits{};
    std::snprintf(digits.data(), digits.size(), ".%03u", static_cast<unsigned>(thousandths));
    text += digits.data();
    text.erase(text.find_last_not_of('0') + 1);
  }
  return text + " " + kUnits[unit];
}

}  // namespace culvert::config
