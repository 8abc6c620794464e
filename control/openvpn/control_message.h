// Text messages on the control channel after the handshake (openvpn-wire-protocol, "Control channel messages"): one TLS
// record holds one or more of them, each closed by a NUL.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace culvert::openvpn {

enum class MessageKind : uint8_t {
  kPushRequest,
  kPushReply,    ///< text: the options after "PUSH_REPLY,"
  kAuthFailed,   ///< text: reason, may be empty
  kAuthPending,  ///< text: "timeout 60", may be empty
  kRestart,      ///< text: flags and reason, "[P]:maintenance"
  kHalt,
  kExit,  ///< cc-exit: the sender is leaving
  kInfo,
  kInfoPre,
  kCrResponse,
  kPushUpdate,
  kUnknown,  ///< text: the whole message
};

struct ControlMessage {
  MessageKind kind{};
  std::string text;
};

inline constexpr size_t kMaxMessagesPerRecord = 16;
inline constexpr size_t kMaxMessage = 16384;

/// The messages of one TLS record, in order. Bytes that are no printable text become '_', so nothing a peer sends can
/// start a new line in a log or end a C string early. `malformed` (may be null) is set when a message was empty, lacked
/// its NUL, or there were more than kMaxMessagesPerRecord.
std::vector<ControlMessage> parse_messages(std::span<const uint8_t> record, bool* malformed = nullptr);

/// A record with this message and its NUL. Control bytes in `text` become '_'.
std::vector<uint8_t> build_message(MessageKind kind, std::string_view text = {});
std::vector<uint8_t> build_message(std::string_view whole);

/// `text` with every byte outside printable ASCII and UTF-8 continuation replaced by '_', at most `max` bytes.
std::string printable(std::string_view text, size_t max = 1024);

}  // namespace culvert::openvpn
