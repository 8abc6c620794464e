// Four workers in threads hand packets to each other and go to sleep: all arrive once and in order, nobody oversleeps.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <thread>

#include "dataplane/steps/handoff.h"

namespace culvert::steps {
namespace {

constexpr uint32_t kWorkers = 4;
constexpr uint32_t kEach = 20'000;  ///< packets from each worker to each other one

/// Stands in for a packet: nothing of it is looked at but where it comes from and its number.
struct Numbered {
  rte_mbuf mbuf;
  uint32_t from;
  uint32_t number;
};

class Bells {
 public:
  void ring(uint32_t worker) {
    bells_[worker].store(1, std::memory_order_release);
    bells_[worker].notify_one();
  }
  void wait(uint32_t worker) {
    bells_[worker].wait(0, std::memory_order_acquire);
    bells_[worker].store(0, std::memory_order_relaxed);
  }

 private:
  std::array<std::atomic<uint32_t>, kWorkers> bells_{};
};

void work(uint32_t self, HandoffRings& rings, Bells& bells, std::vector<std::string>& errors) {
  abi::Tally tally;
  Handoff end(&rings, self, tally);
  std::vector<std::vector<Numbered>> own(kWorkers, std::vector<Numbered>(kEach));
  std::array<uint32_t, kWorkers> sent{}, got{};
  got[self] = sent[self] = kEach;
  auto all = [](const auto& counts) { return std::ranges::all_of(counts, [](uint32_t n) { return n == kEach; }); };
  while (!all(sent) || !all(got)) {
    bool busy = false;
    for (uint32_t to = 0; to < kWorkers; ++to) {
      // What is full is not lost here: stage no more than surely fits.
      uint64_t room =
          to == self ? 0 : HandoffRings::kRoom - (rings.between(self, to).tail - rings.between(self, to).head);
      for (uint32_t n = 0; n < 16 && n < room && sent[to] < kEach; ++n) {
        Numbered& next = own[to][sent[to]];
        next.from = self;
        next.number = sent[to]++;
        end.stage(to, &next.mbuf, Handed::kInner);
        busy = true;
      }
    }
    for (uint64_t asleep = end.flush(); asleep != 0; asleep &= asleep - 1)
      bells.ring(static_cast<uint32_t>(std::countr_zero(asleep)));
    TakenPackets packets;
    end.receive(packets);
    for (rte_mbuf* mbuf : packets.inner()) {
      auto* packet = reinterpret_cast<Numbered*>(mbuf);
      if (packet->number != got[packet->from]++) errors.push_back("out of order");
    }
    busy = busy || packets.size() > 0;
    if (!busy && all(sent) && !all(got) && end.prepare_to_sleep()) {
      bells.wait(self);
      end.awake();
    }
  }
  if (tally.drops[static_cast<size_t>(abi::DropReason::handoff_full)] != 0) errors.push_back("dropped");
  // The packets are this thread's: the others must have read them before they go.
  for (uint32_t to = 0; to < kWorkers; ++to)
    while (to != self && rings.between(self, to).head.load(std::memory_order_acquire) != kEach)
      std::this_thread::yield();
  static std::atomic<uint32_t> done{0};
  ++done;
  while (done % kWorkers != 0) std::this_thread::yield();
}

TEST(HandoffThreads, EverythingArrivesOnceAndInOrder) {
  HandoffRings rings(kWorkers);
  Bells bells;
  std::array<std::vector<std::string>, kWorkers> errors;
  std::vector<std::thread> threads;
  for (uint32_t worker = 0; worker < kWorkers; ++worker)
    threads.emplace_back([&, worker] { work(worker, rings, bells, errors[worker]); });
  for (std::thread& thread : threads) thread.join();
  for (const auto& found : errors) EXPECT_EQ(found, std::vector<std::string>());
}

}  // namespace
}  // namespace culvert::steps
