#define _GNU_SOURCE
#include "CEpoll.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

int bus_epoll_create(void) {
    int fd = epoll_create1(EPOLL_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int bus_epoll_add(int epoll, int fd, int bit, int exclusive) {
    struct epoll_event event = {.events = EPOLLIN | (exclusive ? EPOLLEXCLUSIVE : 0), .data.u32 = (uint32_t)bit};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

int bus_epoll_wait(int epoll, int64_t timeout_ns) {
    struct epoll_event events[2];
    struct timespec timeout = {.tv_sec = timeout_ns / 1000000000, .tv_nsec = timeout_ns % 1000000000};
    int ready = epoll_pwait2(epoll, events, 2, &timeout, NULL);
    if (ready < 0 && errno == ENOSYS) {
        // Linux before 5.11: whole milliseconds, rounded up so that a deadline is not polled for.
        ready = epoll_wait(epoll, events, 2, (int)((timeout_ns + 999999) / 1000000));
    }
    if (ready < 0) return -errno;
    int bits = 0;
    for (int i = 0; i < ready; i++) bits |= (int)events[i].data.u32;
    return bits;
}

int bus_eventfd_create(void) {
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

void bus_eventfd_signal(int fd) {
    uint64_t one = 1;
    // At its limit the counter still wakes who waits.
    ssize_t ignored = write(fd, &one, sizeof one);
    (void)ignored;
}

void bus_eventfd_clear(int fd) {
    uint64_t count;
    ssize_t ignored = read(fd, &count, sizeof count);
    (void)ignored;
}
