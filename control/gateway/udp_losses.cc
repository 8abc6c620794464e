#include "control/gateway/udp_losses.h"

#include <array>
#include <charconv>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>

namespace culvert::gateway {
namespace {

template <class Number>
std::optional<Number> number(std::string_view text, int base) {
  Number value{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Each four bytes of an address are printed as a number of this machine, eight digits.
std::optional<abi::IpAddress> address_of(std::string_view text, abi::Family family) {
  constexpr size_t kDigits = 8;
  const size_t words = family == abi::Family::kIpv4 ? 1 : 4;
  if (text.size() != words * kDigits) return std::nullopt;
  abi::IpAddress address;
  address.family = family;
  for (size_t i = 0; i < words; ++i) {
    auto word = number<uint32_t>(text.substr(i * kDigits, kDigits), 16);
    if (!word) return std::nullopt;
    std::memcpy(address.bytes.data() + i * sizeof *word, &*word, sizeof *word);
  }
  return address;
}

constexpr size_t kColumns = 13;

/// The words of a line, when there are as many as the table has columns.
std::optional<std::array<std::string_view, kColumns>> columns_of(std::string_view line) {
  std::array<std::string_view, kColumns> columns;
  size_t count = 0;
  for (size_t begin = line.find_first_not_of(' '); begin != line.npos; begin = line.find_first_not_of(' ')) {
    if (count == kColumns) return std::nullopt;
    line.remove_prefix(begin);
    columns[count] = line.substr(0, line.find(' '));
    line.remove_prefix(columns[count++].size());
  }
  if (count < kColumns) return std::nullopt;
  return columns;
}

}  // namespace

UdpLosses UdpLosses::read() {
  UdpLosses losses;
  std::ifstream udp("/proc/self/net/udp");
  losses.add(udp, abi::Family::kIpv4);
  std::ifstream udp6("/proc/self/net/udp6");
  losses.add(udp6, abi::Family::kIpv6);
  return losses;
}

void UdpLosses::add(std::istream& table, abi::Family family) {
  std::string line;
  std::getline(table, line);  // the headings
  while (std::getline(table, line)) {
    const auto columns = columns_of(line);
    if (!columns) continue;
    const std::string_view local = (*columns)[1];
    const size_t colon = local.find(':');
    if (colon == std::string_view::npos) continue;
    auto address = address_of(local.substr(0, colon), family);
    auto port = number<uint16_t>(local.substr(colon + 1), 16);
    auto drops = number<uint32_t>(columns->back(), 10);
    if (address && port && drops) lost_[{*address, *port}] += *drops;
  }
}

uint64_t UdpLosses::of(const abi::Endpoint& local) const {
  auto found = lost_.find({local.address, local.port});
  return found == lost_.end() ? 0 : found->second;
}

}  // namespace culvert::gateway
