// UDP sockets and TCP: see include/CPacketIO.h.
#define _GNU_SOURCE
#include <errno.h>
#include <ifaddrs.h>
#include <linux/filter.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/uio.h>
#include <unistd.h>

#include "addresses.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

_Static_assert(PIO_FRAGMENTATION_ALLOWED == IP_PMTUDISC_DONT, "modes are the kernel's");
_Static_assert(PIO_FRAGMENTATION_NEVER == IP_PMTUDISC_DO, "modes are the kernel's");
_Static_assert(IP_PMTUDISC_DONT == IPV6_PMTUDISC_DONT && IP_PMTUDISC_DO == IPV6_PMTUDISC_DO, "one for both families");

static int set(int fd, int level, int name, int value) { return setsockopt(fd, level, name, &value, sizeof value); }

// UDP.

static int set_family_options(int fd, int family, pio_socket_options *options) {
    if (family == AF_INET6 && set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)) return -1;
    if (options->tells_local) {
        if (family == AF_INET && set(fd, IPPROTO_IP, IP_PKTINFO, 1)) return -1;
        if (family == AF_INET6 && set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)) return -1;
    }
    if (options->reports_errors) {
        if (family == AF_INET && set(fd, IPPROTO_IP, IP_RECVERR, 1)) return -1;
        if (family == AF_INET6 && set(fd, IPPROTO_IPV6, IPV6_RECVERR, 1)) return -1;
    }
    int level = family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
    int name = family == AF_INET ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER;
    if (options->fragmentation != PIO_FRAGMENTATION_SYSTEM) return set(fd, level, name, options->fragmentation);
    socklen_t length = sizeof options->fragmentation;
    return getsockopt(fd, level, name, &options->fragmentation, &length);
}

int pio_udp_bind(pio_address *address, pio_socket_options *options) {
    int family = address->family == 4 ? AF_INET : AF_INET6;
    int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);
    if (fd < 0) return -errno;
    int failed = set_family_options(fd, family, options);
    if (!failed && options->reuse_port) failed = set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    // Sizes are wishes: the kernel caps them at net.core.rmem_max and wmem_max without an error.
    if (!failed && options->receive_buffer) failed = set(fd, SOL_SOCKET, SO_RCVBUF, options->receive_buffer);
    if (!failed && options->send_buffer) failed = set(fd, SOL_SOCKET, SO_SNDBUF, options->send_buffer);
    // Linux before 5.0 has none: then datagrams come one by one.
    if (!failed && options->merges && set(fd, IPPROTO_UDP, UDP_GRO, 1)) options->merges = 0;
    pio_name name;
    socklen_t length = to_name(address, &name);
    if (!failed) failed = bind(fd, &name.any, length);
    int result = failed ? -errno : pio_local_address(fd, address);
    if (result < 0) {
        close(fd);
        return result;
    }
    return fd;
}

int pio_udp_aside(int fd, const pio_address *address, const pio_socket_options *options) {
    // `fd` was bound alone, so its port is nobody else's; only now a second one may share it.
    if (set(fd, SOL_SOCKET, SO_REUSEPORT, 1)) return -errno;
    pio_address same = *address;
    pio_socket_options wanted = *options;
    wanted.reuse_port = 1;
    int aside = pio_udp_bind(&same, &wanted);
    if (aside < 0) {
        set(fd, SOL_SOCKET, SO_REUSEPORT, 0);
        return aside;
    }
    // Runs on the datagram's payload and returns which socket of the port, in the order in which they were bound. What is too
    // short to be read ends it with 0. RTCP: version 2, and a packet type of 192 to 223.
    struct sock_filter choose[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xc0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x80, 0, 4),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 1),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 192, 0, 2),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 223, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog program = {.len = sizeof choose / sizeof choose[0], .filter = choose};
    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program)) {
        int failed = -errno;
        close(aside);
        set(fd, SOL_SOCKET, SO_REUSEPORT, 0);
        return failed;
    }
    return aside;
}

int pio_set_fragmentation(int fd, int family, int fragmentation) {
    int failed = family == 4 ? set(fd, IPPROTO_IP, IP_MTU_DISCOVER, fragmentation)
                             : set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, fragmentation);
    return failed ? -errno : 0;
}

int pio_can_segment(int fd) { return set(fd, IPPROTO_UDP, UDP_SEGMENT, 0) == 0; }

int pio_disable_checksums(int fd) { return set(fd, SOL_SOCKET, SO_NO_CHECK, 1) ? -errno : 0; }

