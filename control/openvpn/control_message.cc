#include "control/openvpn/control_message.h"

#include <algorithm>
#include <array>

namespace culvert::openvpn {
namespace {

struct Name {
  MessageKind kind;
  std::string_view text;
  bool takes_text;
};

constexpr std::array kNames = {
    Name{MessageKind::kPushRequest, "PUSH_REQUEST", false},
    Name{MessageKind::kPushReply, "PUSH_REPLY", true},
    Name{MessageKind::kAuthFailed, "AUTH_FAILED", true},
    Name{MessageKind::kAuthPending, "AUTH_PENDING", true},
    Name{MessageKind::kRestart, "RESTART", true},
    Name{MessageKind::kHalt, "HALT", true},
    Name{MessageKind::kExit, "EXIT", false},
    Name{MessageKind::kInfo, "INFO", true},
    Name{MessageKind::kInfoPre, "INFO_PRE", true},
    Name{MessageKind::kCrResponse, "CR_RESPONSE", true},
    Name{MessageKind::kPushUpdate, "PUSH_UPDATE", true},
};

ControlMessage parse_message(std::string_view message) {
  for (const Name& name : kNames) {
    if (!message.starts_with(name.text)) continue;
    std::string_view rest = message.substr(name.text.size());
    if (rest.empty()) return {name.kind, {}};
    if (name.takes_text && rest.front() == ',') return {name.kind, printable(rest.substr(1), kMaxMessage)};
  }
  return {MessageKind::kUnknown, printable(message, kMaxMessage)};
}

}  // namespace

std::string printable(std::string_view text, size_t max) {
  std::string out(text.substr(0, max));
  for (char& c : out) {
    auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) c = '_';
  }
  return out;
}

std::vector<ControlMessage> parse_messages(std::span<const uint8_t> record, bool* malformed) {
  std::vector<ControlMessage> messages;
  bool bad = record.empty();
  auto at = record.begin();
  while (at != record.end()) {
    auto end = std::find(at, record.end(), uint8_t{0});
    bool closed = end != record.end();
    if (!closed) bad = true;
    if (end == at) {
      bad = true;
    } else if (messages.size() == kMaxMessagesPerRecord) {
      bad = true;
      break;
    } else if (closed) {
      messages.push_back(parse_message({reinterpret_cast<const char*>(&*at), static_cast<size_t>(end - at)}));
    }
    at = closed ? end + 1 : end;
  }
  if (malformed) *malformed = bad;
  return messages;
}

std::vector<uint8_t> build_message(std::string_view whole) {
  std::string text = printable(whole, kMaxMessage - 1);
  std::vector<uint8_t> out(text.begin(), text.end());
  out.push_back(0);
  return out;
}

std::vector<uint8_t> build_message(MessageKind kind, std::string_view text) {
  auto name = std::ranges::find(kNames, kind, &Name::kind);
  std::string whole(name == kNames.end() ? std::string_view() : name->text);
  if (!text.empty()) whole.append(",").append(text);
  return build_message(whole);
}

}  // namespace culvert::openvpn
