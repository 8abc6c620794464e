// What a message of the dataplane must look like before control believes it. Pure functions on copies.
#pragma once

#include "dataplane/abi/event.h"
#include "dataplane/abi/packet_message.h"
#include "dataplane/abi/setup.h"

namespace culvert::io {

/// An address of a peer as it may stand in a message: a family, a transport and a port that exist.
inline bool plausible_remote(const abi::Endpoint& endpoint) {
  bool family = endpoint.address.family == abi::Family::kIpv4 || endpoint.address.family == abi::Family::kIpv6;
  bool transport = endpoint.transport == abi::Transport::kUdp || endpoint.transport == abi::Transport::kTcp;
  return family && transport && endpoint.port != 0;
}

/// One of ours: the dataplane may not know it (family kNone).
inline bool plausible_local(const abi::Endpoint& endpoint) {
  return endpoint.address.family == abi::Family::kNone || endpoint.address.family == abi::Family::kIpv4 ||
         endpoint.address.family == abi::Family::kIpv6;
}

inline bool plausible(const abi::SessionRef& session, uint32_t sessions) {
  return session.peer_id < sessions && session.generation != 0;
}

/// `sessions` is the size of the session table.
inline bool plausible(const abi::Event& event, uint32_t sessions) {
  switch (event.kind) {
    case abi::EventKind::kFloated:
      return plausible(event.session, sessions) && plausible_remote(event.endpoint) && plausible_local(event.local) &&
             event.port < abi::kMaxPorts;
    case abi::EventKind::kPeerTimeout:
    case abi::EventKind::kPeerExit:
    case abi::EventKind::kCommandRefused:
      return plausible(event.session, sessions);
    case abi::EventKind::kKeyNearLimit:
    case abi::EventKind::kKeyFirstUse:
      return plausible(event.session, sessions) && event.key_id < 8;
    case abi::EventKind::kStreamClosed:
      return plausible_remote(event.endpoint) && event.port < abi::kMaxPorts;
  }
  return false;
}

inline bool plausible(const abi::PacketMessage& message) {
  return message.length > 0 && message.length <= abi::kMaxControlPacket && message.port < abi::kMaxPorts &&
         plausible_remote(message.remote) && plausible_local(message.local);
}

}  // namespace culvert::io
