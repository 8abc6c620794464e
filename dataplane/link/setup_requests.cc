#include "dataplane/link/setup_requests.h"

#include <algorithm>
#include <string>

namespace culvert::dataplane {
namespace {

constexpr uint32_t kMostHandWindow = 86'400;  ///< seconds

/// True when `text` ends inside its array and holds printable characters only.
template <size_t N>
bool is_text(const std::array<char, N>& text) {
  auto end = std::find(text.begin(), text.end(), '\0');
  return end != text.end() && std::all_of(text.begin(), end, [](char c) { return c > ' ' && c <= '~'; });
}

}  // namespace

bool is_valid(const abi::IpAddress& address) {
  size_t used = 0;
  switch (address.family) {
    case abi::Family::kNone:
      break;
    case abi::Family::kIpv4:
      used = 4;
      break;
    case abi::Family::kIpv6:
      used = 16;
      break;
    default:
      return false;
  }
  return std::all_of(address.bytes.begin() + static_cast<std::ptrdiff_t>(used), address.bytes.end(),
                     [](uint8_t byte) { return byte == 0; });
}

Status check_hello(const abi::Hello& hello) {
  if (hello.magic != abi::kSetupMagic) return Error{"not a culvert control (magic differs)"};
  if (hello.abi_version != abi::kAbiVersion)
    return Error{"dataplane speaks version " + std::to_string(abi::kAbiVersion) + " of the link and control version " +
                 std::to_string(hello.abi_version) + ": restart the older of the two"};
  return {};
}

Status check_open_port(const abi::OpenPort& request) {
  if (request.port >= abi::kMaxPorts && request.port != abi::kFindPort)
    return Error{"port number " + std::to_string(request.port) + " is out of range (0 to " +
                 std::to_string(abi::kMaxPorts - 1) + ")"};
  if (request.ipv6_only > 1) return Error{"open port: ipv6_only is neither 0 nor 1"};
  bool is_tcp = request.local.transport == abi::Transport::kTcp;
  if (!is_tcp && request.local.transport != abi::Transport::kUdp) return Error{"open port: unknown transport"};
  if (request.no_delay > 1) return Error{"open port: no_delay is neither 0 nor 1"};
  if (is_tcp && (request.hand_window < 1 || request.hand_window > kMostHandWindow))
    return Error{"open port: a hand-window of " + std::to_string(request.hand_window) + " s is not between 1 and " +
                 std::to_string(kMostHandWindow)};
  if (!is_valid(request.share.address)) return Error{"open port: malformed port-share address"};
  if (request.share.address.family != abi::Family::kNone && (!is_tcp || request.share.port == 0))
    return Error{"open port: port-share needs a TCP port, and a port to relay to"};
  if (!is_valid(request.local.address) || request.local.address.family == abi::Family::kNone)
    return Error{"open port: the address is neither IPv4 nor IPv6"};
  if (request.local.port == 0) return Error{"open port: port 0 is none that a client could be told"};
  if (!is_text(request.device)) return Error{"open port: the device name does not end, or is no text"};
  return {};
}

Status check_open_tun(const abi::OpenTun& request) {
  if (!is_text(request.name)) return Error{"open TUN: the name does not end, or is no text"};
  for (const abi::TunAddress& one : request.addresses)
    if (!is_valid(one.address)) return Error{"open TUN: malformed address"};
  for (const abi::TunRoute& one : request.routes)
    if (!is_valid(one.network) || !is_valid(one.gateway)) return Error{"open TUN: malformed route"};
  constexpr uint32_t kMostTxQueue = 1'000'000;
  if (request.tx_queue_length > kMostTxQueue)
    return Error{"open TUN: a transmit queue of " + std::to_string(request.tx_queue_length) + " packets is more than " +
                 std::to_string(kMostTxQueue)};
  return {};
}

}  // namespace culvert::dataplane
