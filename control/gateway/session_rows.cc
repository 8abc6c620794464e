#include "control/gateway/session_rows.h"

#include <algorithm>

#include "control/gateway/names.h"
#include "control/io/clock.h"
#include "dataplane/abi/endpoint_text.h"

namespace culvert::gateway {
namespace {

/// The value of `key` in peer-info ("IV_VER=2.6.14\nIV_PLAT=linux\n").
std::string peer_info(const std::string& lines, const std::string& key) {
  std::string wanted = key + "=";
  for (size_t start = 0; start < lines.size();) {
    size_t end = std::min(lines.find('\n', start), lines.size());
    if (lines.compare(start, wanted.size(), wanted) == 0)
      return lines.substr(start + wanted.size(), end - start - wanted.size());
    start = end + 1;
  }
  return "";
}

std::string text_or_empty(const abi::IpAddress& address) {
  return address.family == abi::Family::kNone ? std::string() : abi::to_text(address);
}

void add_traffic(admin::SessionRow& row, const openvpn::SessionInfo& session, const abi::LinkView& link) {
  if (session.session.peer_id >= link.sessions()) return;
  const abi::WorkerRecord& worker = link.session(session.session.peer_id).worker;
  if (worker.generation.load(std::memory_order_acquire) != session.session.generation) return;
  row.rx_bytes += worker.rx_bytes.load(std::memory_order_relaxed);
  row.tx_bytes += worker.tx_bytes.load(std::memory_order_relaxed);
  row.rx_packets += worker.rx_packets.load(std::memory_order_relaxed);
  row.tx_packets += worker.tx_packets.load(std::memory_order_relaxed);
  row.drops = worker.drops.load(std::memory_order_relaxed);
  uint64_t last = worker.last_rx_ns.load(std::memory_order_relaxed);
  uint64_t now = io::to_ns(io::mono_now());
  if (last != 0) row.last_seen_s = now > last ? (now - last) / 1'000'000'000 : 0;
}

}  // namespace

admin::SessionRow session_row(const openvpn::SessionInfo& session, const std::string& server, const BookEntry* entry,
                              const abi::LinkView& link) {
  admin::SessionRow row;
  row.id = session.session.peer_id;
  row.generation = session.session.generation;
  row.common_name = session.identity.common_name;
  row.remote = abi::to_text(session.remote);
  row.ip4 = text_or_empty(abi::ipv4(session.grant.ip4));
  row.ip6 = text_or_empty(abi::ipv6(session.grant.ip6));
  row.cipher = name_of(session.cipher);
  row.connected_since = session.connected_since;
  row.connected_s = static_cast<uint64_t>(std::max<int64_t>(0, (io::now().wall - session.connected_since).count()));
  row.wrap = name_of(session.wrap);
  row.dynamic_wrap = session.dynamic_tls_crypt;
  row.tls_version = session.identity.tls_version;
  row.tls_cipher = session.identity.tls_cipher;
  row.key_derivation = session.tls_key_export ? "tls-ekm" : "prf";
  row.key_id = session.key_id;
  row.renegotiations = session.renegotiations;
  row.username = session.identity.username;
  row.certificate_serial = session.identity.serial;
  row.client_version = peer_info(session.identity.peer_info, "IV_VER");
  row.platform = peer_info(session.identity.peer_info, "IV_PLAT");
  row.server = server;
  if (session.limit.from_client != 0) row.limit_in = session.limit.from_client;
  if (session.limit.to_client != 0) row.limit_out = session.limit.to_client;
  if (entry) {
    row.worker = entry->worker;
    row.rx_bytes = entry->earlier_rx_bytes;
    row.tx_bytes = entry->earlier_tx_bytes;
    row.rx_packets = entry->earlier_rx_packets;
    row.tx_packets = entry->earlier_tx_packets;
  }
  add_traffic(row, session, link);
  return row;
}

}  // namespace culvert::gateway
