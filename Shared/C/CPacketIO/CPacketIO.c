// See include/CPacketIO.h.
#define _GNU_SOURCE
#include "CPacketIO.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

// Addresses.

static socklen_t to_sockaddr(const pio_address *address, struct sockaddr_storage *storage) {
    memset(storage, 0, sizeof *storage);
    if (address->family == 4) {
        struct sockaddr_in *in = (struct sockaddr_in *)storage;
        in->sin_family = AF_INET;
        in->sin_port = htons(address->port);
        in->sin_addr.s_addr = htonl((uint32_t)address->low);
        return sizeof *in;
    }
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)storage;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(address->port);
    in6->sin6_scope_id = address->zone;
    uint64_t halves[2] = {htobe64(address->high), htobe64(address->low)};
    memcpy(&in6->sin6_addr, halves, sizeof halves);
    return sizeof *in6;
}

static void from_in6(const struct in6_addr *in6, pio_address *address) {
    uint64_t halves[2];
    memcpy(halves, in6, sizeof halves);
    address->family = 6;
    address->high = be64toh(halves[0]);
    address->low = be64toh(halves[1]);
}

static int is_link_local(const pio_address *address) { return address->family == 6 && address->high >> 54 == 0x3fa; }

static void from_sockaddr(const struct sockaddr_storage *storage, pio_address *address) {
    memset(address, 0, sizeof *address);
    if (storage->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)storage;
        address->family = 4;
        address->port = ntohs(in->sin_port);
        address->low = ntohl(in->sin_addr.s_addr);
    } else if (storage->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)storage;
        from_in6(&in6->sin6_addr, address);
        address->port = ntohs(in6->sin6_port);
        address->zone = in6->sin6_scope_id;
    }
}

// Batches.

// Room for one in_pktinfo or in6_pktinfo, the larger.
#define CONTROL_BYTES CMSG_SPACE(sizeof(struct in6_pktinfo))

typedef union {
    char bytes[CONTROL_BYTES];
    struct cmsghdr alignment;
} control_buffer;

struct pio_batch {
    uint32_t slots;
    struct mmsghdr *messages;
    struct iovec *vectors;
    struct sockaddr_storage *addresses;
    control_buffer *controls;
};

pio_batch *pio_batch_create(uint32_t slots) {
    pio_batch *batch = calloc(1, sizeof *batch);
    if (!batch) return NULL;
    batch->slots = slots;
    batch->messages = calloc(slots, sizeof *batch->messages);
    batch->vectors = calloc(slots, sizeof *batch->vectors);
    batch->addresses = calloc(slots, sizeof *batch->addresses);
    batch->controls = calloc(slots, sizeof *batch->controls);
    if (!batch->messages || !batch->vectors || !batch->addresses || !batch->controls) {
        pio_batch_destroy(batch);
        return NULL;
    }
    for (uint32_t i = 0; i < slots; i++) {
        struct msghdr *header = &batch->messages[i].msg_hdr;
        header->msg_name = &batch->addresses[i];
        header->msg_iov = &batch->vectors[i];
        header->msg_iovlen = 1;
    }
    return batch;
}

void pio_batch_destroy(pio_batch *batch) {
    if (!batch) return;
    free(batch->messages);
    free(batch->vectors);
    free(batch->addresses);
    free(batch->controls);
    free(batch);
}

static void read_local(struct msghdr *header, pio_address *local) {
    memset(local, 0, sizeof *local);
    for (struct cmsghdr *control = CMSG_FIRSTHDR(header); control; control = CMSG_NXTHDR(header, control)) {
        if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(control), sizeof info);
            local->family = 4;
            local->low = ntohl(info.ipi_addr.s_addr);
        } else if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(control), sizeof info);
            from_in6(&info.ipi6_addr, local);
            if (is_link_local(local)) local->zone = info.ipi6_ifindex;
        }
    }
}

