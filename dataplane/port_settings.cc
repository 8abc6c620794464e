#include "dataplane/port_settings.h"

#include <algorithm>
#include <array>
#include <string>

namespace culvert::dataplane {
namespace {

/// The text of a request's array, which validation found to end.
template <size_t N>
std::string text_of(const std::array<char, N>& text) {
  return std::string(text.data());
}

/// What both kinds of sockets have.
void read_common(const abi::OpenPort& request, bool is_shared, drivers::SocketSettings& settings) {
  settings.local = request.local;
  settings.local.stream = 0;
  settings.ipv6_only = request.ipv6_only != 0;
  settings.receive_buffer = request.receive_buffer;
  settings.send_buffer = request.send_buffer;
  settings.mark = request.mark;
  settings.device = text_of(request.device);
  settings.is_shared = is_shared;
}

drivers::TcpSettings tcp_settings(const abi::OpenPort& request, bool is_shared) {
  drivers::TcpSettings settings;
  read_common(request, is_shared, settings);
  settings.no_delay = request.no_delay != 0;
  settings.hand_window_ms = request.hand_window * 1000;
  settings.first_packet_ms = std::min(settings.first_packet_ms, settings.hand_window_ms);
  settings.share = request.share;
  return settings;
}

}  // namespace

OuterSettings settings_of(const abi::OpenPort& request, bool is_shared) {
  if (request.local.transport == abi::Transport::kTcp) return tcp_settings(request, is_shared);
  drivers::UdpSettings udp;
  read_common(request, is_shared, udp);
  return udp;
}

drivers::TunSettings settings_of(const abi::OpenTun& request) {
  drivers::TunSettings settings;
  settings.name = text_of(request.name);
  settings.mtu = request.mtu;
  settings.tx_queue_length = request.tx_queue_length;
  for (const abi::TunAddress& one : request.addresses)
    if (one.address.family != abi::Family::kNone) settings.addresses.push_back(one);
  for (const abi::TunRoute& one : request.routes)
    if (one.network.family != abi::Family::kNone) settings.routes.push_back(one);
  return settings;
}

uint16_t local_port(const OuterSettings& settings) {
  if (const auto* tcp = std::get_if<drivers::TcpSettings>(&settings)) return tcp->local.port;
  const auto* udp = std::get_if<drivers::UdpSettings>(&settings);
  return udp ? udp->local.port : 0;
}

bool is_same_port(const OuterSettings& a, const OuterSettings& b) {
  return a.index() == b.index() && std::visit(
                                       [&b](const auto& one) {
                                         if constexpr (requires { one.local; }) {
                                           const auto& other = std::get<std::remove_cvref_t<decltype(one)>>(b);
                                           return one.local == other.local && one.device == other.device;
                                         }
                                         return false;
                                       },
                                       a);
}

bool takes_from_nics(const drivers::UdpSettings& settings) {
  return settings.mark == 0 && settings.device.empty();
}

}  // namespace culvert::dataplane
