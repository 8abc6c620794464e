#include "dataplane/nic_options.h"

#include <net/if.h>

#include <charconv>
#include <optional>

#include "dataplane/abi/endpoint_text.h"

namespace culvert::dataplane {
namespace {

std::optional<uint32_t> number_of(std::string_view text) {
  uint32_t value = 0;
  auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

Result<abi::TunAddress> address_of(std::string_view text) {
  size_t slash = text.find('/');
  auto fail = [&] { return Error{"address=" + std::string(text) + ": write it like 192.0.2.1/24 or 2001:db8::1/64"}; };
  if (slash == std::string_view::npos) return fail();
  auto address = abi::parse_ip(std::string(text.substr(0, slash)));
  auto length = number_of(text.substr(slash + 1));
  if (!address || !length || *length < 1 || *length > (address->family == abi::Family::kIpv4 ? 32u : 128u))
    return fail();
  return abi::TunAddress{*address, static_cast<uint8_t>(*length)};
}

Status read_setting(std::string_view key, std::string_view value, NicOptions& port) {
  if (key == "name") {
    bool good = !value.empty() && value.size() < IFNAMSIZ && value.find_first_of("/: \t%") == std::string_view::npos;
    if (!good) return Error{"name=" + std::string(value) + ": can't be the name of an interface (1 to 15 characters)"};
    port.name = value;
    return {};
  }
  if (key == "mtu") {
    auto mtu = number_of(value);
    if (!mtu || *mtu < kMinNicMtu || *mtu > kMaxNicMtu)
      return Error{"mtu=" + std::string(value) + ": must be a number from " + std::to_string(kMinNicMtu) + " to " +
                   std::to_string(kMaxNicMtu)};
    port.mtu = *mtu;
    return {};
  }
  if (key == "address") {
    auto address = address_of(value);
    if (!address) return Error{address.error()};
    port.addresses.push_back(*address);
    return {};
  }
  return Error{std::string(key) + ": no such setting of a port; there are name, mtu and address"};
}

}  // namespace

Result<NicOptions> parse_nic_options(std::string_view text, size_t number) {
  NicOptions port;
  port.name = "nic" + std::to_string(number);
  size_t end = text.find(';');
  port.device = text.substr(0, end);
  if (port.device.empty()) return Error{"names no device"};
  while (end != std::string_view::npos) {
    text.remove_prefix(end + 1);
    end = text.find(';');
    std::string_view setting = text.substr(0, end);
    size_t equals = setting.find('=');
    if (equals == std::string_view::npos) return Error{std::string(setting) + ": write KEY=VALUE"};
    if (Status read = read_setting(setting.substr(0, equals), setting.substr(equals + 1), port); !read)
      return Error{read.error()};
  }
  if (port.addresses.size() > abi::kMaxTunAddresses)
    return Error{"more than " + std::to_string(abi::kMaxTunAddresses) + " addresses"};
  return port;
}

}  // namespace culvert::dataplane
