// Single-producer single-consumer ring of fixed-size messages in shared memory.
//
// Contract. One process writes, one reads; each distrusts the other.
//   tail      written by the producer only: how many messages were ever published.
//   head      written by the consumer only: how many were ever taken.
//   waiting   written by the consumer: it is about to sleep and wants its doorbell (an eventfd) rung.
//   slots[]   slot i belongs to the producer while i - head >= N is impossible for it (free), to the consumer from the
//             moment tail passes it until head does.
//
//   allowed                                     | never
//   producer fills slot tail, then tail + 1     | touching a published slot again
//   consumer copies slot head out, head + 1     | reading a slot twice (the neighbour may flip it in between)
//   either side dies anywhere, another attaches | resetting the indices of a ring that is in use
//
// Each side keeps its own index privately and reads the neighbour's with acquire; an index that the contract does not
// allow (more than N apart) makes the ring "corrupt" for that call: nothing is read or written, the caller counts and
// goes on. A side that attaches anew takes over its own index from shared memory: a message that was published is
// delivered once, a message that was being written when its writer died never was.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace culvert::abi {

template <class Message, uint64_t N>
struct SpscRing {
  static_assert(std::is_trivially_copyable_v<Message>);
  static_assert((N & (N - 1)) == 0, "capacity must be a power of two");
  static constexpr uint64_t kCapacity = N;

  alignas(64) std::atomic<uint64_t> tail;     ///< writer: producer
  alignas(64) std::atomic<uint64_t> head;     ///< writer: consumer
  alignas(64) std::atomic<uint32_t> waiting;  ///< writer: consumer
  alignas(64) std::array<Message, N> slots;   ///< see the contract above
};

enum class RingStatus : uint8_t { kOk, kFull, kEmpty, kCorrupt };

template <class Message, uint64_t N>
class Producer {
 public:
  Producer() = default;
  /// Takes over the producer's side of `ring`, which outlives this object.
  explicit Producer(SpscRing<Message, N>& ring) : ring_(&ring), tail_(ring.tail.load(std::memory_order_relaxed)) {}

  /// Publishes a copy of `message`. kFull: nothing written. kCorrupt: the consumer's index is impossible.
  RingStatus push(const Message& message) {
    if (tail_ - seen_head_ >= N) {
      seen_head_ = ring_->head.load(std::memory_order_acquire);
      if (tail_ - seen_head_ > N) return RingStatus::kCorrupt;
      if (tail_ - seen_head_ == N) return RingStatus::kFull;
    }
    std::memcpy(static_cast<void*>(&ring_->slots[tail_ & (N - 1)]), &message, sizeof message);
    ring_->tail.store(++tail_, std::memory_order_release);
    return RingStatus::kOk;
  }

  /// How many messages were ever published: the sequence number of the next one.
  uint64_t published() const { return tail_; }
  /// True when the consumer said that it sleeps and must be woken (by its eventfd). Call after a batch of push().
  bool must_wake() {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    return ring_->waiting.load(std::memory_order_relaxed) != 0 &&
           ring_->waiting.exchange(0, std::memory_order_acq_rel) != 0;
  }
  /// Free slots as far as the producer knows without trusting more than the index contract.
  uint64_t free() {
    seen_head_ = ring_->head.load(std::memory_order_acquire);
    uint64_t used = tail_ - seen_head_;
    return used > N ? 0 : N - used;
  }

 private:
  SpscRing<Message, N>* ring_ = nullptr;
  uint64_t tail_ = 0;
  uint64_t seen_head_ = 0 - N;  // forces the first push to look
};

template <class Message, uint64_t N>
class Consumer {
 public:
  Consumer() = default;
  /// Takes over the consumer's side of `ring`, which outlives this object.
  explicit Consumer(SpscRing<Message, N>& ring) : ring_(&ring), head_(ring.head.load(std::memory_order_relaxed)) {}

  /// Copies the oldest message into `out` and frees its slot. With `wipe` the slot is zeroed first (it held key
  /// material).
  RingStatus pop(Message& out, bool wipe = false) {
    uint64_t tail = ring_->tail.load(std::memory_order_acquire);
    if (tail == head_) return RingStatus::kEmpty;
    if (tail - head_ > N) return RingStatus::kCorrupt;
    Message& slot = ring_->slots[head_ & (N - 1)];
    std::memcpy(static_cast<void*>(&out), &slot, sizeof out);
    if (wipe) wipe_slot(slot);
    ring_->head.store(++head_, std::memory_order_release);
    return RingStatus::kOk;
  }

  /// How many messages were ever taken: the sequence number of the next one.
  uint64_t consumed() const { return head_; }
  bool empty() const { return ring_->tail.load(std::memory_order_acquire) == head_; }

  /// Announces sleep. Returns false (and withdraws it) when a message is already there: then don't sleep.
  bool prepare_to_sleep() {
    ring_->waiting.store(1, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (empty()) return true;
    awake();
    return false;
  }
  void awake() { ring_->waiting.store(0, std::memory_order_relaxed); }

 private:
  static void wipe_slot(Message& slot) {
    std::memset(static_cast<void*>(&slot), 0, sizeof slot);
    // The neighbour can read the slot, so the compiler must not drop the store.
    __asm__ __volatile__("" : : "r"(&slot) : "memory");
  }

  SpscRing<Message, N>* ring_ = nullptr;
  uint64_t head_ = 0;
};

}  // namespace culvert::abi
