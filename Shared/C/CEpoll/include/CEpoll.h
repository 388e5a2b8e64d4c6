// What Bus needs of Linux and Swift cannot import: epoll and eventfd. No policy lives here.
#pragma once

#include <stdint.h>

// Bits of what bus_epoll_wait returns.
enum { BUS_EPOLL_SOCKET = 1, BUS_EPOLL_WAKER = 2 };

// A new epoll instance, or -errno.
int bus_epoll_create(void);
// Watches `fd` for reading, level-triggered; `bit` is returned when it is ready. Exclusive: of several instances that watch it
// so, the first added that somebody waits on is woken alone. Returns 0, or -errno.
int bus_epoll_add(int epoll, int fd, int bit, int exclusive);
// Waits up to timeout_ns. Returns the bits of what is ready, 0 when the time is over, or -errno.
int bus_epoll_wait(int epoll, int64_t timeout_ns);

// A non-blocking eventfd, or -errno.
int bus_eventfd_create(void);
void bus_eventfd_signal(int fd);
void bus_eventfd_clear(int fd);
