// The sockets that port, proto, local and their kin ask for.
#include <algorithm>
#include <cstring>

#include "control/config/draft.h"

namespace culvert::config {
namespace {

abi::OpenPort make_port(const Draft& draft, const OuterProtocol& protocol, const abi::IpAddress& address, uint16_t port,
                        bool ipv6_only) {
  abi::OpenPort made{};
  made.local.address = address;
  made.local.transport = protocol.transport;
  made.local.port = port;
  made.ipv6_only = ipv6_only ? 1 : 0;
  made.receive_buffer = draft.receive_buffer;
  made.send_buffer = draft.send_buffer;
  made.mark = draft.mark;
  std::memcpy(made.device.data(), draft.device.data(), std::min(draft.device.size(), made.device.size() - 1));
  if (protocol.transport == abi::Transport::kTcp) {
    made.no_delay = draft.no_delay ? 1 : 0;
    made.hand_window = static_cast<uint32_t>(draft.config.settings.hand_window.count());
    made.share = draft.share;
  }
  return made;
}

abi::IpAddress any_address(abi::Family family) {
  abi::IpAddress address;
  address.family = family;
  return address;
}

/// Sockets for every address of this machine.
void listen_anywhere(Draft& draft, const OuterProtocol& protocol, uint16_t port) {
  std::vector<abi::OpenPort>& listen = draft.config.listen;
  if (protocol.family != abi::Family::kIpv6) {
    if (draft.ipv6_only) draft.error(*draft.find("bind"), "ipv6only needs proto udp6 or tcp6-server");
    listen.push_back(make_port(draft, protocol, any_address(abi::Family::kIpv4), port, false));
    return;
  }
  // Two sockets instead of one for both: so the dataplane never meets an IPv4 address written as an IPv6 one.
  listen.push_back(make_port(draft, protocol, any_address(abi::Family::kIpv6), port, true));
  if (!draft.ipv6_only) listen.push_back(make_port(draft, protocol, any_address(abi::Family::kIpv4), port, false));
}

void listen_at(Draft& draft, const Local& local) {
  // The family of a protocol that stands in `proto` is only binding when there is no other way to say it.
  const OuterProtocol& protocol = local.protocol.value_or(draft.protocol);
  uint16_t port = local.port.value_or(draft.port);
  if (local.address.family == abi::Family::kNone) return listen_anywhere(draft, protocol, port);
  if (protocol.family != abi::Family::kNone && protocol.family != local.address.family) {
    const Statement* proto = draft.find("proto");
    std::string name = local.protocol ? local.statement->args[2] : proto != nullptr ? proto->args[0] : "";
    return draft.error(*local.statement, "an address of the other IP version than proto " + name + " asks for");
  }
  // As in the reference, [::] takes IPv4 as well (socket.c, IPV6_V6ONLY).
  if (local.address == any_address(abi::Family::kIpv6))
    return listen_anywhere(draft, {protocol.transport, abi::Family::kIpv6}, port);
  bool is_ipv6 = local.address.family == abi::Family::kIpv6;
  draft.config.listen.push_back(make_port(draft, protocol, local.address, port, is_ipv6));
}

}  // namespace

void finish_listen(Draft& draft) {
  if (draft.locals.empty()) listen_anywhere(draft, draft.protocol, draft.port);
  for (const Local& local : draft.locals) listen_at(draft, local);
  std::vector<abi::OpenPort>& listen = draft.config.listen;
  for (size_t i = 1; i < listen.size(); ++i) {
    auto same = [&](const abi::OpenPort& other) { return other.local == listen[i].local; };
    if (std::none_of(listen.begin(), listen.begin() + static_cast<std::ptrdiff_t>(i), same)) continue;
    return draft.error(*draft.find("local"), "the same address, port and protocol a second time: remove one of them");
  }
  if (listen.size() > kMostSockets)
    return draft.error(*draft.find("local"), "more than " + std::to_string(kMostSockets) + " sockets: remove some");
  bool has_tcp =
      std::ranges::any_of(listen, [](const auto& one) { return one.local.transport == abi::Transport::kTcp; });
  const Statement* share = draft.find("port-share");
  if (share != nullptr && !has_tcp) draft.error(*share, "needs TCP: write proto tcp-server");
}

}  // namespace culvert::config
