#include "virtual_time.h"

#include <stddef.h>
#include <sys/time.h>
#include <time.h>

static _Thread_local int64_t virtual_now = -1;

void virtual_time_set(int64_t microseconds) { virtual_now = microseconds; }

// Stands before libc's for the program and all its libraries.
int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    (void)zone;
    if (virtual_now >= 0) {
        time->tv_sec = virtual_now / 1000000;
        time->tv_usec = virtual_now % 1000000;
        return 0;
    }
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return 0;
}
