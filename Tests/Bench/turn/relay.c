// The yardstick of `make bench-turn`: what a relay costs that does nothing but relay. No TURN, no checks of who may what; the same
// work for each packet: found by the client's port, four bytes of header taken off towards the peer and put on towards the
// client. One socket that all clients share, one for each flow towards its peer.
//
//   relay PORT          recvmmsg and sendmmsg
//   relay PORT gso      also UDP_GRO on what comes and UDP_SEGMENT on runs of equal size that go
//
// A client makes a flow by a datagram "FLOW", its channel and its peer's port at 127.0.0.2 (two bytes each); the answer is "FLOW" and the
// relay's port.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum { batch = 64, header = 4, out_limit = 1024, piece_limit = 2 * out_limit, segment_limit = 64, gso_bytes = 65000 };

struct flow {
    int fd;
    uint8_t prefix[2];
    struct sockaddr_in client, peer;
};

static struct flow *by_port[65536];
static struct flow *by_fd[65536];
static int listener, use_gso;
static size_t buffer_size = 2048;

// What came in one call.
static uint8_t *buffers;
static struct mmsghdr in[batch];
static struct iovec in_piece[batch];
static struct sockaddr_in in_from[batch];
static char in_control[batch][CMSG_SPACE(sizeof(int))];

// What goes out: packets gathered for one socket.
static struct mmsghdr out[out_limit];
static struct iovec piece[piece_limit];
static char out_control[out_limit][CMSG_SPACE(sizeof(uint16_t))];
static uint8_t prefix[out_limit * 4][header];
static size_t out_bytes[out_limit], out_segment[out_limit];
static int out_segments[out_limit], out_count, piece_count, prefix_count;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void flush(int fd) {
    for (int i = 0; i < out_count; i++) {
        struct msghdr *message = &out[i].msg_hdr;
        if (out_segments[i] < 2) {
            message->msg_control = NULL;
            message->msg_controllen = 0;
            continue;
        }
        message->msg_control = out_control[i];
        message->msg_controllen = sizeof out_control[i];
        struct cmsghdr *option = CMSG_FIRSTHDR(message);
        uint16_t segment = (uint16_t)out_segment[i];
        option->cmsg_level = SOL_UDP;
        option->cmsg_type = UDP_SEGMENT;
        option->cmsg_len = CMSG_LEN(sizeof segment);
        memcpy(CMSG_DATA(option), &segment, sizeof segment);
    }
    for (int done = 0; done < out_count;) {
        int count = sendmmsg(fd, out + done, (unsigned)(out_count - done), 0);
        // A packet that cannot go is lost, as anywhere.
        done += count > 0 ? count : 1;
    }
    out_count = piece_count = prefix_count = 0;
}

// Adds a packet: to the last message, if it goes to the same place and GSO may join them; else as a new one.
static void put(int fd, struct sockaddr_in *to, const uint8_t *before, uint8_t *bytes, size_t size) {
    size_t whole = size + (before ? header : 0);
    int last = out_count - 1;
    int joins = use_gso && out_count && out[last].msg_hdr.msg_name == to && out_segments[last] < segment_limit
        && out_bytes[last] == out_segment[last] * (size_t)out_segments[last] && whole <= out_segment[last]
        && out_bytes[last] + whole <= gso_bytes;
    if (piece_count + 2 > piece_limit || prefix_count + 1 > out_limit * 4 || (!joins && out_count == out_limit)) {
        flush(fd);
        joins = 0;
    }
    if (!joins) {
        last = out_count++;
        out[last].msg_hdr = (struct msghdr){.msg_name = to, .msg_namelen = sizeof *to, .msg_iov = &piece[piece_count]};
        out_bytes[last] = 0;
        out_segment[last] = whole;
        out_segments[last] = 0;
    }
    if (before) {
        uint8_t *copy = prefix[prefix_count++];
        memcpy(copy, before, header);
        piece[piece_count++] = (struct iovec){copy, header};
        out[last].msg_hdr.msg_iovlen++;
    }
    piece[piece_count++] = (struct iovec){bytes, size};
    out[last].msg_hdr.msg_iovlen++;
    out_bytes[last] += whole;
    out_segments[last]++;
}

