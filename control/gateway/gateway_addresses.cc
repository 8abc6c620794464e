// learn-address: a client gets in when a script has judged each of its addresses and networks.
#include <utility>

#include "control/gateway/gateway.h"
#include "control/hooks/client_environment.h"
#include "dataplane/abi/endpoint_text.h"

namespace culvert::gateway {

std::vector<std::string> Gateway::addresses_of(const openvpn::ClientGrant& grant) {
  std::vector<std::string> addresses;
  for (const abi::IpAddress& address : {abi::ipv4(grant.ip4), abi::ipv6(grant.ip6)})
    if (address.family != abi::Family::kNone) addresses.push_back(abi::to_text(address));
  for (const abi::InnerPrefix& route : grant.routes) addresses.push_back(hooks::network_text(route));
  return addresses;
}

void Gateway::learn_addresses(size_t index, abi::SessionRef session, Entering entering) {
  Instance& instance = *instances_[index];
  std::vector<std::string> addresses = addresses_of(entering.grant);
  if (addresses.empty()) return let_in(index, session, entering.grant);
  const uint32_t worker = entering.client.worker;
  Entering& waiting = instance.entering[session];
  waiting = std::move(entering);
  instance.address_hook->learn(session, waiting.client.request.identity.common_name, waiting.environment,
                               std::move(addresses),
                               [this, index, session, worker](const std::vector<std::string>& refused) {
                                 on_learnt(index, session, refused);
                                 carry_out(index, worker);
                               });
}

/// A refused address stays the client's in its own eyes, but no packet passes (multi.c, multi_learn_addr).
void Gateway::on_learnt(size_t index, abi::SessionRef session, const std::vector<std::string>& refused) {
  Instance& instance = *instances_[index];
  auto found = instance.entering.find(session);
  if (found == instance.entering.end()) return;
  openvpn::ClientGrant grant = std::move(found->second.grant);
  instance.entering.erase(found);
  for (const std::string& address : refused) {
    if (address == abi::to_text(abi::ipv4(grant.ip4))) grant.refused_ip4 = true;
    if (address == abi::to_text(abi::ipv6(grant.ip6))) grant.refused_ip6 = true;
    std::erase_if(grant.routes, [&](const abi::InnerPrefix& route) { return hooks::network_text(route) == address; });
  }
  let_in(index, session, grant);
}

}  // namespace culvert::gateway
