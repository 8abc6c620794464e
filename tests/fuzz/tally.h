// Shows what an input reaches: FUZZ_TALLY=1 build/tests/fuzz/fuzz_path FILE
#pragma once

#include <cstdlib>
#include <iostream>

#include "dataplane/abi/counters.h"

namespace culvert::fuzz {

inline void maybe_print(const abi::Tally& tally) {
  static const bool wanted = std::getenv("FUZZ_TALLY") != nullptr;
  if (!wanted) return;
  for (size_t i = 0; i < abi::kCounterCount; ++i)
    if (tally.counters[i] != 0) std::cout << abi::kCounterInfo[i].name << " " << tally.counters[i] << "\n";
  for (size_t i = 0; i < abi::kDropReasonCount; ++i)
    if (tally.drops[i] != 0) std::cout << "drop " << abi::kDropInfo[i].name << " " << tally.drops[i] << "\n";
}

}  // namespace culvert::fuzz
