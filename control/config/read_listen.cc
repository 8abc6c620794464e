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

void read_local(Draft& draft, const Statement& statement) {
  draft.local = {};
  if (statement.args[0] == "*") return;
  std::optional<abi::IpAddress> address = abi::parse_ip(statement.args[0]);
  if (!address) {
    return draft.error(
        statement, "'" + statement.args[0] + "' is not a numeric address: names are not looked up, write the address");
  }
  draft.local = *address;
}

void read_proto(Draft& draft, const Statement& statement) {
  const std::string& proto = statement.args[0];
  if (proto.starts_with("tcp")) {
    return draft.error(statement, "TCP is not supported in this version: write proto udp (or udp6 for IPv4 and IPv6)");
  }
  if (proto != "udp" && proto != "udp4" && proto != "udp6") {
    return draft.error(statement, "'" + proto + "' is not a protocol: write proto udp (or udp6 for IPv4 and IPv6)");
  }
  draft.family = proto == "udp6" ? OuterFamily::kIpv6 : OuterFamily::kIpv4;
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
