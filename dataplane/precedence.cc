#include "dataplane/precedence.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>

namespace culvert::dataplane {
namespace {

constexpr uint64_t kTurnNs = 100'000;  ///< the shortest that the kernel grants

/// The kernel's struct sched_attr as of Linux 3.14 (sched_setattr(2)): its header can't stand beside <sched.h>, and
/// glibc has none before 2.41.
struct SchedulerAttributes {
  uint32_t size = sizeof(SchedulerAttributes);
  uint32_t policy = 0;
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime_ns = 0;
  uint64_t deadline_ns = 0;
  uint64_t period_ns = 0;
};
static_assert(sizeof(SchedulerAttributes) == 48);

bool read_attributes(SchedulerAttributes& attributes) {
  return syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) == 0;
}

bool write_attributes(SchedulerAttributes& attributes) {
  return syscall(SYS_sched_setattr, 0, &attributes, 0) == 0;
}

/// The calling thread's policy from `one` to `other`; nice value and turns stay. False: it was another, or may not.
bool change_policy(uint32_t one, uint32_t other) {
  SchedulerAttributes attributes;
  if (!read_attributes(attributes) || attributes.policy != one) return false;
  attributes.policy = other;
  return write_attributes(attributes);
}

/// Of the calling thread: Linux has a nice value for each (setpriority(2), "C library/kernel differences").
int own_nice() {
  errno = 0;
  return getpriority(PRIO_PROCESS, 0);
}

/// Where autogroups are on, nice values count within a session only, and a session's own nice value among sessions
/// (sched(7)). Not when the session is somebody else's, who started us in a shell. Failing is no harm.
void raise_session() {
  if (getsid(0) != getpid()) return;
  int fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  dprintf(fd, "%d", kWorkerNice);
  close(fd);
}

}  // namespace

bool take_precedence() {
  if (sched_getscheduler(0) != SCHED_OTHER || own_nice() != 0) return true;
  if (setpriority(PRIO_PROCESS, 0, kWorkerNice) != 0) return false;
  raise_session();
  return true;
}

void give_up_precedence() {
  if (own_nice() == kWorkerNice) (void)setpriority(PRIO_PROCESS, 0, 0);
}

bool ask_for_short_turns() {
  SchedulerAttributes attributes;
  if (!read_attributes(attributes) || attributes.policy != SCHED_OTHER) return false;
  attributes.runtime_ns = kTurnNs;
  return write_attributes(attributes) && read_attributes(attributes) && attributes.runtime_ns == kTurnNs;
}

bool wait_for_others() {
  return change_policy(SCHED_OTHER, SCHED_BATCH);
}

void interrupt_others() {
  (void)change_policy(SCHED_BATCH, SCHED_OTHER);
}

void ask_for_sharp_timers() {
  constexpr unsigned long kSlackNs = 1;  // 0 would mean the default
  (void)prctl(PR_SET_TIMERSLACK, kSlackNs);
}

}  // namespace culvert::dataplane
