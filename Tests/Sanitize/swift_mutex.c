// Tells ThreadSanitizer of the order that Swift's Mutex makes where it cannot see it.
//
// A free Mutex is taken, and one that nobody waits for let go, by an atomic that the compiler puts into our code, where the
// sanitizer sees it. Who finds it taken goes by libswiftSynchronization, which is not built for the sanitizer, to the kernel
// (FUTEX_LOCK_PI, FUTEX_UNLOCK_PI), which then writes the owner itself. So it saw no order between the two threads and took
// what the lock guards for a race. These three take the library's place, let it do the work, and then say what was done: a lock
// that was taken comes after all that was said of its word, and one that is let go before. Nothing is said unless the lock
// changed hands, so no race is hidden.
//
// Linked only into what Tests/Sanitize/run builds.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>

#if __has_feature(thread_sanitizer)

void __tsan_acquire(void *address);
void __tsan_release(void *address);

#define SWIFT_METHOD __attribute__((swiftcall))
#define SELF __attribute__((swift_context)) void *lock
// Synchronization._MutexHandle
#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define TRY_LOCK "$s15Synchronization12_MutexHandleV12_tryLockSlowSbyF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

typedef SWIFT_METHOD void lock_function(uint32_t thread, SELF);
typedef SWIFT_METHOD bool try_lock_function(SELF);
typedef SWIFT_METHOD void unlock_function(SELF);

static lock_function *real_lock;
static try_lock_function *real_try_lock;
static unlock_function *real_unlock;

// Before any thread of Swift's.
__attribute__((constructor)) static void find_library(void) {
    real_lock = (lock_function *)dlsym(RTLD_NEXT, LOCK);
    real_try_lock = (try_lock_function *)dlsym(RTLD_NEXT, TRY_LOCK);
    real_unlock = (unlock_function *)dlsym(RTLD_NEXT, UNLOCK);
}

SWIFT_METHOD void lock_slow(uint32_t thread, SELF) __asm__(LOCK);
SWIFT_METHOD void lock_slow(uint32_t thread, SELF) {
    real_lock(thread, lock);
    __tsan_acquire(lock);
}

SWIFT_METHOD bool try_lock_slow(SELF) __asm__(TRY_LOCK);
SWIFT_METHOD bool try_lock_slow(SELF) {
    bool is_taken = real_try_lock(lock);
    if (is_taken) __tsan_acquire(lock);
    return is_taken;
}

SWIFT_METHOD void unlock_slow(SELF) __asm__(UNLOCK);
SWIFT_METHOD void unlock_slow(SELF) {
    __tsan_release(lock);
    real_unlock(lock);
}

#endif
