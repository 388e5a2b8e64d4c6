// See turn_load.h. One thread, which spins between sends (unless gentle), so that pace does not depend on timers.
#define _GNU_SOURCE
#include "turn_load.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum { header = 4, batch = 16, buffer_size = 65536, burst_limit = 32, up = 0, down = 1, thread_limit = 256 };
static const uint32_t magic = 0x524f4f53;

// What each packet bears, so that one which went astray is noticed.
struct marker {
    uint32_t magic;
    uint32_t flow;
    uint32_t direction;
    uint32_t length;
    uint64_t number;
};

struct run {
    const struct turn_load *load;
    struct turn_load_result *result;
    int epoll;
    // The number that is to be sent next, and the one expected next, of each flow and direction.
    uint64_t *next_sent[2];
    uint64_t *next_received[2];
    uint8_t *buffers;
    uint8_t *outgoing;
};

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

// MARK: the server's CPU time

struct threads {
    int count;
    int ids[thread_limit];
    uint64_t ns[thread_limit];
};

static void read_threads(int pid, struct threads *threads) {
    char path[64];
    threads->count = 0;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *folder = opendir(path);
    if (!folder) return;
    struct dirent *entry;
    while ((entry = readdir(folder)) && threads->count < thread_limit) {
        if (entry->d_name[0] == '.') continue;
        char file[320];
        snprintf(file, sizeof file, "/proc/%d/task/%s/schedstat", pid, entry->d_name);
        FILE *stat = fopen(file, "r");
        if (!stat) continue;
        unsigned long long ns = 0;
        if (fscanf(stat, "%llu", &ns) == 1) {
            threads->ids[threads->count] = atoi(entry->d_name);
            threads->ns[threads->count++] = ns;
        }
        fclose(stat);
    }
    closedir(folder);
}

uint64_t turn_load_cpu(int pid) {
    struct threads threads;
    uint64_t sum = 0;
    read_threads(pid, &threads);
    for (int i = 0; i < threads.count; i++) sum += threads.ns[i];
    return sum;
}

static void compare(const struct threads *before, const struct threads *after, struct turn_load_result *result) {
    result->server_ns = 0;
    result->busiest_ns = 0;
    for (int i = 0; i < after->count; i++) {
        uint64_t spent = after->ns[i];
        for (int j = 0; j < before->count; j++)
            if (before->ids[j] == after->ids[i]) spent -= before->ns[j];
        result->server_ns += spent;
        if (spent > result->busiest_ns) result->busiest_ns = spent;
    }
}

// MARK: sending

static void fill(struct run *run, uint8_t *packet, int flow, int direction) {
    const struct turn_load *load = run->load;
    if (direction == up) {
        uint16_t channel = htons(load->flows[flow].channel), length = htons((uint16_t)load->payload);
        memcpy(packet, &channel, 2);
        memcpy(packet + 2, &length, 2);
        packet += header;
    }
    struct marker marker = {
        magic, (uint32_t)flow, (uint32_t)direction, (uint32_t)load->payload, run->next_sent[direction][flow]++,
    };
    memcpy(packet, &marker, sizeof marker);
}

static int receive_all(struct run *run, double wait);

static int send_stream(struct run *run, int flow, int size) {
    BIO *stream = run->load->flows[flow].stream;
    for (int i = 0; i < run->load->burst; i++) {
        memset(run->outgoing, 0, (size_t)size);
        fill(run, run->outgoing, flow, up);
        for (int done = 0; done < size;) {
            int written = BIO_write(stream, run->outgoing + done, size - done);
            if (written > 0) {
                done += written;
                continue;
            }
            if (!BIO_should_retry(stream)) return errno = EPIPE, -1;
            if (receive_all(run, 0) < 0) return -1;
        }
    }
    return 0;
}

