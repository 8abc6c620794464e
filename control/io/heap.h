// What control asks of its allocator.
#pragma once

namespace culvert::io {

/// Has this program's heap lie on huge pages where the kernel gives them to those who ask
/// (/sys/kernel/mm/transparent_hugepage/enabled: madvise): a handshake walks over some two thousand small blocks, and a
/// session takes new memory, of which the kernel hands out 4 KiB at a time otherwise. Also lets glibc keep more freed
/// blocks of each size as they are: a handshake frees hundreds, of which it would join and cut again all but seven.
///
/// Only glibc itself can ask for its heap, and only by an environment variable that is read when a program starts
/// (GLIBC_TUNABLES, glibc.malloc.hugetlb and tcache_count; glibc's manual, "Memory Allocation Tunables"). So this runs
/// the program anew, from its beginning, with the same arguments and process ID: to be called first in main(). Returns
/// in the new run, with the variable taken out of the environment again; also where the operator has set that variable,
/// which then stays as it is, where the program can't be run again (no /proc), and where it has privileges of its file,
/// to which glibc denies the variable (getauxval(3), AT_SECURE).
void tune_heap(char** argv);

/// Gives the kernel what this program has freed and its allocator keeps: glibc by itself only does with what lies at
/// the heap's end, below which there is always something in use. Takes some 20 ms for each 100 MB, in which no other
/// thread gets memory. What stays are the blocks that each thread keeps (tcache_count).
void give_back_freed_memory();

}  // namespace culvert::io
