// The engine that a worker uses: the fastest code for each cipher on this CPU.
#pragma once

#include <memory>

#include "dataplane/abi/result.h"
#include "dataplane/crypto/aead.h"

namespace culvert::aead {

/// AES-GCM by gcm_vaes.h where the CPU can, everything else by ipsec-mb. For one thread. Error: as make_ipsec_mb.
Result<std::unique_ptr<Engine>> make_engine();

}  // namespace culvert::aead
