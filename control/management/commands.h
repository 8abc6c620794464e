// The commands of the management interface: their names and how many parameters they need.
#pragma once

#include <cstdint>
#include <string_view>

namespace culvert::management {

enum class CommandId : uint8_t {
  kExit,
  kHelp,
  kVersion,
  kPid,
  kClientCount,
  kEnvFilter,
  kSignal,
  kLoadStats,
  kStatus,
  kKill,
  kVerb,
  kMute,
  kAuthRetry,
  kState,
  kLog,
  kEcho,
  kHold,
  kByteCount,
  kClientKill,
  kClientAuth,
  kClientAuthNt,
  kClientDeny,
  kClientPendingAuth,
  kPushUpdateBroad,
  kPushUpdateCid,
  kTest,
  kForgetPasswords,
  kNotNeeded,    ///< answers to questions that a server never asks
  kUnsupported,  ///< of clients, or not of this gateway: refused in the reference's words
  kNotAvailable,
  kNet,
  kKeyCount,
  kKeyGet,
};

struct CommandInfo {
  std::string_view name;
  CommandId id;
  uint8_t parameters;
  bool or_more;
  std::string_view help;  ///< empty: not shown
};

/// Null when there is none of this name.
const CommandInfo* find_command(std::string_view name);

/// What a client that connects to a held gateway is told.
inline constexpr std::string_view kHoldNotice = ">HOLD:Waiting for hold release:0";

}  // namespace culvert::management
