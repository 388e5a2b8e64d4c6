// What PacketIO needs of Linux and Swift cannot import or cannot say: epoll, eventfd, batches of datagrams with their
// control messages, TCP. No policy lives here: each function is one system call or a plain conversion.
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

// Receiving datagrams.

// What came with one receive: a datagram, or several of one flow that the kernel merged (UDP_GRO).
typedef struct {
    pio_address remote;  // where from
    pio_address local;   // the address it came to, family 0 unless PIO_TELL_LOCAL
    uint32_t length;
    uint32_t segment;    // length of each datagram (the last may be shorter); `length` if it is one
    uint32_t flags;      // PIO_TRUNCATED
} pio_datagram;

enum { PIO_TRUNCATED = 1 };
// What a socket tells beside the bytes, as its options were.
enum { PIO_TELL_LOCAL = 1, PIO_TELL_SEGMENT = 2 };

// Reused memory of recvmmsg into `slots` slots of a slab: slot i is at slab + i * stride and takes slot_bytes.
typedef struct pio_receiver pio_receiver;
pio_receiver *pio_receiver_create(void *slab, uint32_t slots, uint32_t slot_bytes, uint32_t stride);
void pio_receiver_destroy(pio_receiver *receiver);

// Receives up to `count` times into the slots from `first` on and describes slot first + i in datagrams[i]. `tells` is what
// the socket was asked to tell. Returns how many, or -errno.
int pio_receive(
    pio_receiver *receiver, int fd, uint32_t first, uint32_t count, uint32_t tells, pio_datagram *datagrams);

// An error that the network, or our own kernel, reported on a datagram sent before (IP_RECVERR).
typedef struct {
    pio_address remote;    // whom that datagram was for
    pio_address reporter;  // who reported it; family 0 if that was our own kernel
    uint32_t data;         // the MTU, where that is what it is about
    uint8_t type;          // ICMP or ICMPv6 type; 0 for our own kernel
    uint8_t code;
    uint8_t is_local;      // our own kernel: `number` says what
    int number;            // errno
    uint32_t length;       // how much of the datagram's payload came back
} pio_error;

// Takes one error off the socket's queue, with the start of the payload. Returns 1, 0 if there is none, or -errno.
int pio_receive_error(int fd, pio_error *error, void *payload, size_t room);

// Sending datagrams.

// Where the datagrams of a turn that have everything in common but their bytes go, and their chain.
typedef struct {
    pio_address remote;
    pio_address local;  // the address to send from, family 0: the kernel's choice
    int32_t socket;     // index in the loop's table
    uint32_t flags;     // PIO_DONT_FRAGMENT
    int32_t first;      // entry
    int32_t last;
    int32_t next;       // flow of the same socket
} pio_flow;

enum { PIO_DONT_FRAGMENT = 1 };

// struct iovec.
typedef struct {
    const void *base;
    size_t length;
} pio_vector;

// One sendmsg: a datagram, or several of equal length (the last may be shorter) for the kernel to cut (UDP_SEGMENT).
typedef struct {
    uint32_t flow;
    uint32_t first_vector;
    uint32_t vectors;
    uint32_t bytes;
    uint16_t datagrams;
    uint16_t segment;  // 0: one datagram
} pio_message;

// Reused memory of sendmmsg for `slots` messages.
typedef struct pio_sender pio_sender;
pio_sender *pio_sender_create(uint32_t slots);
void pio_sender_destroy(pio_sender *sender);

// Sends messages in order. Returns how many the kernel took (stops at the first it did not), or -errno if that is the first.
int pio_send(
    pio_sender *sender, int fd, const pio_flow *flows, const pio_message *messages, const pio_vector *vectors,
    uint32_t count);

// UDP sockets.

// What a bound socket may be asked for.
typedef struct {
    int receive_buffer;  // SO_RCVBUF, 0: the system's default
    int send_buffer;     // SO_SNDBUF, 0: the system's default
    int reuse_port;      // SO_REUSEPORT: several workers on one port
    int tells_local;     // IP_PKTINFO
    int merges;          // UDP_GRO
    int reports_errors;  // IP_RECVERR
    int fragmentation;   // PIO_FRAGMENTATION_…; becomes what the socket has, for pio_set_fragmentation
} pio_socket_options;

// The kernel's modes (IP_PMTUDISC_DONT, IP_PMTUDISC_DO), and none.
enum { PIO_FRAGMENTATION_ALLOWED = 0, PIO_FRAGMENTATION_NEVER = 2, PIO_FRAGMENTATION_SYSTEM = -1 };