// Sends one burst.
static int send_burst(struct run *run, int flow, int direction) {
    const struct turn_load *load = run->load;
    int payload = load->payload, burst = load->burst;
    int size = direction == up ? payload + header : payload;
    run->result->sent += (uint64_t)burst;
    if (direction == up && load->flows[flow].stream) return send_stream(run, flow, (size + 3) & ~3);
    int fd = direction == up ? load->flows[flow].client : load->flows[flow].peer;
    for (int i = 0; i < burst; i++) fill(run, run->outgoing + i * size, flow, direction);
    if (burst == 1) {
        while (send(fd, run->outgoing, (size_t)size, 0) < 0)
            if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS) return -1;
        return 0;
    }
    if (load->gso) {
        // A send of more than 65,507 bytes or 64 segments is refused; neither comes near here.
        char control[CMSG_SPACE(sizeof(uint16_t))] = {0};
        struct iovec piece = {run->outgoing, (size_t)(size * burst)};
        struct msghdr message = {
            .msg_iov = &piece, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
        struct cmsghdr *option = CMSG_FIRSTHDR(&message);
        option->cmsg_level = SOL_UDP;
        option->cmsg_type = UDP_SEGMENT;
        option->cmsg_len = CMSG_LEN(sizeof(uint16_t));
        uint16_t segment = (uint16_t)size;
        memcpy(CMSG_DATA(option), &segment, sizeof segment);
        while (sendmsg(fd, &message, 0) < 0)
            if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS) return -1;
        return 0;
    }
    struct mmsghdr messages[burst_limit];
    struct iovec pieces[burst_limit];
    memset(messages, 0, sizeof messages);
    for (int i = 0; i < burst; i++) {
        pieces[i] = (struct iovec){run->outgoing + i * size, (size_t)size};
        messages[i].msg_hdr.msg_iov = &pieces[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    for (int done = 0; done < burst;) {
        int count = sendmmsg(fd, messages + done, (unsigned)(burst - done), 0);
        if (count < 0 && errno != EAGAIN && errno != EINTR && errno != ENOBUFS) return -1;
        if (count > 0) done += count;
    }
    return 0;
}

// MARK: receiving

// One packet that came out at the other end.
static void check(struct run *run, const uint8_t *packet, long size, int flow, int direction) {
    const struct turn_load *load = run->load;
    struct marker marker;
    run->result->received++;
    if (direction == down) {
        uint16_t channel = htons(load->flows[flow].channel), length = htons((uint16_t)load->payload);
        if (size < header || memcmp(packet, &channel, 2) || memcmp(packet + 2, &length, 2)) {
            run->result->wrong++;
            return;
        }
        packet += header;
        size -= header;
    }
    if (size < load->payload) {
        run->result->wrong++;
        return;
    }
    memcpy(&marker, packet, sizeof marker);
    uint64_t expected = run->next_received[direction][flow];
    run->next_received[direction][flow] = marker.number + 1;
    if (marker.magic != magic || marker.flow != (uint32_t)flow || marker.direction != (uint32_t)direction
        || marker.length != (uint32_t)load->payload || marker.number != expected)
        run->result->wrong++;
}

static int receive_datagrams(struct run *run, int fd, int flow, int direction) {
    struct mmsghdr messages[batch];
    struct iovec pieces[batch];
    char controls[batch][CMSG_SPACE(sizeof(int))];
    for (;;) {
        for (int i = 0; i < batch; i++) {
            pieces[i] = (struct iovec){run->buffers + i * buffer_size, buffer_size};
            messages[i].msg_hdr = (struct msghdr){
                .msg_iov = &pieces[i], .msg_iovlen = 1, .msg_control = controls[i], .msg_controllen = sizeof controls[i]};
        }
        int count = recvmmsg(fd, messages, run->load->gro ? 4 : batch, MSG_DONTWAIT, NULL);
        if (count < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
        for (int i = 0; i < count; i++) {
            long left = messages[i].msg_len, segment = left;
            struct msghdr *message = &messages[i].msg_hdr;
            for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c))
                if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
                    int stated;
                    memcpy(&stated, CMSG_DATA(c), sizeof stated);
                    if (stated > 0) segment = stated;
                }
            for (const uint8_t *packet = run->buffers + i * buffer_size; left > 0; packet += segment, left -= segment)
                check(run, packet, left < segment ? left : segment, flow, direction);
        }
        if (count < (run->load->gro ? 4 : batch)) return 0;
    }
}

static int receive_stream(struct run *run, int index) {
    struct turn_flow *flow = &run->load->flows[index];
    uint32_t frame = (uint32_t)((run->load->payload + header + 3) & ~3);
    for (;;) {
        int count = BIO_read(flow->stream, flow->kept + flow->kept_count, (int)(buffer_size - flow->kept_count));
        if (count <= 0) return BIO_should_retry(flow->stream) ? 0 : (errno = EPIPE, -1);
        flow->kept_count += (uint32_t)count;
        uint32_t start = 0;
        for (; flow->kept_count - start >= frame; start += frame)
            check(run, flow->kept + start, run->load->payload + header, index, down);
        memmove(flow->kept, flow->kept + start, flow->kept_count - start);
        flow->kept_count -= start;
    }
}

