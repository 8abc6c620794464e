// What a session has carried so far, for control and the operator.
#pragma once

#include "dataplane/abi/session_record.h"
#include "dataplane/session/session.h"

namespace culvert::session {

/// Writes the session's numbers into its record. Done at each sweep, and a last time at its removal.
inline void publish(const Session& session, abi::WorkerRecord& record) {
  constexpr auto kRelaxed = std::memory_order_relaxed;
  record.rx_packets.store(session.receive.packets, kRelaxed);
  record.rx_bytes.store(session.receive.bytes, kRelaxed);
  record.last_rx_ns.store(session.receive.last_ns, kRelaxed);
  record.drops.store(session.receive.drops, kRelaxed);
  record.tx_packets.store(session.send.packets, kRelaxed);
  record.tx_bytes.store(session.send.bytes, kRelaxed);
  record.last_tx_ns.store(session.send.last_ns, kRelaxed);
}

}  // namespace culvert::session