static int receive(int fd) {
    for (int i = 0; i < batch; i++)
        in[i].msg_hdr = (struct msghdr){
            .msg_name = &in_from[i], .msg_namelen = sizeof in_from[i], .msg_iov = &in_piece[i], .msg_iovlen = 1,
            .msg_control = use_gso ? in_control[i] : NULL, .msg_controllen = use_gso ? sizeof in_control[i] : 0};
    return recvmmsg(fd, in, batch, MSG_DONTWAIT, NULL);
}

static size_t segment_of(int i) {
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&in[i].msg_hdr); c; c = CMSG_NXTHDR(&in[i].msg_hdr, c))
        if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
            int stated;
            memcpy(&stated, CMSG_DATA(c), sizeof stated);
            if (stated > 0) return (size_t)stated;
        }
    return in[i].msg_len;
}

static int udp(uint16_t port) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), size = 4 << 20;
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0 || fd > 65535) die("socket");
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    if (use_gso) setsockopt(fd, SOL_UDP, UDP_GRO, &use_gso, sizeof use_gso);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) die("bind");
    return fd;
}

static void make_flow(int epoll, const struct sockaddr_in *client, const uint8_t *message) {
    struct flow *flow = by_port[ntohs(client->sin_port)];
    if (flow) {
        close(flow->fd);
    } else {
        flow = calloc(1, sizeof *flow);
        by_port[ntohs(client->sin_port)] = flow;
    }
    flow->fd = udp(0);
    flow->client = *client;
    flow->peer = *client;
    flow->peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
    memcpy(flow->prefix, message + 4, 2);
    memcpy(&flow->peer.sin_port, message + 6, 2);
    by_fd[flow->fd] = flow;
    struct epoll_event event = {.events = EPOLLIN, .data.fd = flow->fd};
    epoll_ctl(epoll, EPOLL_CTL_ADD, flow->fd, &event);
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    getsockname(flow->fd, (struct sockaddr *)&address, &length);
    uint8_t answer[6] = "FLOW";
    memcpy(answer + 4, &address.sin_port, 2);
    sendto(listener, answer, sizeof answer, 0, (const struct sockaddr *)client, sizeof *client);
}

// From clients: each run of packets of one flow leaves by that flow's socket.
static void from_clients(int epoll) {
    int count = receive(listener);
    struct flow *current = NULL;
    for (int i = 0; i < count; i++) {
        uint8_t *packet = in_piece[i].iov_base;
        size_t left = in[i].msg_len, segment = segment_of(i);
        if (left == 8 && !memcmp(packet, "FLOW", 4)) {
            make_flow(epoll, &in_from[i], packet);
            continue;
        }
        struct flow *flow = by_port[ntohs(in_from[i].sin_port)];
        if (!flow) continue;
        if (current && flow != current) flush(current->fd);
        current = flow;
        for (; left > header; packet += segment) {
            size_t size = left < segment ? left : segment;
            if (size > header) put(flow->fd, &flow->peer, NULL, packet + header, size - header);
            left -= size;
        }
    }
    if (current) flush(current->fd);
}

// From a peer; flushed at once, as the buffers are used again for the next socket.
static void from_peer(struct flow *flow) {
    int count = receive(flow->fd);
    for (int i = 0; i < count; i++) {
        uint8_t *packet = in_piece[i].iov_base;
        size_t left = in[i].msg_len, segment = segment_of(i);
        for (; left > 0; packet += segment) {
            size_t size = left < segment ? left : segment;
            uint8_t before[header] = {flow->prefix[0], flow->prefix[1], (uint8_t)(size >> 8), (uint8_t)size};
            put(listener, &flow->client, before, packet, size);
            left -= size;
        }
    }
    flush(listener);
}

int main(int count, char **arguments) {
    if (count < 2) return fprintf(stderr, "relay PORT [gso]\n"), 64;
    use_gso = count > 2 && !strcmp(arguments[2], "gso");
    if (use_gso) buffer_size = 65536;
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    buffers = malloc(batch * buffer_size);
    for (int i = 0; i < batch; i++) in_piece[i] = (struct iovec){buffers + (size_t)i * buffer_size, buffer_size};
    listener = udp((uint16_t)atoi(arguments[1]));
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[64];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int ready = epoll_wait(epoll, events, 64, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd == listener)
                from_clients(epoll);
            else
                from_peer(by_fd[events[i].data.fd]);
        }
    }
}
