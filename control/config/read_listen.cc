// Readers: outer addresses and sockets, packet sizes.
#include <net/if.h>

#include "control/config/arguments.h"
#include "control/config/readers.h"
#include "dataplane/abi/endpoint_text.h"

namespace culvert::config {
namespace {

constexpr uint32_t kSmallestPacket = 154;       // TLS_CHANNEL_MTU_MIN of the reference
constexpr uint32_t kLargestPacket = 2048;       // TLS_CHANNEL_BUF_SIZE
constexpr uint32_t kOuterIp4Udp = 28;           // IPv4 and UDP header
constexpr uint32_t kDataOverhead = 4 + 4 + 16;  // DATA_V2 header, packet-id, tag (RFC, AEAD)
constexpr uint32_t kMaxSocketBuffer = 1 << 30;

void set_mssfix(Draft& draft, uint32_t outer) {
  draft.config.settings.mssfix = static_cast<uint16_t>(std::min<uint32_t>(outer, UINT16_MAX));
}

}  // namespace

void read_port(Draft& draft, const Statement& statement) {
  if (auto n = number_argument(draft, statement, 0, 1, 65535)) draft.port = static_cast<uint16_t>(*n);
}

void read_lport(Draft& draft, const Statement& statement) {
  read_port(draft, statement);
}

namespace {

/// Reads the name of a protocol as `proto` and `local` have it; nothing, and a report, when a server can't have it.
std::optional<OuterProtocol> read_protocol(Draft& draft, const Statement& statement, const std::string& name) {
  constexpr std::pair<std::string_view, OuterProtocol> kNames[] = {
      {"udp", {abi::Transport::kUdp, abi::Family::kNone}},
      {"udp4", {abi::Transport::kUdp, abi::Family::kIpv4}},
      {"udp6", {abi::Transport::kUdp, abi::Family::kIpv6}},
      {"tcp", {abi::Transport::kTcp, abi::Family::kNone}},
      {"tcp4", {abi::Transport::kTcp, abi::Family::kIpv4}},
      {"tcp6", {abi::Transport::kTcp, abi::Family::kIpv6}},
      {"tcp-server", {abi::Transport::kTcp, abi::Family::kNone}},
      {"tcp4-server", {abi::Transport::kTcp, abi::Family::kIpv4}},
      {"tcp6-server", {abi::Transport::kTcp, abi::Family::kIpv6}}};
  for (const auto& [known, protocol] : kNames)
    if (known == name) return protocol;
  bool of_client = name.starts_with("tcp") && name.ends_with("-client");
  draft.error(statement, of_client ? "'" + name + "' is for clients: write tcp-server"
                                   : "'" + name + "' is not a protocol: write udp, udp6, tcp-server or tcp6-server");
  return std::nullopt;
}

}  // namespace

void read_local(Draft& draft, const Statement& statement) {
  Local local{&statement, {}, {}, {}};
  if (statement.args[0] != "*") {
    std::optional<abi::IpAddress> address = abi::parse_ip(statement.args[0]);
    if (!address) {
      return draft.error(statement, "'" + statement.args[0] +
                                        "' is not a numeric address: names are not looked up, write the address");
    }
    local.address = *address;
  }
  if (statement.args.size() > 1) {
    auto port = number_argument(draft, statement, 1, 1, 65535);
    if (!port) return;
    local.port = static_cast<uint16_t>(*port);
  }
  if (statement.args.size() > 2) {
    local.protocol = read_protocol(draft, statement, statement.args[2]);
    if (!local.protocol) return;
  }
  draft.locals.push_back(local);
}

void read_proto(Draft& draft, const Statement& statement) {
  if (auto protocol = read_protocol(draft, statement, statement.args[0])) draft.protocol = *protocol;
}

void read_tcp_nodelay(Draft& draft, const Statement&) {
  draft.no_delay = true;
}

void read_socket_flags(Draft& draft, const Statement& statement) {
  for (const std::string& flag : statement.args) {
    if (flag != "TCP_NODELAY")
      return draft.error(statement, "'" + flag + "' is not a flag: TCP_NODELAY is the only one");
    draft.no_delay = true;
  }
}

void read_port_share(Draft& draft, const Statement& statement) {
  const std::string& host = statement.args[0];
  std::optional<abi::IpAddress> address = abi::parse_ip(host == "localhost" ? "127.0.0.1" : host);
  if (!address) {
    return draft.error(statement,
                       "'" + host + "' is not a numeric address: names are not looked up, write the address");
  }
  auto port = number_argument(draft, statement, 1, 1, 65535);
  if (!port) return;
  if (statement.args.size() > 2) {
    return draft.error(statement,
                       "the folder for addresses of relayed connections is not supported: leave it out; the web server "
                       "sees connections from this machine");
  }
  draft.share.address = *address;
  draft.share.port = static_cast<uint16_t>(*port);
  draft.share.transport = abi::Transport::kTcp;
}

void read_bind(Draft& draft, const Statement& statement) {
  if (statement.args.empty()) return;
  if (statement.args[0] != "ipv6only")
    return draft.error(statement, "the argument can only be ipv6only, not '" + statement.args[0] + "'");
  draft.ipv6_only = true;
}

void read_bind_dev(Draft& draft, const Statement& statement) {
  if (statement.args[0].empty() || statement.args[0].size() >= IFNAMSIZ) {
    return draft.error(statement,
                       "'" + statement.args[0] + "' can't be the name of an interface (at most 15 characters)");
  }
  draft.device = statement.args[0];
}

void read_mark(Draft& draft, const Statement& statement) {
  if (auto n = number_argument(draft, statement, 0, 0, UINT32_MAX)) draft.mark = *n;
}

void read_sndbuf(Draft& draft, const Statement& statement) {
  if (auto n = number_argument(draft, statement, 0, 0, kMaxSocketBuffer)) draft.send_buffer = *n;
}

void read_rcvbuf(Draft& draft, const Statement& statement) {
  if (auto n = number_argument(draft, statement, 0, 0, kMaxSocketBuffer)) draft.receive_buffer = *n;
}

void read_tun_mtu(Draft& draft, const Statement& statement) {
  if (auto n = number_argument(draft, statement, 0, kSmallestTunMtu, kLargestTunMtu)) {
    draft.config.settings.tun_mtu = static_cast<uint16_t>(*n);
    // As in the reference: another MTU than 1500 is itself the limit, unless mssfix says otherwise.
    bool default_mssfix = draft.find("mssfix") == nullptr && draft.find("max-packet-size") == nullptr;
    if (default_mssfix && *n != 1500) set_mssfix(draft, *n + kDataOverhead + kOuterIp4Udp);
  }
  if (statement.args.size() == 2) number_argument(draft, statement, 1, 100, 65536);
}

void read_mssfix(Draft& draft, const Statement& statement) {
  if (statement.args.empty()) return set_mssfix(draft, 1492);
  auto size = number_argument(draft, statement, 0, 0, UINT16_MAX);
  if (!size) return;
  std::string meaning = statement.args.size() == 2 ? statement.args[1] : "";
  if (meaning != "" && meaning != "mtu" && meaning != "fixed") {
    return draft.error(statement, "the second argument can only be mtu or fixed, not '" + meaning + "'");
  }
  if (*size == 0) return set_mssfix(draft, 0);
  if (*size < kSmallestPacket) {
    return draft.error(
        statement, "must be 0 (off) or at least " + std::to_string(kSmallestPacket) + ", not " + std::to_string(*size));
  }
  // The engine's limit is the whole outer IP packet. Without a word, the size leaves the outer headers out.
  if (meaning == "mtu") return set_mssfix(draft, *size);
  set_mssfix(draft, *size + kOuterIp4Udp + (meaning == "fixed" ? kDataOverhead : 0));
}

void read_max_packet_size(Draft& draft, const Statement& statement) {
  auto size = number_argument(draft, statement, 0, kSmallestPacket, kLargestPacket);
  if (!size) return;
  set_mssfix(draft, *size);
  // The directive counts the outer IP and UDP headers (40 + 8 for IPv6), the engine's setting does not.
  draft.config.settings.max_packet_size = static_cast<uint16_t>(std::max<uint32_t>(*size, kSmallestPacket + 48) - 48);
}

}  // namespace culvert::config
