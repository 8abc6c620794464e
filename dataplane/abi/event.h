// What a worker tells control. Fixed size, by value; control copies an event once, then validates every field.
#pragma once

#include <array>
#include <cstdint>
#include <type_traits>

#include "dataplane/abi/command.h"

namespace culvert::abi {

enum class EventKind : uint16_t {
  kFloated = 1,         ///< an authenticated packet moved the session; `endpoint` is where its peer is now
  kPeerTimeout = 2,     ///< nothing received for ping_timeout seconds; the session stays until control removes it
  kPeerExit = 3,        ///< the peer said goodbye in the data channel (OCC_EXIT, occ.c)
  kKeyNearLimit = 4,    ///< `key_id` nears a limit (packet-id, AEAD usage, forgeries): renegotiate soon
  kKeyFirstUse = 5,     ///< first authenticated packet under `key_id`: the peer has it
  kCommandRefused = 6,  ///< `detail` is the CommandKind; stale, invalid, or no room
  kStreamClosed = 7,    ///< TCP stream of `endpoint` ended
};

struct Event {
  EventKind kind;
  uint8_t key_id;
  uint8_t reserved;
  uint16_t port;  ///< outer port of `endpoint`
  uint16_t detail;
  SessionRef session;
  Endpoint endpoint;
  Endpoint local;  ///< kFloated: our address that the packet came to
  std::array<uint8_t, 16> reserved2;
};

static_assert(std::is_trivially_copyable_v<Event> && sizeof(Event) == 96);

}  // namespace culvert::abi
