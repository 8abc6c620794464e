// The steps of the packet path, in the order in which path.cc calls them: Burst::each asks several for each packet in
// turn. Each has a file of its own, which says what it does: what every packet needs in its header, so that the steps
// of a pass become one loop; what few packets need in the .cc beside it.
#pragma once

// Outer → inner
#include "dataplane/steps/check_replay.h"
#include "dataplane/steps/check_source.h"
#include "dataplane/steps/classify.h"
#include "dataplane/steps/find_session.h"
#include "dataplane/steps/follow_peer.h"
#include "dataplane/steps/open.h"
#include "dataplane/steps/take_tunnel_messages.h"

// Inner → outer
#include "dataplane/steps/check_room.h"
#include "dataplane/steps/seal.h"
#include "dataplane/steps/send_outer.h"

// Both ways
#include "dataplane/steps/check_inner.h"
#include "dataplane/steps/clamp_mss.h"
#include "dataplane/steps/framing.h"
#include "dataplane/steps/hand_over.h"
#include "dataplane/steps/limit.h"
#include "dataplane/steps/route.h"
