#include "dataplane/session/pages.h"

#include <sys/mman.h>

#include <cstdint>

namespace culvert::session {
namespace {

void* map(size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

}  // namespace

void* map_pages(size_t bytes) {
  if (bytes < kHugePage) return map(bytes);
  // One huge page more than needed; what stands out on either side of the aligned part goes back.
  auto* start = static_cast<char*>(map(bytes + kHugePage));
  if (start == nullptr) return nullptr;
  size_t before = (kHugePage - reinterpret_cast<uintptr_t>(start) % kHugePage) % kHugePage;
  constexpr size_t kPage = 4096;
  size_t kept = (bytes + kPage - 1) / kPage * kPage;
  if (before != 0) munmap(start, before);
  if (size_t after = kHugePage - before - (kept - bytes); after >= kPage) munmap(start + before + kept, after);
  madvise(start + before, kept, MADV_HUGEPAGE);  // best effort
  return start + before;
}

void unmap_pages(void* memory, size_t bytes) {
  if (memory != nullptr) munmap(memory, bytes);
}

}  // namespace culvert::session
