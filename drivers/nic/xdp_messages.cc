#include "drivers/nic/xdp_messages.h"

#include <bpf/libbpf.h>
#include <xdp/libxdp.h>

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>
#include <string_view>

namespace culvert::drivers {
namespace {

bool is_noise(std::string_view line) {
  constexpr std::array<std::string_view, 5> kNoise = {"skipping unrecognized data section", "No bpffs found",
                                                      "Can't use dispatcher", "Falling back to loading single prog",
                                                      "No XDP dispatcher found"};
  return std::ranges::any_of(kNoise, [&](std::string_view one) { return line.find(one) != std::string_view::npos; });
}

void print(bool is_debug, const char* format, va_list arguments) {
  if (is_debug) return;
  std::array<char, 512> line;
  std::vsnprintf(line.data(), line.size(), format, arguments);
  if (!is_noise(line.data())) std::fputs(line.data(), stderr);
}

}  // namespace

void quiet_xdp_libraries() {
  libbpf_set_print([](libbpf_print_level level, const char* format, va_list arguments) {
    print(level == LIBBPF_DEBUG, format, arguments);
    return 0;
  });
  libxdp_set_print([](libxdp_print_level level, const char* format, va_list arguments) {
    print(level == LIBXDP_DEBUG, format, arguments);
    return 0;
  });
}

}  // namespace culvert::drivers
