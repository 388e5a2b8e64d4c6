// epoll, eventfd, clock, threads: see include/CPacketIO.h.
#define _GNU_SOURCE
#include "CPacketIO.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

_Static_assert(PIO_READ == EPOLLIN && PIO_WRITE == EPOLLOUT, "events are epoll's");
_Static_assert(PIO_FAILED == EPOLLERR && PIO_HUNG_UP == EPOLLHUP, "events are epoll's");

int pio_epoll_create(void) {
    int fd = epoll_create1(EPOLL_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int control(int epoll, int operation, int fd, uint64_t token, uint32_t events) {
    struct epoll_event event = {.events = events, .data.u64 = token};
    return epoll_ctl(epoll, operation, fd, &event) ? -errno : 0;
}

int pio_epoll_add(int epoll, int fd, uint64_t token, uint32_t events) {
    return control(epoll, EPOLL_CTL_ADD, fd, token, events);
}

int pio_epoll_change(int epoll, int fd, uint64_t token, uint32_t events) {
    return control(epoll, EPOLL_CTL_MOD, fd, token, events);
}

int pio_epoll_remove(int epoll, int fd) { return control(epoll, EPOLL_CTL_DEL, fd, 0, 0); }

int pio_epoll_wait(int epoll, pio_event *ready, int count, int blocks) {
    struct epoll_event events[64];
    if (count > 64) count = 64;
    int found = epoll_wait(epoll, events, count, blocks ? -1 : 0);
    if (found < 0) return -errno;
    for (int i = 0; i < found; i++) {
        ready[i].token = events[i].data.u64;
        ready[i].events = events[i].events;
    }
    return found;
}

int pio_timer_create(void) {
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int pio_timer_watch(int epoll, int fd, uint64_t token) {
    // Edge-triggered, so that it need not be read.
    return control(epoll, EPOLL_CTL_ADD, fd, token, EPOLLIN | EPOLLET);
}

void pio_timer_set(int fd, int64_t at_ns) {
    // Zero would disarm it.
    if (at_ns < 1) at_ns = 1;
    struct itimerspec at = {.it_value = {.tv_sec = at_ns / 1000000000, .tv_nsec = at_ns % 1000000000}};
    // Cannot fail: the descriptor is a timer, and the time is in range.
    timerfd_settime(fd, TFD_TIMER_ABSTIME, &at, NULL);
}

int pio_eventfd_create(void) {
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

void pio_eventfd_signal(int fd) {
    uint64_t one = 1;
    // Cannot block or fail in a way that matters: at its limit the counter still wakes the reader.
    ssize_t ignored = write(fd, &one, sizeof one);
    (void)ignored;
}

void pio_eventfd_clear(int fd) {
    uint64_t count;
    ssize_t ignored = read(fd, &count, sizeof count);
    (void)ignored;
}

int64_t pio_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void pio_sleep_until(int64_t at_ns) {
    struct timespec at = {.tv_sec = at_ns / 1000000000, .tv_nsec = at_ns % 1000000000};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

void pio_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }

void pio_block_sigpipe(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}
