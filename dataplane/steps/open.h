// Decrypts under the key of the packet's key-id, in place, and checks the tag.
#pragma once

#include "dataplane/steps/step.h"

namespace culvert::steps {

/// From here on `bytes()` is the inner packet.
void open(Burst& burst, PathContext& context);

}  // namespace culvert::steps
