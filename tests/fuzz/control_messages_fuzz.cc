// The text messages of a TLS record, as either side reads what its peer sent after the handshake.
#include <algorithm>

#include "control/openvpn/control_message.h"
#include "tests/fuzz/input.h"

using namespace culvert::openvpn;

namespace {

using culvert::fuzz::require;

bool fits_a_log_line(const std::string& text) {
  return text.size() <= kMaxMessage &&
         std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

/// What we would send to say the same is read as the same.
void say_again(const ControlMessage& message) {
  if (message.kind == MessageKind::kUnknown) return;
  if (message.text.size() + 32 > kMaxMessage) return;  // its name doesn't fit in front any more
  bool malformed = true;
  auto again = parse_messages(build_message(message.kind, message.text), &malformed);
  require(!malformed && again.size() == 1);
  require(again[0].kind == message.kind && again[0].text == message.text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  bool malformed = false;
  auto messages = parse_messages({data, size}, &malformed);
  require(messages.size() <= kMaxMessagesPerRecord);
  auto closed = static_cast<size_t>(std::count(data, data + size, uint8_t{0}));
  require(malformed || messages.size() == closed);
  for (const ControlMessage& message : messages) {
    require(fits_a_log_line(message.text));
    say_again(message);
  }
  return 0;
}
