#include "perf/bench_path/pages.h"

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>

namespace culvert::perf {

Pages::Pages(size_t bytes) : bytes_(bytes) {
  memory_ = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory_ == MAP_FAILED) {
    std::fprintf(stderr, "no memory for %zu MiB: ask for fewer --sessions\n", bytes_ >> 20);
    std::exit(1);
  }
  madvise(memory_, bytes_, MADV_HUGEPAGE);
}
Pages::~Pages() {
  munmap(memory_, bytes_);
}

}  // namespace culvert::perf
