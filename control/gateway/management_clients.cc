// Clients as a management program sees them come and go.
#include <algorithm>

#include "control/gateway/gateway.h"
#include "control/gateway/management_desk.h"
#include "control/gateway/session_rows.h"
#include "control/hooks/client_environment.h"
#include "dataplane/abi/endpoint_text.h"

namespace culvert::gateway {
namespace {

/// As ADDRESS writes it: with a netmask for IPv4, with the prefix length for IPv6 (mroute.c, mroute_addr_print_ex).
std::string network_text(const abi::InnerPrefix& network) {
  std::string text = abi::to_text(network.address) + "/";
  if (network.address.family == abi::Family::kIpv6) return text + std::to_string(network.length);
  uint64_t bits = ~uint64_t{0} << (32 - network.length);
  return text + abi::to_text(abi::ipv4({static_cast<uint8_t>(bits >> 24), static_cast<uint8_t>(bits >> 16),
                                        static_cast<uint8_t>(bits >> 8), static_cast<uint8_t>(bits)}));
}

}  // namespace

uint64_t ManagementDesk::cid_of(abi::SessionRef session) const {
  auto [found, fresh] = cids_.try_emplace(session, next_cid_);
  if (fresh) ++next_cid_;
  return found->second;
}

/// The number of clients comes first, as in the reference.
management::Environment ManagementDesk::with_count(const hooks::Environment& environment) const {
  management::Environment lines = {"n_clients=" + std::to_string(connected_ ? *connected_ : clients().size())};
  for (std::string& line : environment.strings()) lines.push_back(std::move(line));
  return lines;
}

management::Environment ManagementDesk::asking(const auth::AuthRequest& request) {
  hooks::Environment environment = gateway_.instances_[instance_]->environment;
  hooks::add_identity(environment, request.identity);
  hooks::add_remote(environment, request.remote, false);
  hooks::add_token(environment, request.token_session, request.token_state);
  if (!request.renewal) environments_[request.session] = environment;
  management::Environment lines = with_count(environment);
  // Passwords are not limited to the characters of scripts' variables.
  if (request.identity.has_credentials) lines.push_back("password=" + request.identity.password);
  return lines;
}

void ManagementDesk::client_connected(const openvpn::SessionInfo& session) {
  if (!client_auth_) return;
  connected_ = connected_ ? *connected_ + 1 : clients().size();
  for (const abi::IpAddress& address : {abi::ipv4(session.grant.ip4), abi::ipv6(session.grant.ip6)})
    if (address.family != abi::Family::kNone) client_auth_->address(session.session, abi::to_text(address), true);
  for (const abi::InnerPrefix& route : session.grant.routes)
    client_auth_->address(session.session, network_text(route), false);
  hooks::Environment environment = gateway_.instances_[instance_]->environment;
  hooks::add_identity(environment, session.identity);
  hooks::add_remote(environment, session.remote, false);
  hooks::add_remote(environment, session.remote, true);
  hooks::add_addresses(environment, session.grant);
  hooks::add_time(environment, session.connected_since);
  client_auth_->established(session.session, with_count(environment));
  environments_[session.session] = std::move(environment);
}

void ManagementDesk::renumber(abi::SessionRef from, abi::SessionRef to) {
  auto move = [&](auto& map) {
    auto known = map.extract(from);
    if (!known) return;
    known.key() = to;
    map.insert(std::move(known));
  };
  move(cids_);
  move(environments_);
  if (client_auth_) client_auth_->renumber(from, to);
}

void ManagementDesk::client_ended(const openvpn::SessionEnded& ended) {
  if (server_ && ended.reason == openvpn::EndReason::kClientExit) server_->notify(">NOTIFY:info,remote-exit,EXIT");
  if (client_auth_) {
    if (connected_ && ended.was_connected) --*connected_;
    hooks::Environment environment;
    if (auto known = environments_.extract(ended.session)) environment = std::move(known.mapped());
    hooks::add_remote(environment, ended.remote, ended.was_connected);  // where it was last
    const BookEntry* entry = gateway_.book_->find(ended.session);
    auto traffic = gateway_.traffic_of(ended.session).value_or(std::pair<uint64_t, uint64_t>());
    if (entry && ended.was_connected) {
      environment.set("bytes_received", entry->earlier_rx_bytes + traffic.first);
      environment.set("bytes_sent", entry->earlier_tx_bytes + traffic.second);
      auto duration = std::max<int64_t>(0, (io::now().wall - entry->since).count());
      environment.set("time_duration", static_cast<uint64_t>(duration));
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
