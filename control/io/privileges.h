// Who control runs as.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "dataplane/abi/result.h"

namespace culvert::io {

struct Identity {
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
};

/// Looks up the names of `user` and `group` (empty: stay as it is; a user without a group brings its own). The error
/// says which one does not exist.
Result<Identity> identity_of(const std::string& user, const std::string& group);

/// Becomes `identity` for good: no way back, no capabilities. `runs_scripts`: programs that it starts may gain
/// privileges (sudo in an operator's script, unix_chkpwd of PAM); else nothing may, for good.
Status become(const Identity& identity, bool runs_scripts = false);

}  // namespace culvert::io
