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

/// The limits that the session of `record` should have under a configuration that gives it `configured`.
inline abi::SessionLimit follow_limit_origin(const abi::ControlRecord& record, const abi::SessionLimit& configured) {
  abi::SessionLimit limit = record.settings.limit;
  if (record.protocol_flags & kConfiguredFromClient) limit.from_client = configured.from_client;
  if (record.protocol_flags & kConfiguredToClient) limit.to_client = configured.to_client;
  return limit;
}

}  // namespace culvert::gateway
