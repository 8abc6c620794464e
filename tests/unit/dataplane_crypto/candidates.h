// The engines that are compared with OpenSSL.
#pragma once

#include <memory>

#include "dataplane/crypto/engine.h"
#include "dataplane/crypto/ipsec_mb.h"

namespace culvert::aead {

/// What is under test: ipsec-mb at one level, or an engine as workers use it (kernels of our own where the CPU can).
struct Candidate {
  const char* name;
  Result<std::unique_ptr<Engine>> (*make)();
};
template <Isa kIsa>
Result<std::unique_ptr<Engine>> ipsec_mb() {
  return make_ipsec_mb(kIsa);
}
template <Level kMost>
Result<std::unique_ptr<Engine>> engine_up_to() {
  return make_engine(kMost);
}
inline constexpr Candidate kCandidates[] = {{"SSE", ipsec_mb<Isa::kSse>},
                                            {"AVX", ipsec_mb<Isa::kAvx>},
                                            {"AVX2", ipsec_mb<Isa::kAvx2>},
                                            {"AVX512", ipsec_mb<Isa::kAvx512>},
                                            {"WorkersUpToSSE", engine_up_to<Level::kSse>},
                                            {"WorkersUpToAVX2", engine_up_to<Level::kAvx2>},
                                            {"WorkersUpToVAES", engine_up_to<Level::kVaes>},
                                            {"Workers", engine_up_to<Level::kAvx512>}};

}  // namespace culvert::aead
