// What control asks of its allocator.
#pragma once

namespace culvert::io {

/// Puts this program's heap on huge pages where the kernel gives them on request
/// (/sys/kernel/mm/transparent_hugepage/enabled: madvise). A handshake walks over some two thousand small blocks, and a
/// session takes new memory, which the kernel would otherwise hand out 4 KiB at a time. Also lets glibc keep more freed
/// blocks of each size as they are: a handshake frees hundreds, and glibc would join, and later cut again, all but
/// seven of each size.
///
/// Only glibc itself can ask for its heap's pages, and it takes that wish only from an environment variable that it
/// reads when a program starts (GLIBC_TUNABLES, glibc.malloc.hugetlb and tcache_count; glibc's manual, "Memory
/// Allocation Tunables"). So this runs the program anew, from its beginning, with the same arguments and process ID:
/// call it first in main(). It returns in the new run, with the variable taken out of the environment again. It returns
/// in this run where the operator has set the variable (which then stays as it is), where the program can't be run
/// again (no /proc), and where it has privileges of its file (glibc then ignores the variable; getauxval(3),
/// AT_SECURE).
void tune_heap(char** argv);

/// Gives back to the kernel what this program has freed and its allocator keeps. By itself glibc gives back only what
/// lies at the heap's end, below which there is always something in use. Takes some 20 ms for each 100 MB, in which no
/// other thread gets memory. Blocks that each thread keeps (tcache_count) stay.
void give_back_freed_memory();

}  // namespace culvert::io
