#include "control/io/privileges.h"

#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace culvert::io {
namespace {

Error step_failed(const char* what) {
  return Error{std::string(what) + ": " + std::strerror(errno)};
}

}  // namespace

Result<Identity> identity_of(const std::string& user, const std::string& group) {
  Identity identity;
  if (!user.empty()) {
    const passwd* entry = getpwnam(user.c_str());
    if (!entry) return Error{"user \"" + user + "\" does not exist: make it (adduser --system) or change `user`"};
    identity.uid = entry->pw_uid;
    identity.gid = entry->pw_gid;
  }
  if (!group.empty()) {
    const struct group* entry = getgrnam(group.c_str());
    if (!entry)
      return Error{"group \"" + group + "\" does not exist: " + (group == "nobody" ? "Debian calls it nogroup; " : "") +
                   "make it (addgroup --system) or change `group`"};
    identity.gid = entry->gr_gid;
  }
  return identity;
}

Status become(const Identity& identity, bool runs_scripts) {
  if (!runs_scripts && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return step_failed("no_new_privs");
  bool other = (identity.uid && *identity.uid != geteuid()) || (identity.gid && *identity.gid != getegid());
  if (!other) return {};
  // The kernel forgets the signal that our parent's death should bring when the user changes (prctl(2)).
  int death_signal = 0;
  prctl(PR_GET_PDEATHSIG, &death_signal);
  pid_t parent = getppid();
  if (setgroups(0, nullptr) != 0) return step_failed("setgroups");
  if (identity.gid && setresgid(*identity.gid, *identity.gid, *identity.gid) != 0) return step_failed("setresgid");
  if (identity.uid && setresuid(*identity.uid, *identity.uid, *identity.uid) != 0) return step_failed("setresuid");
  // A process that changes its user becomes dumpable again (prctl(2)).
  prctl(PR_SET_DUMPABLE, 0);
  prctl(PR_SET_PDEATHSIG, death_signal);
  if (death_signal != 0 && getppid() != parent) raise(death_signal);
  return {};
}

}  // namespace culvert::io
