// The engine that a worker uses: the fastest code for each cipher on this CPU.
#pragma once

#include <memory>
#include <string_view>

#include "dataplane/abi/result.h"
#include "dataplane/crypto/aead.h"

namespace culvert::aead {

/// Instructions that an engine uses where the CPU has them, each with those before it.
enum class Level : uint8_t {
  kSse,     ///< ipsec-mb without kernels of our own
  kAvx2,    ///< AVX2 with AES-NI
  kVaes,    ///< AES on vectors of 256 bits
  kAvx512,  ///< vectors of 512 bits; for CHACHA20-POLY1305 with IFMA
};
inline constexpr std::array kLevels = {Level::kSse, Level::kAvx2, Level::kVaes, Level::kAvx512};
/// "SSE", "AVX2", "VAES", "AVX512"
std::string_view to_text(Level level);

/// Kernels of our own where the CPU has the instructions and a burst is large enough for them, everything else by
/// ipsec-mb. For one thread. `most` below the default is for tests and measurements: what the engine would be on a CPU
/// with no more than that. Error: as make_ipsec_mb.
Result<std::unique_ptr<Engine>> make_engine(Level most = Level::kAvx512);

}  // namespace culvert::aead
