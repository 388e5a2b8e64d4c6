// The blast of `make bench-turn`: packets through relays at an even pace, counted and checked on both sides.
#pragma once

#include <stdbool.h>
#include <stdint.h>

/// One client, its channel and its peer.
struct turn_flow {
    /// Connected to the server.
    int client;
    /// Connected to the relay address.
    int peer;
    /// The channel that stands for the peer.
    uint16_t channel;
    /// The TCP stream or TLS session over `client`; null for UDP.
    void *stream;
    /// Bytes of a stream that are no whole message yet.
    uint8_t *kept;
    uint32_t kept_count;
};

struct turn_load {
    struct turn_flow *flows;
    int flow_count;
    /// Bytes of a packet, without the channel's header; at least 24.
    int payload;
    /// Packets a second, half of them each way.
    double rate;
    /// How many packets of one flow and direction go out at once: 1 to 32.
    int burst;
    /// One `UDP_SEGMENT` send a burst, in place of `sendmmsg`.
    bool gso;
    /// Take merged packets (`UDP_GRO`), so that cutting a server's segments up is not counted as the server's work.
    bool gro;
    /// Sleep between sends, where the generator shares a core with the server.
    bool gentle;
    double warm_up;
    double seconds;
    /// Whose CPU time is read at both ends.
    int server_pid;
};

struct turn_load_result {
    uint64_t sent;
    uint64_t received;
    /// Not what was sent: wrong length, flow, direction or order.
    uint64_t wrong;
    /// Packets that came through between the marks, and what they cost the server's threads.
    uint64_t counted;
    uint64_t server_ns;
    /// The server's thread that was busy longest between the marks.
    uint64_t busiest_ns;
    double elapsed;
    /// Packets a second that were sent between the marks.
    double achieved;
    /// How far the generator fell behind its pace, at worst.
    double behind;
};

/// Runs the load. Returns 0, or -1 with errno set.
int turn_load_run(const struct turn_load *load, struct turn_load_result *result);

/// CPU time of all threads of a process, in nanoseconds.
uint64_t turn_load_cpu(int pid);

/// A UDP socket at an IPv4 address (in host order) with large buffers; -1 with errno set.
int turn_load_udp(uint32_t address);
/// Connects a socket to a port of 127.0.0.1.
int turn_load_connect(int fd, uint16_t port);
/// The port that a socket is bound to.
uint16_t turn_load_port(int fd);
/// Waits for at most so many milliseconds for something to read: 1, 0 or -1.
int turn_load_wait(int fd, int milliseconds);
/// Opens a TCP stream, or a TLS session without looking at the certificate, to a port of 127.0.0.1. Null where it fails.
void *turn_load_stream(uint16_t port, bool is_tls, int *fd);
/// As read and write; -1 where nothing is there, or the session ended.
long turn_load_stream_read(void *stream, void *bytes, long count);
long turn_load_stream_write(void *stream, const void *bytes, long count);