int pio_receive(pio_batch *batch, int fd, void *slab, uint32_t slot_bytes, pio_datagram *datagrams, uint32_t slots) {
    if (slots > batch->slots) slots = batch->slots;
    for (uint32_t i = 0; i < slots; i++) {
        batch->vectors[i].iov_base = (char *)slab + (size_t)i * slot_bytes;
        batch->vectors[i].iov_len = slot_bytes;
        struct msghdr *header = &batch->messages[i].msg_hdr;
        header->msg_namelen = sizeof batch->addresses[i];
        header->msg_control = &batch->controls[i];
        header->msg_controllen = sizeof batch->controls[i];
        header->msg_flags = 0;
    }
    int count = recvmmsg(fd, batch->messages, slots, MSG_DONTWAIT, NULL);
    if (count < 0) return -errno;
    for (int i = 0; i < count; i++) {
        pio_datagram *datagram = &datagrams[i];
        struct msghdr *header = &batch->messages[i].msg_hdr;
        from_sockaddr(&batch->addresses[i], &datagram->remote);
        read_local(header, &datagram->local);
        datagram->offset = (uint32_t)i * slot_bytes;
        datagram->length = batch->messages[i].msg_len;
        datagram->flags = header->msg_flags & MSG_TRUNC ? PIO_TRUNCATED : 0;
    }
    return count;
}

// The control message that makes a datagram leave from `local`, or none.
static void write_local(struct msghdr *header, control_buffer *buffer, const pio_address *local) {
    if (local->family == 0) {
        header->msg_control = NULL;
        header->msg_controllen = 0;
        return;
    }
    memset(buffer, 0, sizeof *buffer);
    header->msg_control = buffer;
    struct cmsghdr *control = &buffer->alignment;
    if (local->family == 4) {
        struct in_pktinfo info = {.ipi_spec_dst.s_addr = htonl((uint32_t)local->low)};
        control->cmsg_level = IPPROTO_IP;
        control->cmsg_type = IP_PKTINFO;
        control->cmsg_len = CMSG_LEN(sizeof info);
        memcpy(CMSG_DATA(control), &info, sizeof info);
        header->msg_controllen = CMSG_SPACE(sizeof info);
    } else {
        struct in6_pktinfo info = {.ipi6_ifindex = local->zone};
        uint64_t halves[2] = {htobe64(local->high), htobe64(local->low)};
        memcpy(&info.ipi6_addr, halves, sizeof halves);
        control->cmsg_level = IPPROTO_IPV6;
        control->cmsg_type = IPV6_PKTINFO;
        control->cmsg_len = CMSG_LEN(sizeof info);
        memcpy(CMSG_DATA(control), &info, sizeof info);
        header->msg_controllen = CMSG_SPACE(sizeof info);
    }
}

int pio_send(pio_batch *batch, int fd, const void *slab, const pio_datagram *datagrams, uint32_t count) {
    if (count > batch->slots) count = batch->slots;
    for (uint32_t i = 0; i < count; i++) {
        const pio_datagram *datagram = &datagrams[i];
        batch->vectors[i].iov_base = (char *)slab + datagram->offset;
        batch->vectors[i].iov_len = datagram->length;
        struct msghdr *header = &batch->messages[i].msg_hdr;
        header->msg_namelen = to_sockaddr(&datagram->remote, &batch->addresses[i]);
        header->msg_flags = 0;
        write_local(header, &batch->controls[i], &datagram->local);
    }
    int sent = sendmmsg(fd, batch->messages, count, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 ? -errno : sent;
}

// Sockets.

int pio_udp_bind(pio_address *address, const pio_socket_options *options) {
    int family = address->family == 4 ? AF_INET : AF_INET6;
    int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);
    if (fd < 0) return -errno;
    int on = 1;
    int failed = 0;
    if (family == AF_INET) {
        failed = setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
    } else {
        failed = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on)
            || setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
    }
    if (!failed && options->reuse_port) failed = setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    // Sizes are wishes: the kernel caps them at net.core.rmem_max and wmem_max without an error.
    if (!failed && options->receive_buffer) {
        failed = setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &options->receive_buffer, sizeof options->receive_buffer);
    }
    if (!failed && options->send_buffer) {
        failed = setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &options->send_buffer, sizeof options->send_buffer);
    }
    struct sockaddr_storage storage;
    socklen_t length = to_sockaddr(address, &storage);
    if (!failed) failed = bind(fd, (struct sockaddr *)&storage, length);
    int result = failed ? -errno : pio_local_address(fd, address);
    if (result < 0) {
        close(fd);
        return result;
    }
    return fd;
}

