// Preloaded into openvpn 2.6 (LD_PRELOAD), makes it a client that does not know the flag `cc-exit` of a pushed
// `protocol-flags`, as clients before 2.6 are: it then says goodbye through the data channel (OCC_EXIT, occ.c).
#include <cstddef>

namespace {

constexpr char kFlag[] = "cc-exit";

}  // namespace

/// The C library's strcmp, except that nothing equals the flag.
extern "C" int strcmp(const char* left, const char* right) noexcept {
  size_t i = 0;
  bool is_flag = true;
  for (; left[i] != '\0' && left[i] == right[i]; ++i) is_flag = is_flag && i < sizeof kFlag - 1 && left[i] == kFlag[i];
  int difference = static_cast<unsigned char>(left[i]) - static_cast<unsigned char>(right[i]);
  return difference == 0 && is_flag && i == sizeof kFlag - 1 ? 1 : difference;
}
