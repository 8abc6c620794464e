// Carrying out control's commands on the table. Nothing in a command is trusted.
#pragma once

#include "dataplane/session/table.h"

namespace culvert::session {

enum class Applied : uint8_t {
  kDone,
  kStale,    ///< its session is gone, or of another life: harmless when it comes late
  kInvalid,  ///< a field that no correct control writes
  kNoRoom,   ///< an inner address or prefix of another session, or a table that is full
};

/// Carries out `command`, or changes nothing. `now_ns`: CLOCK_MONOTONIC. Key material is not wiped here: whoever holds
/// the command does (dataplane::Path::apply).
Applied apply(Table& table, aead::Engine& aead, const abi::Command& command, uint64_t now_ns);

}  // namespace culvert::session
