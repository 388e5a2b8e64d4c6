// Batches of datagrams: see include/CPacketIO.h.
#define _GNU_SOURCE
#include <errno.h>
#include <time.h>

#include <linux/errqueue.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <sys/uio.h>

#include "addresses.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

_Static_assert(sizeof(pio_vector) == sizeof(struct iovec), "pio_vector is an iovec");

// Room for an in6_pktinfo (in_pktinfo is smaller) and a segment size.
#define CONTROL_BYTES (CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(int)))

typedef union {
    char bytes[CONTROL_BYTES];
    struct cmsghdr alignment;
} control_buffer;

// Receiving.

struct pio_receiver {
    uint32_t slots;
    struct mmsghdr *messages;
    struct iovec *vectors;
    pio_name *names;
    control_buffer *controls;
};

pio_receiver *pio_receiver_create(void *slab, uint32_t slots, uint32_t slot_bytes, uint32_t stride) {
    pio_receiver *receiver = calloc(1, sizeof *receiver);
    if (!receiver) return NULL;
    receiver->slots = slots;
    receiver->messages = calloc(slots, sizeof *receiver->messages);
    receiver->vectors = calloc(slots, sizeof *receiver->vectors);
    receiver->names = calloc(slots, sizeof *receiver->names);
    receiver->controls = calloc(slots, sizeof *receiver->controls);
    if (!receiver->messages || !receiver->vectors || !receiver->names || !receiver->controls) {
        pio_receiver_destroy(receiver);
        return NULL;
    }
    for (uint32_t i = 0; i < slots; i++) {
        receiver->vectors[i].iov_base = (char *)slab + (size_t)i * stride;
        receiver->vectors[i].iov_len = slot_bytes;
        struct msghdr *header = &receiver->messages[i].msg_hdr;
        header->msg_name = &receiver->names[i];
        header->msg_iov = &receiver->vectors[i];
        header->msg_iovlen = 1;
    }
    return receiver;
}

void pio_receiver_destroy(pio_receiver *receiver) {
    if (!receiver) return;
    free(receiver->messages);
    free(receiver->vectors);
    free(receiver->names);
    free(receiver->controls);
    free(receiver);
}

static void read_controls(struct msghdr *header, pio_datagram *datagram) {
    for (struct cmsghdr *control = CMSG_FIRSTHDR(header); control; control = CMSG_NXTHDR(header, control)) {
        if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(control), sizeof info);
            datagram->local.family = 4;
            datagram->local.low = ntohl(info.ipi_addr.s_addr);
        } else if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(control), sizeof info);
            from_in6(&info.ipi6_addr, &datagram->local);
            if (is_link_local(&datagram->local)) datagram->local.zone = info.ipi6_ifindex;
        } else if (control->cmsg_level == IPPROTO_UDP && control->cmsg_type == UDP_GRO) {
            int segment;
            memcpy(&segment, CMSG_DATA(control), sizeof segment);
            if (segment > 0) datagram->segment = (uint32_t)segment;
        }
    }
}

int pio_receive(
    pio_receiver *receiver, int fd, uint32_t first, uint32_t count, uint32_t tells, pio_datagram *datagrams) {
    if (first >= receiver->slots) return -EINVAL;
    if (count > receiver->slots - first) count = receiver->slots - first;
    struct mmsghdr *messages = receiver->messages + first;
    for (uint32_t i = 0; i < count; i++) {
        struct msghdr *header = &messages[i].msg_hdr;
        header->msg_namelen = sizeof receiver->names[0];
        header->msg_control = tells ? &receiver->controls[first + i] : NULL;
        header->msg_controllen = tells ? sizeof receiver->controls[0] : 0;
    }
    int received;
    if (count == 1) {
        ssize_t length = recvmsg(fd, &messages[0].msg_hdr, MSG_DONTWAIT);
        if (length < 0) return -errno;
        messages[0].msg_len = (unsigned)length;
        received = 1;
    } else {
        received = recvmmsg(fd, messages, count, MSG_DONTWAIT, NULL);
        if (received < 0) return -errno;
    }
    for (int i = 0; i < received; i++) {
        pio_datagram *datagram = &datagrams[i];
        struct msghdr *header = &messages[i].msg_hdr;
        from_name(&receiver->names[first + (uint32_t)i].any, &datagram->remote);
        datagram->local = (pio_address){0};
        datagram->length = messages[i].msg_len;
        datagram->segment = messages[i].msg_len;
        datagram->flags = header->msg_flags & MSG_TRUNC ? PIO_TRUNCATED : 0;
        if (tells) read_controls(header, datagram);
    }
    return received;
}

