#include "control/config/arguments.h"

#include <arpa/inet.h>

#include <algorithm>
#include <bit>
#include <charconv>

#include "dataplane/abi/endpoint_text.h"

namespace culvert::config {

std::optional<uint32_t> to_number(std::string_view text) {
  uint32_t value = 0;
  auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || problem != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<uint32_t> number_argument(Draft& draft, const Statement& statement, size_t index, uint32_t least,
                                        uint32_t most) {
  const std::string& text = statement.args[index];
  std::optional<uint32_t> value = to_number(text);
  if (value && *value >= least && *value <= most) return value;
  draft.error(statement,
              "'" + text + "' is not a number from " + std::to_string(least) + " to " + std::to_string(most));
  return std::nullopt;
}

std::optional<uint64_t> large_number_argument(Draft& draft, const Statement& statement, size_t index) {
  const std::string& text = statement.args[index];
  int64_t value = 0;
  auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (!text.empty() && problem == std::errc{} && end == text.data() + text.size() && value >= 0)
    return static_cast<uint64_t>(value);
  draft.error(statement, "'" + text + "' is not a number from 0 to " + std::to_string(INT64_MAX));
  return std::nullopt;
}

std::optional<Ip4> parse_ip4(const std::string& text) {
  Ip4 ip;
  if (inet_pton(AF_INET, text.c_str(), ip.data()) == 1) return ip;
  return std::nullopt;
}

std::optional<uint8_t> parse_mask(const std::string& text) {
  std::optional<Ip4> mask = parse_ip4(text);
  if (!mask) return std::nullopt;
  auto ones = static_cast<uint8_t>(std::countl_one(to_u32(*mask)));
  if (to_u32(*mask) != mask_of(ones)) return std::nullopt;
  return ones;
}

std::optional<Prefix6> parse_prefix6(const std::string& text) {
  size_t slash = text.find('/');
  if (slash == std::string::npos) return std::nullopt;
  Prefix6 prefix;
  std::optional<uint32_t> length = to_number(std::string_view(text).substr(slash + 1));
  if (!length || *length > 128) return std::nullopt;
  if (inet_pton(AF_INET6, text.substr(0, slash).c_str(), prefix.address.data()) != 1) return std::nullopt;
  prefix.length = static_cast<uint8_t>(*length);
  return prefix;
}

std::optional<Ip4> ip4_argument(Draft& draft, const Statement& statement, size_t index) {
  std::optional<Ip4> ip = parse_ip4(statement.args[index]);
  if (!ip) draft.error(statement, "'" + statement.args[index] + "' is not an IPv4 address");
  return ip;
}

std::optional<Ip6> ip6_argument(Draft& draft, const Statement& statement, size_t index) {
  Ip6 ip;
  if (inet_pton(AF_INET6, statement.args[index].c_str(), ip.data()) == 1) return ip;
  draft.error(statement, "'" + statement.args[index] + "' is not an IPv6 address");
  return std::nullopt;
}

std::optional<uint8_t> mask_argument(Draft& draft, const Statement& statement, size_t index) {
  std::optional<uint8_t> prefix = parse_mask(statement.args[index]);
  if (!prefix) draft.error(statement, "'" + statement.args[index] + "' is not a netmask such as 255.255.255.0");
  return prefix;
}

std::optional<Prefix6> prefix6_argument(Draft& draft, const Statement& statement, size_t index, uint32_t least,
                                        uint32_t most) {
  const std::string& text = statement.args[index];
  std::optional<Prefix6> prefix = parse_prefix6(text);
  if (!prefix) {
    draft.error(statement, "'" + text + "' is not an IPv6 network such as fd12:3456:789a::/64");
  } else if (prefix->length < least || prefix->length > most) {
    draft.error(statement, "the prefix length must be from " + std::to_string(least) + " to " + std::to_string(most) +
                               ", not " + std::to_string(prefix->length));
    return std::nullopt;
  }
  return prefix;
}

Ip6 network_of(const Ip6& address, uint8_t prefix) {
  Ip6 network{};
  for (size_t i = 0; i < network.size(); ++i) {
    int bits = std::min(8, std::max(0, int{prefix} - static_cast<int>(8 * i)));
    network[i] = static_cast<uint8_t>(address[i] & (0xFF00 >> bits));
  }
  return network;
}

Ip6 add(const Ip6& address, uint32_t n) {
  Ip6 sum = address;
  uint64_t carry = n;
  for (size_t i = sum.size(); i-- > 0 && carry != 0;) {
    carry += sum[i];
    sum[i] = static_cast<uint8_t>(carry);
    carry >>= 8;
  }
  return sum;
}

std::string to_text(const Ip4& ip) {
  std::array<char, INET_ADDRSTRLEN> text{};
  return inet_ntop(AF_INET, ip.data(), text.data(), text.size());
}

std::string to_text(const Ip6& ip) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  return inet_ntop(AF_INET6, ip.data(), text.data(), text.size());
}

}  // namespace culvert::config
