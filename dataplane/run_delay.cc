#include "dataplane/run_delay.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <string_view>

namespace culvert::dataplane {

std::optional<uint64_t> RunDelay::read() {
  if (!opened_) {
    opened_ = true;
    file_ = drivers::FileDescriptor(open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC));
  }
  if (!file_) return std::nullopt;
  std::array<char, 80> text;
  ssize_t length = pread(file_.get(), text.data(), text.size(), 0);
  if (length <= 0) return std::nullopt;
  std::string_view line(text.data(), static_cast<size_t>(length));
  size_t space = line.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  uint64_t waited = 0;
  auto parsed = std::from_chars(line.data() + space + 1, line.data() + line.size(), waited);
  if (parsed.ec != std::errc()) return std::nullopt;
  return waited;
}

}  // namespace culvert::dataplane
