#include "dataplane/privileges.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>

namespace culvert::dataplane {
namespace {

using CapabilitySets = std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3>;

bool read_sets(CapabilitySets& sets) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  return syscall(SYS_capget, &header, sets.data()) == 0;
}

constexpr uint64_t bit(int capability) {
  return uint64_t{1} << capability;
}

/// Leaves the calling thread with those of `keep` that it has.
Status keep_only(uint64_t keep) {
  auto fail = [] { return Error{std::string("cannot give up capabilities: ") + std::strerror(errno)}; };
  // The bounding set first, while CAP_SETPCAP is there; without it nothing can be gained by exec anyway (no_new_privs).
  for (int capability = 0; capability <= CAP_LAST_CAP; ++capability)
    if ((keep & bit(capability)) == 0) prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  CapabilitySets sets{};
  if (!read_sets(sets)) return fail();
  for (size_t i = 0; i < sets.size(); ++i) {
    auto mask = static_cast<uint32_t>(keep >> (32 * i));
    sets[i].permitted &= mask;
    sets[i].effective = sets[i].permitted;
    sets[i].inheritable = 0;
  }
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  if (syscall(SYS_capset, &header, sets.data()) != 0) return fail();
  return {};
}

}  // namespace

Status check_privileges() {
  CapabilitySets sets{};
  if (read_sets(sets) && (sets[0].effective & bit(CAP_NET_ADMIN)) != 0) return {};
  return Error{"needs CAP_NET_ADMIN for the TUN device: run it as root"};
}

Status drop_main_privileges(bool foreign_run_dir) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return Error{std::string("cannot set no_new_privs: ") + std::strerror(errno)};
  return keep_only(bit(CAP_NET_ADMIN) | bit(CAP_NET_BIND_SERVICE) | bit(CAP_NET_RAW) |
                   (foreign_run_dir ? bit(CAP_DAC_OVERRIDE) : 0));
}

Status drop_worker_privileges() {
  return keep_only(0);
}

Status hide_memory() {
#ifndef __SANITIZE_ADDRESS__  // its leak check at exit must attach to the process
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
    return Error{std::string("cannot switch core dumps off: ") + std::strerror(errno)};
#endif
  return {};
}

}  // namespace culvert::dataplane
