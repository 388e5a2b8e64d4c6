// Conversions between pio_address and what the kernel takes.
#pragma once

#include <arpa/inet.h>
#include <endian.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "CPacketIO.h"

// Large enough for both families, a quarter of sockaddr_storage: batches of them stay in the cache.
typedef union {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
} pio_name;

static inline socklen_t to_name(const pio_address *address, pio_name *name) {
    if (address->family == 4) {
        name->in = (struct sockaddr_in){
            .sin_family = AF_INET,
            .sin_port = htons(address->port),
            .sin_addr.s_addr = htonl((uint32_t)address->low),
        };
        return sizeof name->in;
    }
    name->in6 = (struct sockaddr_in6){
        .sin6_family = AF_INET6,
        .sin6_port = htons(address->port),
        .sin6_scope_id = address->zone,
    };
    uint64_t halves[2] = {htobe64(address->high), htobe64(address->low)};
    memcpy(&name->in6.sin6_addr, halves, sizeof halves);
    return sizeof name->in6;
}

static inline void from_in6(const struct in6_addr *in6, pio_address *address) {
    uint64_t halves[2];
    memcpy(halves, in6, sizeof halves);
    address->family = 6;
    address->high = be64toh(halves[0]);
    address->low = be64toh(halves[1]);
}

static inline void from_name(const struct sockaddr *name, pio_address *address) {
    *address = (pio_address){0};
    if (name->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)name;
        address->family = 4;
        address->port = ntohs(in->sin_port);
        address->low = ntohl(in->sin_addr.s_addr);
    } else if (name->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)name;
        from_in6(&in6->sin6_addr, address);
        address->port = ntohs(in6->sin6_port);
        address->zone = in6->sin6_scope_id;
    }
}

static inline int is_link_local(const pio_address *address) {
    return address->family == 6 && address->high >> 54 == 0x3fa;
}