// A non-blocking UDP socket bound to `address`. IPv6 sockets are IPv6 only. Returns the descriptor, or -errno. `address`
// gets the real port; `options->merges` becomes 0 where the kernel knows no UDP_GRO.
int pio_udp_bind(pio_address *address, pio_socket_options *options);
// A second socket on the address that `fd` is bound to: RTCP (RFC 5761 §4) comes there, and nothing else.
// Returns the descriptor, or -errno where the kernel cannot do that.
int pio_udp_aside(int fd, const pio_address *address, const pio_socket_options *options);
// Sets the Don't Fragment bit of what is sent from now on: PIO_FRAGMENTATION_NEVER, or what pio_udp_bind told.
int pio_set_fragmentation(int fd, int family, int fragmentation);
// Whether the kernel knows UDP_SEGMENT.
int pio_can_segment(int fd);
// For tests: a socket without checksums, whose UDP_SEGMENT the kernel refuses.
int pio_disable_checksums(int fd);
// A blocking UDP socket of `family` without an address, for tests and tools. Returns the descriptor, or -errno.
int pio_udp_client(int family);
int pio_send_to(int fd, const void *bytes, size_t count, const pio_address *to);
// Sends `bytes` as datagrams of `segment` bytes by one UDP_SEGMENT call, for tests and tools.
int pio_send_segments_to(int fd, const void *bytes, size_t count, uint16_t segment, const pio_address *to);
// Waits up to timeout_ms. Returns the bytes received, or -errno (-EAGAIN: time-out).
int pio_receive_from(int fd, void *bytes, size_t count, pio_address *from, int timeout_ms);
int pio_local_address(int fd, pio_address *address);
void pio_close(int fd);

// TCP.

// A listening, non-blocking socket. Returns the descriptor, or -errno. `address` gets the real port.
int pio_tcp_listen(pio_address *address, int reuse_port, int backlog);
// The next connection, non-blocking, without Nagle's delay, cut by the kernel if sent bytes stay unacknowledged for
// `dead_ms`. Returns the descriptor, or -errno.
int pio_accept(int fd, pio_address *remote, pio_address *local, uint32_t dead_ms);
// The next byte without taking it: 0…255, -errno, or -EPIPE at the end.
int pio_peek(int fd);
// Bytes taken, 0 at the end, or -errno.
int64_t pio_read(int fd, void *bytes, size_t room);
// Bytes that the kernel took, or -errno. At most 1024 vectors.
int64_t pio_write(int fd, const pio_vector *vectors, uint32_t count);
void pio_shutdown_write(int fd);
// Holds partial segments back (1), or lets them go (0), so that several writes leave as few segments.
void pio_cork(int fd, int on);
// Closes at once: the peer gets a reset, and nothing lingers in the kernel.
void pio_abort(int fd);
// A blocking connection, for tests and tools. Returns the descriptor, or -errno.
int pio_tcp_client(const pio_address *to);

// Waiting.

typedef struct {
    uint64_t token;
    uint32_t events;  // PIO_READ, PIO_WRITE, PIO_FAILED
} pio_event;

enum { PIO_READ = 1, PIO_WRITE = 4, PIO_FAILED = 8, PIO_HUNG_UP = 16 };

int pio_epoll_create(void);
// Watches `fd`, level-triggered; `token` comes back with its events. `events`: PIO_READ, PIO_WRITE.
int pio_epoll_add(int epoll, int fd, uint64_t token, uint32_t events);
int pio_epoll_change(int epoll, int fd, uint64_t token, uint32_t events);
int pio_epoll_remove(int epoll, int fd);
// Waits for events if it `blocks`. Returns how many were written, or -errno. At most 64.
int pio_epoll_wait(int epoll, pio_event *events, int count, int blocks);

// A timer of CLOCK_MONOTONIC that wakes epoll once, at a moment; to set it again moves it. A timeout given to the wait itself
// would be set up and taken down in the kernel each turn.
int pio_timer_create(void);
int pio_timer_watch(int epoll, int fd, uint64_t token);
void pio_timer_set(int fd, int64_t at_ns);

int pio_eventfd_create(void);
void pio_eventfd_signal(int fd);
void pio_eventfd_clear(int fd);

// CLOCK_MONOTONIC in nanoseconds.
int64_t pio_now(void);
// Sleeps until then, or until a signal.
void pio_sleep_until(int64_t at_ns);

// The thread's name, at most 15 characters, for `ps -L` and `top -H`.
void pio_name_thread(const char *name);
// A write to a closed connection is an error of that connection, not the end of the process (OpenSSL writes without
// MSG_NOSIGNAL).
void pio_block_sigpipe(void);

// The host's addresses that are up, loopback left out. Returns how many were written.
int pio_host_addresses(pio_address *addresses, int count);
