// Finds the session: by peer-id, or by address for packets that have none. Its transport and port must be the
// session's.
#pragma once

#include <utility>

#include "dataplane/steps/step.h"

namespace culvert::steps {

/// Asked for every packet: four words instead of a comparison per field, each read where it is (copies of the whole
/// would go over the stack).
inline bool same_place(const abi::Endpoint& a, const abi::Endpoint& b) {
  static_assert(sizeof a == 32 && std::has_unique_object_representations_v<abi::Endpoint>);
  auto difference = [&](size_t at) {
    uint64_t x, y;
    std::memcpy(&x, reinterpret_cast<const char*>(&a) + at, sizeof x);
    std::memcpy(&y, reinterpret_cast<const char*>(&b) + at, sizeof y);
    return x ^ y;
  };
  return (difference(0) | difference(8) | difference(16) | difference(24)) == 0;
}

struct FindSession {
  static constexpr StepName kName{"find_session"};

  Verdict operator()(Packet& packet, PathContext& context) const {
    session::Session* session = std::exchange(packet.session, nullptr);
    if (session == nullptr || !session->live()) [[unlikely]]
      return by_address(packet, context);
    const PacketMeta& from = meta(packet.mbuf);
    packet.moved = !same_place(session->where.remote, from.remote);
    if (session->where.port != from.port || (packet.moved && !may_come_from(from.remote, session->where))) [[unlikely]]
      return Verdict::drop(DropReason::session_wrong_transport);
    packet.session = session;
    prefetch_key(packet);
    return Verdict::go_on();
  }

 private:
  /// A TCP peer is its connection: from another one, the packet isn't this session's.
  static bool may_come_from(const abi::Endpoint& remote, const session::Where& session) {
    return remote.transport == abi::Transport::kUdp && session.remote.transport == abi::Transport::kUdp;
  }
  [[gnu::always_inline]] static void prefetch_key(const Packet& packet) {
    if (const session::ReceiveKey* key = packet.session->receive.key(packet.key_id); key != nullptr) [[likely]]
      session::prefetch(key);
  }
  static Verdict by_address(Packet& packet, PathContext& context);
};
inline constexpr FindSession find_session;

}  // namespace culvert::steps
