// AEAD by Intel's multi-buffer library, called directly.
#pragma once

#include <memory>

#include "dataplane/abi/result.h"
#include "dataplane/crypto/aead.h"

namespace culvert::aead {

enum class Isa : uint8_t { kBest, kSse, kAvx, kAvx2, kAvx512 };

/// An engine for one thread. `isa` other than kBest is for tests. Error: the CPU lacks what `isa` needs.
Result<std::unique_ptr<Engine>> make_ipsec_mb(Isa isa = Isa::kBest);

}  // namespace culvert::aead
