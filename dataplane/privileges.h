// What the process may do once it runs. Capabilities are per thread (capabilities(7)): the main thread, which no packet
// reaches, keeps what opening ports and making a deleted TUN again needs; the worker, which handles packets of
// strangers, keeps none.
#pragma once

#include "dataplane/abi/result.h"

namespace culvert::dataplane {

/// Error when the calling thread lacks CAP_NET_ADMIN.
Status check_privileges();

/// Calling thread and those it starts later: no new privileges by exec, and all capabilities given up for good except
///  CAP_NET_ADMIN         TUN and netlink, SO_MARK, socket buffers past the sysctl limit
///  CAP_NET_BIND_SERVICE  ports below 1024, also those that a new configuration asks for later
///  CAP_NET_RAW           SO_BINDTODEVICE
///  CAP_DAC_OVERRIDE      only with `foreign_run_dir`: to remove the socket file from another user's folder
/// Call it before EAL starts threads of its own.
Status drop_main_privileges(bool foreign_run_dir);
/// Calling thread: gives up all capabilities for good.
Status drop_worker_privileges();

/// Whole process: no core dump, no ptrace by others of the user. Later than EAL's start, which reads files under
/// /proc/self.
Status hide_memory();

}  // namespace culvert::dataplane
