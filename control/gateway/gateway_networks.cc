// Networks behind clients (iroute), and addresses of their own: who has which.
#include "control/gateway/gateway.h"
#include "control/gateway/network_list.h"
#include "control/hooks/client_environment.h"
#include "dataplane/abi/endpoint_text.h"

namespace culvert::gateway {
namespace {

std::vector<abi::InnerPrefix> own_prefixes(const openvpn::ClientGrant& grant) {
  std::vector<abi::InnerPrefix> prefixes;
  for (const abi::IpAddress& address : {abi::ipv4(grant.ip4), abi::ipv6(grant.ip6)})
    if (address.family != abi::Family::kNone)
      prefixes.push_back(
          {.address = address, .length = static_cast<uint8_t>(address.family == abi::Family::kIpv4 ? 32 : 128)});
  return prefixes;
}

}  // namespace

/// The dataplane takes no session whose address is another's. What the pool gives is nobody else's; what is set for a
/// client may be, whether by mistake or because its session before has not timed out yet (duplicate-cn).
std::string Gateway::take_own_addresses(abi::SessionRef session, const openvpn::ClientGrant& grant) {
  const std::vector<abi::InnerPrefix> prefixes = own_prefixes(grant);
  for (const abi::InnerPrefix& prefix : prefixes) {
    for (NetworkBook* book : {&*own_addresses_, &*networks_}) {
      auto holder = book->holder(prefix);
      if (!holder || *holder == session) continue;
      const BookEntry& other = *book_->find(*holder);
      return abi::to_text(prefix.address) + (book == &*networks_ ? " lies behind " : " belongs to ") + other.name +
             " (id " + std::to_string(holder->peer_id) +
             "): set each client (ifconfig-push) an address of its own, outside of all pools";
    }
  }
  for (const abi::InnerPrefix& prefix : prefixes) own_addresses_->take(prefix, session);
  return "";
}

void Gateway::take_network(const abi::InnerPrefix& network, abi::SessionRef session) {
  auto before = networks_->take(network, session);
  if (!before) return;
  const BookEntry& loser = *book_->find(*before);
  const BookEntry* winner = book_->find(session);
  abi::Command command{};
  command.kind = abi::CommandKind::kRemoveRoute;
  command.session = *before;
  command.body.route = network;
  tell_workers(command, loser.worker);
  lose_network(network, *before, loser);
  io::log_within(log_budget_, io::mono_now(), io::LogLevel::kWarning,
                 "network " + hooks::network_text(network) + " is behind " + (winner ? winner->name : "a client") +
                     " (id " + std::to_string(session.peer_id) + ") from now on, and no more behind " + loser.name +
                     " (id " + std::to_string(before->peer_id) + "), which has the same iroute");
}

void Gateway::lose_network(const abi::InnerPrefix& network, abi::SessionRef loser, const BookEntry& entry) {
  instances_[entry.instance]->server->lose_network(loser, network);
  take_away(link_.mapping()->view().networks(loser.peer_id), loser.generation, network);
}

std::vector<abi::InnerPrefix> Gateway::recorded_networks(abi::SessionRef session, const std::string& name) const {
  auto networks = read_networks(link_.mapping()->view().networks(session.peer_id), session.generation);
  if (networks) return *std::move(networks);
  io::log(io::LogLevel::kWarning, "what the dataplane's memory says of the networks behind " + name + " (id " +
                                      std::to_string(session.peer_id) +
                                      ") makes no sense: should the dataplane be replaced, it won't route them again "
                                      "until the client connects anew (culvert session kill)");
  return {};
}

/// What the dataplane routes to the session already. Where two have the same network, because the control before was
/// killed between the two, the younger one has taken it.
void Gateway::adopt_networks(abi::SessionRef session, const BookEntry& entry,
                             const std::vector<abi::InnerPrefix>& networks) {
  if (auto info = instances_[entry.instance]->server->session(session))
    for (const abi::InnerPrefix& prefix : own_prefixes(info->grant)) own_addresses_->take(prefix, session);
  for (const abi::InnerPrefix& network : networks) {
    auto holder = networks_->holder(network);
    if (holder && *holder != session) {
      const BookEntry& other = *book_->find(*holder);
      if (other.since > entry.since) {
        lose_network(network, session, entry);
        continue;
      }
      lose_network(network, *holder, other);
    }
    networks_->take(network, session);
  }
}

}  // namespace culvert::gateway
