// Memory for keys: fixed-size objects in 2 MiB pieces that stay out of core dumps and, where the process may, out of
// swap.
#pragma once

#include <cstddef>
#include <new>
#include <utility>
#include <vector>

namespace culvert::session {

/// Untyped part. One thread.
class SecretMemory {
 public:
  explicit SecretMemory(size_t object_size) : object_size_(object_size) {}
  ~SecretMemory();
  SecretMemory(const SecretMemory&) = delete;
  SecretMemory& operator=(const SecretMemory&) = delete;

  /// Zeroed memory for one object, or null when there is none.
  void* take();
  /// Wipes the object and keeps its memory for the next one.
  void give_back(void* object);

 private:
  bool grow();

  size_t object_size_;
  std::vector<void*> free_;
  std::vector<void*> pieces_;
};

/// Objects of one type in secret memory.
template <class T>
class SecretPool {
 public:
  T* make() {
    void* memory = memory_.take();
    return memory == nullptr ? nullptr : new (memory) T;
  }
  /// Destroys and wipes; null is fine.
  void destroy(T* object) {
    if (object == nullptr) return;
    object->~T();
    memory_.give_back(object);
  }

 private:
  SecretMemory memory_{sizeof(T)};
};

}  // namespace culvert::session
