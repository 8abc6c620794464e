#include "control/io/heap.h"

#include <malloc.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <string>
#include <string_view>

namespace culvert::io {
namespace {

constexpr const char* kVariable = "GLIBC_TUNABLES";
constexpr const char* kTunables = "glibc.malloc.hugetlb=1:glibc.malloc.tcache_count=1000";

/// By its own name, by which ps and the like show it; empty when there is no /proc.
std::string path_of_this_program() {
  std::string path(PATH_MAX, '\0');
  const ssize_t size = readlink("/proc/self/exe", path.data(), path.size());
  path.resize(size > 0 ? static_cast<size_t>(size) : 0);
  return path;
}

}  // namespace

void tune_heap(char** argv) {
  if (getauxval(AT_SECURE) != 0) return;
  const char* given = getenv(kVariable);
  if (given == nullptr) {
    const std::string path = path_of_this_program();
    if (path.empty() || setenv(kVariable, kTunables, 1) != 0) return;
    execv(path.c_str(), argv);
  } else if (std::string_view(given) != kTunables) {
    return;
  }
  unsetenv(kVariable);  // scripts are not to have it
}

void give_back_freed_memory() {
  malloc_trim(0);
}

}  // namespace culvert::io
