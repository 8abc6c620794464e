// Zeroed memory straight from the kernel, on huge pages where it has some: with thousands of sessions, address
// translation costs more than the look-up. Pages that nobody has touched take no memory.
#pragma once

#include <cstddef>

namespace culvert::session {

inline constexpr size_t kHugePage = size_t{2} << 20;

/// Null when there is no memory. Sizes from kHugePage on are aligned to it, which transparent huge pages need.
void* map_pages(size_t bytes);
/// `bytes` as given to map_pages; null is fine.
void unmap_pages(void* memory, size_t bytes);

}  // namespace culvert::session
