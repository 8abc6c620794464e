// What the worker asks of the kernel's scheduler in kernel mode: a worker that sleeps is woken by a packet, and should
// not wait until a handshake of control, or whatever else the machine computes, has used up its turn. It stays an
// ordinary thread that gets its share and no more: a real-time one that is busy would lock control out.
#pragma once

namespace culvert::dataplane {

inline constexpr int kWorkerNice = -10;  ///< about nine times the share of a thread of nice 0, where both want a core

/// Calling thread and those it starts later: kWorkerNice; also the session, if the process leads one. A nice value
/// other than 0 or a policy other than SCHED_OTHER is somebody's wish and stays. Needs CAP_SYS_NICE or RLIMIT_NICE
/// (setpriority(2)), so call it before they are given up. False: may not.
bool take_precedence();
/// Calling thread: back to nice 0, if take_precedence() has changed it.
void give_up_precedence();

/// Calling thread: turns of 0.1 ms instead of the kernel's 1 to 4, because a thread with shorter turns is let in front
/// of one with longer turns when it wakes up (EEVDF; sched_setattr(2), sched_runtime). Needs no privilege. False:
/// the kernel has no turns of a thread's own (Linux before 6.12), or the thread's policy has none.
bool ask_for_short_turns();

/// Calling thread: from now on, waking up does not interrupt whoever runs on its core (SCHED_BATCH, sched(7)); it runs
/// when that one sleeps or has used up its turn, and then has its share as before. Needs no privilege. False: nothing
/// has changed, because the kernel refuses, or the policy is not SCHED_OTHER and so somebody's wish.
bool wait_for_others();
/// Calling thread: undoes wait_for_others().
void interrupt_others();

/// Calling thread: timers that wake it are as exact as the kernel's can be; its default for ordinary threads is 50 µs
/// late at most (prctl(2), PR_SET_TIMERSLACK). Needs no privilege.
void ask_for_sharp_timers();

}  // namespace culvert::dataplane
