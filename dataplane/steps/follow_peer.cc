#include "dataplane/packet.h"
#include "dataplane/steps/steps.h"

namespace culvert::steps {
namespace {

using abi::DropReason;

uint64_t word(const abi::Endpoint& endpoint, size_t index) {
  uint64_t word;
  std::memcpy(&word, reinterpret_cast<const char*>(&endpoint) + index * sizeof word, sizeof word);
  return word;
}

// Asked for every packet: four words instead of a comparison per field, each read where it is (copies of the whole
// would go over the stack).
bool same_place(const abi::Endpoint& a, const abi::Endpoint& b) {
  static_assert(sizeof a == 32 && std::has_unique_object_representations_v<abi::Endpoint>);
  uint64_t difference = 0;
  for (size_t i = 0; i < 4; ++i) difference |= word(a, i) ^ word(b, i);
  return difference == 0;
}

// The packet is authentic and new, its transport and port are the session's (find_session). Still, a replayed older
// session or a client behind the same NAT must not be able to take over an address where another session lives
// (CVE-2020-11810).
Verdict follow(Packet& packet, PathContext& context) {
  session::Session& session = *packet.session;
  const PacketMeta& from = meta(packet.mbuf);
  const abi::IpAddress& address = from.remote.address;
  if (context.table->route(address.family == abi::Family::kIpv4 ? 4 : 6, address.bytes.data()) != nullptr)
    return Verdict::drop(DropReason::outer_inner_source);
  bool taken = context.table->find_by_address(from.remote, from.port) != nullptr;
  if (!session.where.may_float || taken || !context.table->set_remote(session, from.remote, from.port))
    return Verdict::drop(DropReason::float_refused);
  session.send.local = from.local;
  context.tally.add(abi::Counter::floats);
  context.events.floated(session);
  return Verdict::go_on();
}

}  // namespace

void follow_peer(Burst& burst, PathContext& context) {
  burst.each([&](Packet& packet) {
    bool stayed = same_place(packet.session->where.remote, meta(packet.mbuf).remote);
    if (stayed) [[likely]]
      return Verdict::go_on();
    return follow(packet, context);
  });
}

}  // namespace culvert::steps