// Takes what is there; waits for it at most so many seconds.
static int receive_all(struct run *run, double wait) {
    struct epoll_event events[64];
    struct timespec patience = {0, (long)(wait * 1e9)};
    int count = wait > 0 ? epoll_pwait2(run->epoll, events, 64, &patience, NULL) : epoll_wait(run->epoll, events, 64, 0);
    if (count < 0) return errno == EINTR ? 0 : -1;
    for (int i = 0; i < count; i++) {
        int flow = (int)(events[i].data.u64 >> 1), direction = (int)(events[i].data.u64 & 1);
        struct turn_flow *which = &run->load->flows[flow];
        int result = direction == up ? receive_datagrams(run, which->peer, flow, up)
            : which->stream          ? receive_stream(run, flow)
                                     : receive_datagrams(run, which->client, flow, down);
        if (result < 0) return -1;
    }
    return count;
}

// MARK: the run

static int watch(struct run *run, int fd, int flow, int direction) {
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)flow << 1 | (uint64_t)direction};
    int on = run->load->gro;
    setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof on);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return epoll_ctl(run->epoll, EPOLL_CTL_ADD, fd, &event);
}

static int pace(struct run *run) {
    const struct turn_load *load = run->load;
    struct turn_load_result *result = run->result;
    double step = load->burst / load->rate, begin = now(), mark = begin + load->warm_up, end = mark + load->seconds;
    double due = begin, marked_at = 0;
    uint64_t bursts = 0, received_at_mark = 0, sent_at_mark = 0;
    struct threads before = {0}, after = {0};
    for (;;) {
        double time = now();
        if (!marked_at && time >= mark) {
            read_threads(load->server_pid, &before);
            marked_at = now();
            received_at_mark = result->received;
            sent_at_mark = result->sent;
        }
        if (time >= end) break;
        if (time >= due) {
            int direction = (int)(bursts & 1), flow = (int)(bursts / 2 % (uint64_t)load->flow_count);
            if (send_burst(run, flow, direction) < 0) return -1;
            bursts++;
            if (marked_at && time - due > result->behind) result->behind = time - due;
            due += step;
            // What cannot be caught up soon is left out, and shows in `achieved`: no flood instead.
            if (time - due > 0.02) due = time;
        }
        double left = due - now();
        if (receive_all(run, load->gentle && left > 30e-6 ? left : 0) < 0) return -1;
    }
    read_threads(load->server_pid, &after);
    result->elapsed = now() - marked_at;
    result->counted = result->received - received_at_mark;
    result->achieved = (double)(result->sent - sent_at_mark) / result->elapsed;
    compare(&before, &after, result);
    // What is still on its way.
    double patience = now() + 0.5;
    while (result->received < result->sent && now() < patience)
        if (receive_all(run, 0) < 0) return -1;
    return 0;
}

int turn_load_run(const struct turn_load *load, struct turn_load_result *result) {
    struct run run = {.load = load, .result = result, .epoll = epoll_create1(EPOLL_CLOEXEC)};
    memset(result, 0, sizeof *result);
    run.buffers = malloc((size_t)batch * buffer_size);
    run.outgoing = calloc(burst_limit, 2048);
    for (int direction = 0; direction < 2; direction++) {
        run.next_sent[direction] = calloc((size_t)load->flow_count, sizeof(uint64_t));
        run.next_received[direction] = calloc((size_t)load->flow_count, sizeof(uint64_t));
    }
    int failed = run.epoll < 0 || load->burst > burst_limit || load->payload + header > 2048
        || load->payload < (int)sizeof(struct marker);
    for (int i = 0; i < load->flow_count && !failed; i++) {
        if (load->flows[i].stream) load->flows[i].kept = malloc(buffer_size);
        failed = watch(&run, load->flows[i].client, i, down) < 0 || watch(&run, load->flows[i].peer, i, up) < 0;
    }
    if (!failed) failed = pace(&run) < 0;
    int reason = errno;
    for (int i = 0; i < load->flow_count; i++) {
        free(load->flows[i].kept);
        load->flows[i].kept = NULL;
        load->flows[i].kept_count = 0;
    }
    for (int direction = 0; direction < 2; direction++) {
        free(run.next_sent[direction]);
        free(run.next_received[direction]);
    }
    free(run.buffers);
    free(run.outgoing);
    if (run.epoll >= 0) close(run.epoll);
    errno = reason;
    return failed ? -1 : 0;
}
