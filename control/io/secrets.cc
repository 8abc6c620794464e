#include "control/io/secrets.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

namespace culvert::io {

void harden_process() {
#ifndef __SANITIZE_ADDRESS__  // which needs ptrace for its leak check and terabytes of address space
  prctl(PR_SET_DUMPABLE, 0);
  rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  // ONFAULT: what is never touched costs nothing. With a limit on locked memory, allocations would fail once privileges
  // are dropped, so then it is left out.
  rlimit locked{RLIM_INFINITY, RLIM_INFINITY};
  (void)setrlimit(RLIMIT_MEMLOCK, &locked);
  if (getrlimit(RLIMIT_MEMLOCK, &locked) == 0 && locked.rlim_cur == RLIM_INFINITY)
    (void)mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
#endif
}

}  // namespace culvert::io
