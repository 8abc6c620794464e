#include "tests/sim/wire.h"

#include <cstdio>
#include <cstdlib>

namespace culvert::sim {

uint64_t seed() {
  static const uint64_t value = [] {
    const char* text = std::getenv("CULVERT_SIM_SEED");
    uint64_t chosen = text ? std::strtoull(text, nullptr, 0) : 20261120;
    std::printf("CULVERT_SIM_SEED=%llu\n", static_cast<unsigned long long>(chosen));
    return chosen;
  }();
  return value;
}

Now Clock::now() const {
  MonoTime begin{std::chrono::hours(1)};
  return {now_, start_wall_ + std::chrono::floor<std::chrono::seconds>(now_ - begin)};
}

void Clock::at(MonoTime when, std::function<void()> what) {
  plans_.push(Plan{std::max(when, now_), planned_++, std::move(what)});
}

void Clock::run_until(MonoTime until) {
  while (!plans_.empty() && plans_.top().when <= until) {
    Plan plan = plans_.top();
    plans_.pop();
    now_ = plan.when;
    ++happened_;
    plan.what();
  }
  now_ = until;
}

void Wire::send(std::vector<uint8_t> bytes, Deliver deliver) {
  int copies = random_.chance() < weather.duplication ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    if (random_.chance() < weather.loss) {
      ++lost;
      continue;
    }
    std::vector<uint8_t> copy = bytes;
    if (!copy.empty() && random_.chance() < weather.corruption)
      copy[random_.below(copy.size())] ^= static_cast<uint8_t>(1u << random_.below(8));
    auto delay = weather.delay;
    if (random_.chance() < weather.reordering)
      delay += std::chrono::nanoseconds(random_.below(static_cast<uint64_t>(weather.late.count())));
    clock_.after(delay, [this, copy = std::move(copy), deliver] {
      ++delivered;
      deliver(copy);
    });
  }
}

}  // namespace culvert::sim
