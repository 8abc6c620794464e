// Encrypts in place under the session's send key and puts the tunnel header in front.
#pragma once

#include "dataplane/steps/step.h"

namespace culvert::steps {

void seal(Burst& burst, PathContext& context);

}  // namespace culvert::steps
