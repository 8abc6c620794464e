#pragma once

#include <cstddef>

namespace culvert::perf {

/// Memory on huge pages where the kernel gives some, zeroed.
class Pages {
 public:
  explicit Pages(size_t bytes);
  ~Pages();
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  void* get() const { return memory_; }

 private:
  void* memory_;
  size_t bytes_;
};

}  // namespace culvert::perf