static void read_error(struct msghdr *header, pio_error *error) {
    for (struct cmsghdr *control = CMSG_FIRSTHDR(header); control; control = CMSG_NXTHDR(header, control)) {
        int is_v4 = control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_RECVERR;
        int is_v6 = control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_RECVERR;
        if (!is_v4 && !is_v6) continue;
        struct sock_extended_err extended;
        memcpy(&extended, CMSG_DATA(control), sizeof extended);
        error->data = extended.ee_info;
        error->type = extended.ee_type;
        error->code = extended.ee_code;
        error->number = (int)extended.ee_errno;
        error->is_local = extended.ee_origin != SO_EE_ORIGIN_ICMP && extended.ee_origin != SO_EE_ORIGIN_ICMP6;
        if (error->is_local) continue;
        pio_name reporter;
        memset(&reporter, 0, sizeof reporter);
        size_t behind = CMSG_LEN(sizeof extended);
        size_t room = control->cmsg_len > behind ? control->cmsg_len - behind : 0;
        memcpy(&reporter, CMSG_DATA(control) + sizeof extended, room < sizeof reporter ? room : sizeof reporter);
        from_name(&reporter.any, &error->reporter);
    }
}

int pio_receive_error(int fd, pio_error *error, void *payload, size_t room) {
    pio_name name;
    memset(&name, 0, sizeof name);
    struct iovec vector = {.iov_base = payload, .iov_len = room};
    union {
        char bytes[512];
        struct cmsghdr alignment;
    } control;
    struct msghdr header = {
        .msg_name = &name,
        .msg_namelen = sizeof name,
        .msg_iov = &vector,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control,
    };
    ssize_t length = recvmsg(fd, &header, MSG_ERRQUEUE | MSG_DONTWAIT);
    if (length < 0) return errno == EAGAIN ? 0 : -errno;
    *error = (pio_error){.length = (uint32_t)length};
    from_name(&name.any, &error->remote);
    read_error(&header, error);
    return 1;
}

// Sending.

struct pio_sender {
    uint32_t slots;
    struct mmsghdr *messages;
    pio_name *names;
    control_buffer *controls;
};

pio_sender *pio_sender_create(uint32_t slots) {
    pio_sender *sender = calloc(1, sizeof *sender);
    if (!sender) return NULL;
    sender->slots = slots;
    sender->messages = calloc(slots, sizeof *sender->messages);
    sender->names = calloc(slots, sizeof *sender->names);
    sender->controls = calloc(slots, sizeof *sender->controls);
    if (!sender->messages || !sender->names || !sender->controls) {
        pio_sender_destroy(sender);
        return NULL;
    }
    return sender;
}

void pio_sender_destroy(pio_sender *sender) {
    if (!sender) return;
    free(sender->messages);
    free(sender->names);
    free(sender->controls);
    free(sender);
}

static size_t put_control(char *at, int level, int type, const void *data, size_t length) {
    // All of it, the padding too: the kernel gets no bytes of the stack.
    memset(at, 0, CMSG_SPACE(length));
    struct cmsghdr *control = (struct cmsghdr *)at;
    control->cmsg_level = level;
    control->cmsg_type = type;
    control->cmsg_len = CMSG_LEN(length);
    memcpy(CMSG_DATA(control), data, length);
    return CMSG_SPACE(length);
}

// The control messages that make a message leave from `local` (family 0: none) and be cut at `segment` (0: not).
static void write_controls(struct msghdr *header, control_buffer *buffer, const pio_address *local, uint16_t segment) {
    size_t length = 0;
    if (local->family == 4) {
        struct in_pktinfo info = {.ipi_spec_dst.s_addr = htonl((uint32_t)local->low)};
        length += put_control(buffer->bytes, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    } else if (local->family == 6) {
        struct in6_pktinfo info = {.ipi6_ifindex = local->zone};
        uint64_t halves[2] = {htobe64(local->high), htobe64(local->low)};
        memcpy(&info.ipi6_addr, halves, sizeof halves);
        length += put_control(buffer->bytes, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
    }
    if (segment) length += put_control(buffer->bytes + length, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment);
    header->msg_control = length ? buffer : NULL;
    header->msg_controllen = length;
}

int pio_send(
    pio_sender *sender, int fd, const pio_flow *flows, const pio_message *messages, const pio_vector *vectors,
    uint32_t count) {
    if (count > sender->slots) count = sender->slots;
    const pio_message *last = NULL;
    for (uint32_t i = 0; i < count; i++) {
        const pio_message *message = &messages[i];
        const pio_flow *flow = &flows[message->flow];
        struct msghdr *header = &sender->messages[i].msg_hdr;
        if (last && last->flow == message->flow) {
            header->msg_name = sender->messages[i - 1].msg_hdr.msg_name;
            header->msg_namelen = sender->messages[i - 1].msg_hdr.msg_namelen;
        } else {
            header->msg_name = &sender->names[i];
            header->msg_namelen = to_name(&flow->remote, &sender->names[i]);
        }
        header->msg_iov = (struct iovec *)(vectors + message->first_vector);
        header->msg_iovlen = message->vectors;
        header->msg_flags = 0;
        if (flow->local.family || message->segment) {
            write_controls(header, &sender->controls[i], &flow->local, message->segment);
        } else {
            header->msg_control = NULL;
            header->msg_controllen = 0;
        }
        last = message;
    }
    if (count == 1) return sendmsg(fd, &sender->messages[0].msg_hdr, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 1;
    int sent = sendmmsg(fd, sender->messages, count, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 ? -errno : sent;
}
