// See include/CAllocations.h. This file interposes malloc for the whole test program: the C library's own functions do the work.
#define _GNU_SOURCE
#include "CAllocations.h"

#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

// The Swift runtime's hooks: called instead of the functions of that name, once the switch is on.
extern _Bool _swift_enableSwizzlingOfAllocationAndRefCountingFunctions_forInstrumentsOnly;
extern void *(*_swift_allocObject)(const void *metadata, size_t size, size_t mask);
extern void *(*_swift_retain)(void *object);
extern void *(*_swift_retain_n)(void *object, uint32_t count);

static __thread bool is_counted;
static _Atomic uint64_t allocations, objects, retains;
static void *(*alloc_object)(const void *, size_t, size_t);
static void *(*retain)(void *);
static void *(*retain_n)(void *, uint32_t);

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

static void *counted_alloc_object(const void *metadata, size_t size, size_t mask) {
    count(&objects, 1);
    return alloc_object(metadata, size, mask);
}

// Callers keep values in registers that the C convention lets a callee use; the runtime's own retain does not touch them.
__attribute__((preserve_most)) static void *counted_retain(void *object) {
    count(&retains, 1);
    return retain(object);
}

__attribute__((preserve_most)) static void *counted_retain_n(void *object, uint32_t number) {
    count(&retains, number);
    return retain_n(object, number);
}

void allocation_counts_begin(void) {
    alloc_object = _swift_allocObject;
    retain = _swift_retain;
    retain_n = _swift_retain_n;
    _swift_allocObject = counted_alloc_object;
    _swift_retain = (void *(*)(void *))counted_retain;
    _swift_retain_n = (void *(*)(void *, uint32_t))counted_retain_n;
    _swift_enableSwizzlingOfAllocationAndRefCountingFunctions_forInstrumentsOnly = 1;
    allocations = objects = retains = 0;
    is_counted = true;
}

allocation_counts allocation_counts_now(void) {
    return (allocation_counts){.allocations = allocations, .objects = objects, .retains = retains};
}

// Off again at once: with hooks, the runtime of Swift 6.3.1 retains small strings as if they were objects.
void allocation_counts_end(void) {
    is_counted = false;
    _swift_enableSwizzlingOfAllocationAndRefCountingFunctions_forInstrumentsOnly = 0;
    _swift_allocObject = alloc_object;
    _swift_retain = retain;
    _swift_retain_n = retain_n;
}

uint64_t allocation_bytes_in_use(void) {
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}
