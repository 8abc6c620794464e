// The management interface's parser: whatever a program sends, in whatever pieces, gets whole lines for an answer.
#include <algorithm>
#include <utility>

#include "control/management/dialogue.h"
#include "tests/fuzz/input.h"
#include "tests/unit/management/daemon_double.h"

namespace culvert::management {
namespace {

void require(bool condition) {
  if (!condition) __builtin_trap();
}

/// The first byte: with a password or not; the second: how long the pieces are.
void run(std::span<const uint8_t> data) {
  Settings settings;
  if (!data.empty() && (data[0] & 1) != 0) settings.password = "pw";
  size_t piece = data.size() > 1 ? std::max<size_t>(data[1], 1) : 1;
  data = data.subspan(std::min<size_t>(data.size(), 2));
  Board board(8);
  DaemonDouble daemon;
  Dialogue dialogue(settings, board, daemon);
  Now now{};
  while (!data.empty() && !dialogue.finished()) {
    size_t n = std::min(piece, data.size());
    dialogue.feed({reinterpret_cast<const char*>(data.data()), n}, now);
    data = data.subspan(n);
    now.mono += std::chrono::seconds(1);
    dialogue.tick(now);
    dialogue.on_log("1,I,line");
    for (;;) {
      std::string out = std::exchange(dialogue.output(), {});
      require(out.size() < (1 << 20));
      require(out.empty() || out.ends_with("\r\n") || out.ends_with("PASSWORD:"));
      require(std::count(out.begin(), out.end(), '\n') == std::count(out.begin(), out.end(), '\r'));
      if (!dialogue.has_more()) break;
      dialogue.go_on(now);
    }
  }
  if (!settings.password.empty() && !dialogue.authorized()) require(daemon.all.size() == 2 && daemon.signals.empty());
}

}  // namespace
}  // namespace culvert::management

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  culvert::management::run({data, size});
  return 0;
}
