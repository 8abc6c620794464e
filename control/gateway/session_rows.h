// A session as the operator sees it: what the engine knows, and what the worker has counted.
#pragma once

#include <string>

#include "control/admin/rows.h"
#include "control/gateway/session_book.h"
#include "control/openvpn/server.h"
#include "dataplane/abi/layout.h"

namespace culvert::gateway {

/// `entry` may be null. `link` is read only.
admin::SessionRow session_row(const openvpn::SessionInfo& session, const std::string& server, const BookEntry* entry,
                              const abi::LinkView& link);

}  // namespace culvert::gateway
