#include "dataplane/steps/follow_peer.h"

#include "dataplane/steps/find_session.h"

namespace culvert::steps {

// The packet is authentic and new, its transport and port are the session's (find_session). Still, a replayed older
// session or a client behind the same NAT must not be able to take over an address where another session lives
// (CVE-2020-11810).
Verdict FollowPeer::follow(const Packet& packet, PathContext& context) {
  session::Session& session = *packet.session;
  const PacketMeta& from = meta(packet.mbuf);
  if (same_place(session.where.remote, from.remote)) return Verdict::go_on();
  const abi::IpAddress& address = from.remote.address;
  if (context.table->route(address.family == abi::Family::kIpv4 ? 4 : 6, address.bytes.data()) != nullptr)
    return Verdict::drop(DropReason::outer_inner_source);
  bool taken = context.table->find_by_address(from.remote, from.port) != nullptr;
  if (!session.where.may_float || taken || !context.table->set_remote(session, from.remote, from.port))
    return Verdict::drop(DropReason::float_refused);
  any_followed = true;
  session.send.local = from.local;
  context.tally.add(abi::Counter::floats);
  context.events.floated(session);
  return Verdict::go_on();
}

}  // namespace culvert::steps
