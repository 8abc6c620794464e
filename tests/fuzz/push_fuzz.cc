// PUSH_REPLY and PUSH_UPDATE: one message per line of the input, as a client puts them together and reads them.
#include <algorithm>
#include <string>

#include "control/openvpn/push.h"
#include "control/openvpn/push_update.h"
#include "tests/fuzz/input.h"

namespace culvert::openvpn {
namespace {

void require(bool condition) {
  if (!condition) __builtin_trap();
}

bool printable_only(const std::string& text) {
  return std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

/// What the changes leave must be what a second application leaves, and be writable.
void update(std::string_view text, std::vector<std::string> options) {
  auto changes = parse_push_update(text);
  if (!changes) return require(!changes.error().empty() && printable_only(changes.error()));
  require(!changes->empty());
  std::string again;
  for (const PushChange& change : *changes) {
    require(!change.option.empty() && printable_only(change.option));
    again += to_text(change) + ",";
  }
  auto same = parse_push_update(again);
  require(same && same->size() == changes->size());
  apply_push_update(options, *changes);
  std::vector<std::string> twice = options;
  apply_push_update(twice, *changes);
  require(std::ranges::is_permutation(options, twice));
}

void run(std::string_view text) {
  PushCollector collector;
  std::vector<std::string> options;
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size());
    std::string_view message = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    PushCollector::State state = collector.add(message);
    if (state == PushCollector::State::kTooMuch) return;
    if (state == PushCollector::State::kMore) continue;
    options = collector.take();
    collector = {};
    for (const std::string& option : options) require(!option.empty() && printable_only(option));
    auto read = read_push(options, ClientSettings());
    require(read || !read.error().empty());
    update(message, options);
    for (const std::string& part : split_push_reply(options, nullptr))
      require(part.size() + std::string_view("PUSH_REPLY,").size() < kPushBundle);
  }
}

}  // namespace
}  // namespace culvert::openvpn

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  culvert::openvpn::run({reinterpret_cast<const char*>(data), size});
  return 0;
}
