// A repeatable source of bytes for tests.
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "control/now.h"

namespace culvert::testing {

class SeededRandom : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : engine_(seed) {}
  void fill(std::span<uint8_t> out) override {
    for (uint8_t& byte : out) byte = static_cast<uint8_t>(engine_());
  }
  std::vector<uint8_t> bytes(size_t size) {
    std::vector<uint8_t> out(size);
    fill(out);
    return out;
  }
  /// 0 to below `limit`.
  uint64_t below(uint64_t limit) { return engine_() % limit; }

 private:
  std::mt19937_64 engine_;
};

}  // namespace culvert::testing
