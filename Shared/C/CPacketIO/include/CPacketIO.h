// What PacketIO needs of Linux and Swift cannot import or cannot say: epoll, eventfd, batches of datagrams with their
// control messages. No policy lives here: each function is one system call or a plain conversion.
#pragma once

#include <stddef.h>
#include <stdint.h>

// An address and a port in host byte order. IPv4 is in the lower half of `low`. family 0: none.
typedef struct {
    uint64_t high;
    uint64_t low;
    uint32_t zone;
    uint16_t port;
    uint8_t family;  // 0, 4 or 6
} pio_address;

// One datagram of a batch.
typedef struct {
    pio_address remote;  // received: where from; to send: where to
    pio_address local;   // received: the address it came to; to send: the address to send from, family 0: the kernel's choice
    uint32_t offset;     // of its bytes in the slab
    uint32_t length;
    uint32_t flags;      // PIO_TRUNCATED
} pio_datagram;

enum { PIO_TRUNCATED = 1 };

// Reused memory of recvmmsg and sendmmsg for `slots` datagrams.
typedef struct pio_batch pio_batch;
pio_batch *pio_batch_create(uint32_t slots);
void pio_batch_destroy(pio_batch *batch);

// Receives up to `slots` datagrams into slab + i * slot_bytes and describes them. Returns how many, or -errno.
int pio_receive(pio_batch *batch, int fd, void *slab, uint32_t slot_bytes, pio_datagram *datagrams, uint32_t slots);

// Sends `count` datagrams in order. Returns how many the kernel took (stops at the first it did not), or -errno if that is
// the first.
int pio_send(pio_batch *batch, int fd, const void *slab, const pio_datagram *datagrams, uint32_t count);

// What a bound socket may be asked for.
typedef struct {
    int receive_buffer;  // SO_RCVBUF, 0: the system's default
    int send_buffer;     // SO_SNDBUF, 0: the system's default
    int reuse_port;      // SO_REUSEPORT: several workers on one port
} pio_socket_options;

// A non-blocking UDP socket bound to `address`, which tells for each datagram the address it came to. IPv6 sockets are
// IPv6 only. Returns the descriptor, or -errno. `address` gets the real port.
int pio_udp_bind(pio_address *address, const pio_socket_options *options);
// A blocking UDP socket of `family` without an address, for tests and tools. Returns the descriptor, or -errno.
int pio_udp_client(int family);
int pio_send_to(int fd, const void *bytes, size_t count, const pio_address *to);
// Waits up to timeout_ms. Returns the bytes received, or -errno (-EAGAIN: time-out).
int pio_receive_from(int fd, void *bytes, size_t count, pio_address *from, int timeout_ms);
int pio_local_address(int fd, pio_address *address);
void pio_close(int fd);

int pio_epoll_create(void);
// Watches `fd` for reading, level-triggered; `token` comes back with its events.
int pio_epoll_add(int epoll, int fd, uint64_t token);
int pio_epoll_remove(int epoll, int fd);
// Waits up to timeout_ns (negative: for ever). Returns how many tokens were written, or -errno.
int pio_epoll_wait(int epoll, uint64_t *tokens, int count, int64_t timeout_ns);

int pio_eventfd_create(void);
void pio_eventfd_signal(int fd);
void pio_eventfd_clear(int fd);

// CLOCK_MONOTONIC in nanoseconds.
int64_t pio_now(void);

// The thread's name, at most 15 characters, for `ps -L` and `top -H`.
void pio_name_thread(const char *name);

// The host's addresses that are up, loopback left out. Returns how many were written.
int pio_host_addresses(pio_address *addresses, int count);