int pio_local_address(int fd, pio_address *address) {
    struct sockaddr_storage storage;
    socklen_t length = sizeof storage;
    if (getsockname(fd, (struct sockaddr *)&storage, &length)) return -errno;
    from_sockaddr(&storage, address);
    return 0;
}

int pio_udp_client(int family) {
    int fd = socket(family == 4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP);
    return fd < 0 ? -errno : fd;
}

int pio_send_to(int fd, const void *bytes, size_t count, const pio_address *to) {
    struct sockaddr_storage storage;
    socklen_t length = to_sockaddr(to, &storage);
    ssize_t sent = sendto(fd, bytes, count, MSG_NOSIGNAL, (struct sockaddr *)&storage, length);
    return sent < 0 ? -errno : (int)sent;
}

int pio_receive_from(int fd, void *bytes, size_t count, pio_address *from, int timeout_ms) {
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    int ready = poll(&poller, 1, timeout_ms);
    if (ready <= 0) return ready ? -errno : -EAGAIN;
    struct sockaddr_storage storage;
    socklen_t length = sizeof storage;
    ssize_t received = recvfrom(fd, bytes, count, MSG_DONTWAIT, (struct sockaddr *)&storage, &length);
    if (received < 0) return -errno;
    from_sockaddr(&storage, from);
    return (int)received;
}

void pio_close(int fd) { close(fd); }

// Waiting.

int pio_epoll_create(void) {
    int fd = epoll_create1(EPOLL_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int pio_epoll_add(int epoll, int fd, uint64_t token) {
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = token};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

int pio_epoll_remove(int epoll, int fd) { return epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL) ? -errno : 0; }

int pio_epoll_wait(int epoll, uint64_t *tokens, int count, int64_t timeout_ns) {
    struct epoll_event events[64];
    if (count > 64) count = 64;
    struct timespec timeout = {.tv_sec = timeout_ns / 1000000000, .tv_nsec = timeout_ns % 1000000000};
    int ready = epoll_pwait2(epoll, events, count, timeout_ns < 0 ? NULL : &timeout, NULL);
    if (ready < 0 && errno == ENOSYS) {
        // Linux before 5.11: whole milliseconds, rounded up so that a deadline is not polled for.
        int milliseconds = timeout_ns < 0 ? -1 : (int)((timeout_ns + 999999) / 1000000);
        ready = epoll_wait(epoll, events, count, milliseconds);
    }
    if (ready < 0) return -errno;
    for (int i = 0; i < ready; i++) tokens[i] = events[i].data.u64;
    return ready;
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

void pio_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }

int pio_host_addresses(pio_address *addresses, int count) {
    struct ifaddrs *list;
    if (getifaddrs(&list)) return 0;
    int found = 0;
    for (struct ifaddrs *item = list; item && found < count; item = item->ifa_next) {
        if (!item->ifa_addr || !(item->ifa_flags & IFF_UP) || item->ifa_flags & IFF_LOOPBACK) continue;
        int family = item->ifa_addr->sa_family;
        if (family != AF_INET && family != AF_INET6) continue;
        struct sockaddr_storage storage = {0};
        memcpy(&storage, item->ifa_addr, family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
        from_sockaddr(&storage, &addresses[found++]);
    }
    freeifaddrs(list);
    return found;
}
