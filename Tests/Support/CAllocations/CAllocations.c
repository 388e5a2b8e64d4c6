// See include/CAllocations.h. This file interposes malloc and the Swift runtime's own functions for the whole test program: those of
// the libraries do the work.
#define _GNU_SOURCE
#include "CAllocations.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static __thread bool is_counted;
static _Atomic uint64_t allocations, objects, retains;

static void count(_Atomic uint64_t *counter, uint64_t number) {
    if (is_counted) atomic_fetch_add_explicit(counter, number, memory_order_relaxed);
}

// A sanitizer has its own.
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)

bool allocation_counts_are_exact(void) { return false; }

#else

bool allocation_counts_are_exact(void) { return true; }

void *malloc(size_t size) {
    count(&allocations, 1);
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
    count(&allocations, 1);
    return __libc_calloc(number, size);
}

void *realloc(void *memory, size_t size) {
    count(&allocations, 1);
    return __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    count(&allocations, 1);
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size) {
    count(&allocations, 1);
    *memory = __libc_memalign(alignment, size);
    return *memory ? 0 : ENOMEM;
}

#endif

// The runtime has hooks for this, but they are one switch for all threads, and with it on it takes short strings for objects
// (Swift 6.3.1): another thread that handled one then crashed. So its functions are interposed like malloc.
static void *(*real_alloc_object)(const void *, size_t, size_t);
static void *(*real_retain)(void *);
static void *(*real_retain_n)(void *, uint32_t);
static void *(*real_bridge_retain)(void *);
static void *(*real_bridge_retain_n)(void *, uint32_t);

__attribute__((constructor)) static void find_runtime(void) {
    real_alloc_object = (void *(*)(const void *, size_t, size_t))dlsym(RTLD_NEXT, "swift_allocObject");
    real_retain_n = (void *(*)(void *, uint32_t))dlsym(RTLD_NEXT, "swift_retain_n");
    real_bridge_retain = (void *(*)(void *))dlsym(RTLD_NEXT, "swift_bridgeObjectRetain");
    real_bridge_retain_n = (void *(*)(void *, uint32_t))dlsym(RTLD_NEXT, "swift_bridgeObjectRetain_n");
    real_retain = (void *(*)(void *))dlsym(RTLD_NEXT, "swift_retain");
}

// Libraries may need them before this program's constructors have run.
static void need_runtime(void) {
    if (!real_retain) find_runtime();
}

// Nothing, a short string and the like have no count: the runtime leaves them alone, too.
static void count_retains(void *object, uint64_t number) {
    if ((intptr_t)object > 0) count(&retains, number);
}

void *swift_allocObject(const void *metadata, size_t size, size_t mask) {
    need_runtime();
    count(&objects, 1);
    return real_alloc_object(metadata, size, mask);
}

// Callers keep values in registers that the C convention lets a callee use; the runtime's own retains do not touch them.
__attribute__((preserve_most)) void *swift_retain(void *object) {
    need_runtime();
    count_retains(object, 1);
    return real_retain(object);
}

__attribute__((preserve_most)) void *swift_retain_n(void *object, uint32_t number) {
    need_runtime();
    count_retains(object, number);
    return real_retain_n(object, number);
}

__attribute__((preserve_most)) void *swift_bridgeObjectRetain(void *object) {
    need_runtime();
    count_retains(object, 1);
    return real_bridge_retain(object);
}

__attribute__((preserve_most)) void *swift_bridgeObjectRetain_n(void *object, uint32_t number) {
    need_runtime();
    count_retains(object, number);
    return real_bridge_retain_n(object, number);
}

void allocation_counts_begin(void) {
    allocations = objects = retains = 0;
    is_counted = true;
}

allocation_counts allocation_counts_now(void) {
    return (allocation_counts){.allocations = allocations, .objects = objects, .retains = retains};
}

void allocation_counts_end(void) { is_counted = false; }

uint64_t allocation_bytes_in_use(void) {
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}
