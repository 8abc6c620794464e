// Whose the limits of a session are, for the control that comes after this one: those that the configuration gave
// follow it, others stay. Stands in the upper half of a record's protocol_flags, of which negotiation uses the lower.
#pragma once

#include <cstdint>

#include "dataplane/abi/session_record.h"

namespace culvert::gateway {

inline constexpr uint64_t kConfiguredFromClient = uint64_t{1} << 32;
inline constexpr uint64_t kConfiguredToClient = uint64_t{1} << 33;

/// Notes in `record`, whose limits are in force, which of them are as configured.
inline void note_limit_origin(abi::ControlRecord& record, const abi::SessionLimit& configured) {
  record.protocol_flags &= ~(kConfiguredFromClient | kConfiguredToClient);
  if (record.settings.limit.from_client == configured.from_client) record.protocol_flags |= kConfiguredFromClient;
  if (record.settings.limit.to_client == configured.to_client) record.protocol_flags |= kConfiguredToClient;
}

/// What the configuration gave the session of `record` when that was written, as far as this is known: in a direction
/// that something else has set, a limit that nothing can have.
inline abi::SessionLimit configured_before(const abi::ControlRecord& record) {
  constexpr uint64_t kOther = UINT64_MAX;
  const abi::SessionLimit& limit = record.settings.limit;
  return {.from_client = record.protocol_flags & kConfiguredFromClient ? limit.from_client : kOther,
          .to_client = record.protocol_flags & kConfiguredToClient ? limit.to_client : kOther};
}

}  // namespace culvert::gateway
