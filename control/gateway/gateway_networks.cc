// Networks behind clients (iroute): who has which.
#include "control/gateway/gateway.h"
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
  instances_[loser.instance]->server->lose_network(*before, network);
  io::log_within(log_budget_, io::mono_now(), io::LogLevel::kWarning,
                 "network " + hooks::network_text(network) + " is behind " + (winner ? winner->name : "a client") +
                     " (id " + std::to_string(session.peer_id) + ") from now on, and no more behind " + loser.name +
                     " (id " + std::to_string(before->peer_id) + "), which has the same iroute");
}

/// What the dataplane routes to the session already. Where two have the same network, the younger one has taken it.
void Gateway::adopt_networks(abi::SessionRef session, const BookEntry& entry, std::vector<abi::InnerPrefix> networks) {
  std::erase_if(networks, [&](const abi::InnerPrefix& network) {
    auto holder = networks_->holder(network);
    if (holder && *holder != session) {
      const BookEntry& other = *book_->find(*holder);
      if (other.since > entry.since) return true;
      instances_[other.instance]->server->lose_network(*holder, network);
    }
    networks_->take(network, session);
    return false;
  });
  instances_[entry.instance]->server->know_networks(session, std::move(networks));
}

}  // namespace culvert::gateway
