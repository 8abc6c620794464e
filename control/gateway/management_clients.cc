// Clients as a management program sees them come and go.
#include "control/gateway/gateway.h"
#include "control/gateway/management_desk.h"
#include "control/gateway/session_rows.h"
#include "control/hooks/client_environment.h"
#include "dataplane/abi/endpoint_text.h"

namespace culvert::gateway {

uint64_t ManagementDesk::cid_of(abi::SessionRef session) const {
  auto [found, fresh] = cids_.try_emplace(session, next_cid_);
  if (fresh) ++next_cid_;
  return found->second;
}

void ManagementDesk::client_connected(const openvpn::SessionInfo& session) {
  if (!client_auth_) return;
  hooks::Environment environment;
  hooks::add_identity(environment, session.identity);
  hooks::add_remote(environment, session.remote, true);
  hooks::add_addresses(environment, session.grant);
  hooks::add_time(environment, session.connected_since);
  client_auth_->established(session.session, environment.strings());
  bool primary = true;
  for (const abi::IpAddress& address : {abi::ipv4(session.grant.ip4), abi::ipv6(session.grant.ip6)}) {
    if (address.family == abi::Family::kNone) continue;
    client_auth_->address(session.session, abi::to_text(address), primary);
    primary = false;
  }
}

void ManagementDesk::client_ended(const openvpn::SessionEnded& ended) {
  if (client_auth_) {
    hooks::Environment environment;
    environment.set("common_name", ended.common_name);
    hooks::add_remote(environment, ended.remote, ended.was_connected);
    const BookEntry* entry = gateway_.book_->find(ended.session);
    auto traffic = gateway_.traffic_of(ended.session).value_or(std::pair<uint64_t, uint64_t>());
    if (entry && ended.was_connected) {
      environment.set("bytes_received", entry->earlier_rx_bytes + traffic.first);
      environment.set("bytes_sent", entry->earlier_tx_bytes + traffic.second);
    }
    client_auth_->disconnected(ended.session, environment.strings());
  }
  cids_.erase(ended.session);
}

bool ManagementDesk::allow_client(uint64_t cid, uint32_t kid, std::vector<std::string> config) {
  return client_auth_ && client_auth_->allow(cid, kid, std::move(config));
}

bool ManagementDesk::deny_client(uint64_t cid, uint32_t kid, const std::string& reason,
                                 const std::string& client_reason) {
  return client_auth_ && client_auth_->deny(cid, kid, reason, client_reason);
}

bool ManagementDesk::delay_client(uint64_t cid, uint32_t kid, const std::string& extra, std::chrono::seconds timeout) {
  return client_auth_ && client_auth_->pending(cid, kid, extra, timeout);
}

}  // namespace culvert::gateway
