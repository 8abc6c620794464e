// Networks behind clients (iroute): who has which.
#include "control/gateway/gateway.h"
#include "control/gateway/network_list.h"
#include "control/hooks/client_environment.h"

namespace culvert::gateway {

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
