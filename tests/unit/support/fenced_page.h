// Memory whose neighbours can't be touched: what is read or written outside ends the test.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

namespace culvert::testing {

/// A page between two that can't be touched.
class FencedPage {
 public:
  FencedPage() : size_(static_cast<size_t>(sysconf(_SC_PAGESIZE))) {
    void* memory = mmap(nullptr, 3 * size_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pages_ = memory == MAP_FAILED ? nullptr : static_cast<uint8_t*>(memory);
    if (pages_ != nullptr && mprotect(begin(), size_, PROT_READ | PROT_WRITE) != 0) release();
  }
  ~FencedPage() { release(); }
  FencedPage(const FencedPage&) = delete;
  FencedPage& operator=(const FencedPage&) = delete;
  bool good() const { return pages_ != nullptr; }
  uint8_t* begin() { return pages_ + size_; }
  uint8_t* end() { return begin() + size_; }

 private:
  void release() {
    if (pages_ != nullptr) munmap(pages_, 3 * size_);
    pages_ = nullptr;
  }
  size_t size_;
  uint8_t* pages_;
};

}  // namespace culvert::testing
