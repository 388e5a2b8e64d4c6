// Counts what costs too much on a packet's way: allocations of memory and of objects, and retains, of one thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Whether memory is counted at all: not beside a sanitizer, which has allocation functions of its own.
bool allocation_counts_are_exact(void);

// What the thread did since it began counting.
typedef struct {
    uint64_t allocations;  // malloc, calloc, realloc, aligned_alloc, posix_memalign
    uint64_t objects;      // of Swift
    uint64_t retains;      // of Swift
} allocation_counts;

// Counts what the calling thread does from now on; any other thread is left out.
void allocation_counts_begin(void);
// From any thread: what was counted so far.
allocation_counts allocation_counts_now(void);
// Counts no longer; on the thread that began.
void allocation_counts_end(void);
// How many bytes of the whole program are allocated, and not freed.
uint64_t allocation_bytes_in_use(void);