int pio_local_address(int fd, pio_address *address) {
    pio_name name;
    socklen_t length = sizeof name;
    if (getsockname(fd, &name.any, &length)) return -errno;
    from_name(&name.any, address);
    return 0;
}

int pio_udp_client(int family) {
    int fd = socket(family == 4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP);
    return fd < 0 ? -errno : fd;
}

int pio_send_to(int fd, const void *bytes, size_t count, const pio_address *to) {
    pio_name name;
    socklen_t length = to_name(to, &name);
    ssize_t sent = sendto(fd, bytes, count, MSG_NOSIGNAL, &name.any, length);
    return sent < 0 ? -errno : (int)sent;
}

int pio_send_segments_to(int fd, const void *bytes, size_t count, uint16_t segment, const pio_address *to) {
    if (set(fd, IPPROTO_UDP, UDP_SEGMENT, segment)) return -errno;
    int sent = pio_send_to(fd, bytes, count, to);
    set(fd, IPPROTO_UDP, UDP_SEGMENT, 0);
    return sent;
}

int pio_receive_from(int fd, void *bytes, size_t count, pio_address *from, int timeout_ms) {
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    int ready = poll(&poller, 1, timeout_ms);
    if (ready <= 0) return ready ? -errno : -EAGAIN;
    pio_name name;
    socklen_t length = sizeof name;
    ssize_t received = recvfrom(fd, bytes, count, MSG_DONTWAIT, &name.any, &length);
    if (received < 0) return -errno;
    from_name(&name.any, from);
    return (int)received;
}

void pio_close(int fd) { close(fd); }

// TCP.

int pio_tcp_listen(pio_address *address, int reuse_port, int backlog) {
    int family = address->family == 4 ? AF_INET : AF_INET6;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (fd < 0) return -errno;
    // A restart finds connections of its predecessor in TIME-WAIT.
    int failed = set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (!failed && family == AF_INET6) failed = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (!failed && reuse_port) failed = set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    pio_name name;
    socklen_t length = to_name(address, &name);
    if (!failed) failed = bind(fd, &name.any, length);
    if (!failed) failed = listen(fd, backlog);
    int result = failed ? -errno : pio_local_address(fd, address);
    if (result < 0) {
        close(fd);
        return result;
    }
    return fd;
}

int pio_accept(int fd, pio_address *remote, pio_address *local, uint32_t dead_ms) {
    pio_name name;
    memset(&name, 0, sizeof name);
    socklen_t length = sizeof name;
    int stream = accept4(fd, &name.any, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (stream < 0) return -errno;
    from_name(&name.any, remote);
    // None of these is worth losing the connection for; it may be gone already.
    set(stream, IPPROTO_TCP, TCP_NODELAY, 1);
    set(stream, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(stream, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)dead_ms);
    *local = (pio_address){0};
    pio_local_address(stream, local);
    return stream;
}

int pio_peek(int fd) {
    unsigned char byte;
    ssize_t count = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (count < 0) return -errno;
    return count == 0 ? -EPIPE : byte;
}

int64_t pio_read(int fd, void *bytes, size_t room) {
    ssize_t count = recv(fd, bytes, room, MSG_DONTWAIT);
    return count < 0 ? -errno : count;
}

int64_t pio_write(int fd, const pio_vector *vectors, uint32_t count) {
    struct msghdr header = {.msg_iov = (struct iovec *)vectors, .msg_iovlen = count};
    ssize_t sent = sendmsg(fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 ? -errno : sent;
}

void pio_shutdown_write(int fd) { shutdown(fd, SHUT_WR); }

void pio_cork(int fd, int on) { setsockopt(fd, IPPROTO_TCP, TCP_CORK, &on, sizeof on); }

void pio_abort(int fd) {
    struct linger none = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    close(fd);
}

int pio_tcp_client(const pio_address *to) {
    int fd = socket(to->family == 4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
    if (fd < 0) return -errno;
    pio_name name;
    socklen_t length = to_name(to, &name);
    if (connect(fd, &name.any, length)) {
        int result = -errno;
        close(fd);
        return result;
    }
    set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    return fd;
}

int pio_host_addresses(pio_address *addresses, int count) {
    struct ifaddrs *list;
    if (getifaddrs(&list)) return 0;
    int found = 0;
    for (struct ifaddrs *item = list; item && found < count; item = item->ifa_next) {
        if (!item->ifa_addr || !(item->ifa_flags & IFF_UP) || item->ifa_flags & IFF_LOOPBACK) continue;
        int family = item->ifa_addr->sa_family;
        if (family != AF_INET && family != AF_INET6) continue;
        from_name(item->ifa_addr, &addresses[found++]);
    }
    freeifaddrs(list);
    return found;
}
