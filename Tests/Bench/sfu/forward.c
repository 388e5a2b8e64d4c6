// The yardstick of `make bench-sfu`: what forwarding costs that does nothing but forward. No ICE, no DTLS, no rooms, nothing opened or
// checked; the same work for each packet as a forwarder cannot avoid: received, sealed for each receiver by AES-128-GCM as SRTP
// does (RFC 7714: the header authenticated, the payload encrypted, a tag of 16 bytes; one OpenSSL context a receiver), and sent.
//
//   forward PORT RECEIVERS          recvmmsg and sendmmsg
//   forward PORT RECEIVERS gso      also UDP_GRO on what comes, and UDP_SEGMENT on runs of equal size to one receiver
//
// A member says "JOIN" and is answered the same. A packet of the n-th member goes to the next RECEIVERS members after it.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/udp.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum { batch = 64, member_limit = 1000, packet_limit = 1024, message_limit = 1024, room = 2048, tag = 16, segment_limit = 64, gso_bytes = 65000 };

struct member {
    struct sockaddr_in address;
    EVP_CIPHER_CTX *cipher;
    uint64_t sealed;
};

// A packet of the batch that is being forwarded.
struct packet {
    const uint8_t *bytes;
    int size, header, from;
};

static struct member members[member_limit];
static int member_count, receivers, use_gso, fd;
static int by_port[65536];

static struct mmsghdr in[batch];
static struct iovec in_piece[batch];
static struct sockaddr_in in_from[batch];
static char in_control[batch][CMSG_SPACE(sizeof(int))];
static struct packet packets[packet_limit];
static int packet_count;

static struct mmsghdr out[message_limit];
static struct iovec piece[message_limit];
static char out_control[message_limit][CMSG_SPACE(sizeof(uint16_t))];
static int out_segment[message_limit], out_segments[message_limit], out_count;
// Sealed packets, one behind the other, so that a run of them is one piece.
static uint8_t sealed[packet_limit * 4 * room];
static size_t sealed_bytes;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void flush(void) {
    for (int i = 0; i < out_count; i++) {
        if (out_segments[i] < 2) continue;
        struct msghdr *message = &out[i].msg_hdr;
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
    out_count = 0;
    sealed_bytes = 0;
}

// Seals a packet for a receiver, behind those sealed before. Returns its size.
static int seal(struct member *to, const struct packet *packet) {
    uint8_t *at = sealed + sealed_bytes, nonce[12] = {0};
    int written;
    uint64_t number = to->sealed++;
    memcpy(nonce + 4, &number, sizeof number);
    memcpy(at, packet->bytes, (size_t)packet->header);
    EVP_EncryptInit_ex(to->cipher, NULL, NULL, NULL, nonce);
    EVP_EncryptUpdate(to->cipher, NULL, &written, at, packet->header);
    EVP_EncryptUpdate(to->cipher, at + packet->header, &written, packet->bytes + packet->header, packet->size - packet->header);
    EVP_EncryptFinal_ex(to->cipher, at + packet->size, &written);
    EVP_CIPHER_CTX_ctrl(to->cipher, EVP_CTRL_AEAD_GET_TAG, tag, at + packet->size);
    return packet->size + tag;
}

static void put(struct member *to, const struct packet *packet) {
    if (out_count == message_limit || sealed_bytes + room > sizeof sealed) flush();
    uint8_t *start = sealed + sealed_bytes;
    int size = seal(to, packet), last = out_count - 1;
    sealed_bytes += (size_t)size;
    // The last of a run may be shorter, and ends it.
    if (use_gso && out_count && out[last].msg_hdr.msg_name == &to->address && out_segments[last] < segment_limit && size <= out_segment[last]
        && piece[last].iov_len == (size_t)out_segment[last] * (size_t)out_segments[last] && piece[last].iov_len + (size_t)size <= gso_bytes) {
        piece[last].iov_len += (size_t)size;
        out_segments[last]++;
        return;
    }
    piece[out_count] = (struct iovec){start, (size_t)size};
    out[out_count].msg_hdr = (struct msghdr){
        .msg_name = &to->address, .msg_namelen = sizeof to->address, .msg_iov = &piece[out_count], .msg_iovlen = 1};
    out_segment[out_count] = size;
    out_segments[out_count++] = 1;
}

// All of the batch to one receiver, then to the next: what goes to one lies together.
static void forward(void) {
    for (int to = 0; to < member_count; to++)
        for (int i = 0; i < packet_count; i++) {
            int distance = (to - packets[i].from + member_count) % member_count;
            if (distance > 0 && distance <= receivers) put(&members[to], &packets[i]);
        }
    flush();
    packet_count = 0;
}

static void join(const struct sockaddr_in *from) {
    int *known = &by_port[ntohs(from->sin_port)];
    if (*known == 0 && member_count < member_limit) {
        struct member *member = &members[member_count++];
        *known = member_count;
        uint8_t key[16];
        RAND_bytes(key, sizeof key);
        member->address = *from;
        member->cipher = EVP_CIPHER_CTX_new();
        EVP_EncryptInit_ex(member->cipher, EVP_aes_128_gcm(), NULL, key, NULL);
    }
    sendto(fd, "JOIN", 4, 0, (const struct sockaddr *)from, sizeof *from);
}

// How long the RTP header is, extension and all; it must be found, as it stays readable.
static int header_of(const uint8_t *bytes, int size) {
    int header = 12 + 4 * (bytes[0] & 15);
    if (bytes[0] & 0x10 && size >= header + 4) header += 4 + 4 * (bytes[header + 2] << 8 | bytes[header + 3]);
    return header <= size ? header : size;
}

static int segment_of(int i) {
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&in[i].msg_hdr); c; c = CMSG_NXTHDR(&in[i].msg_hdr, c))
        if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
            int stated;
            memcpy(&stated, CMSG_DATA(c), sizeof stated);
            if (stated > 0) return stated;
        }
    return (int)in[i].msg_len;
}

static void receive(void) {
    for (int i = 0; i < batch; i++)
        in[i].msg_hdr = (struct msghdr){
            .msg_name = &in_from[i], .msg_namelen = sizeof in_from[i], .msg_iov = &in_piece[i], .msg_iovlen = 1,
            .msg_control = use_gso ? in_control[i] : NULL, .msg_controllen = use_gso ? sizeof in_control[i] : 0};
    int count = recvmmsg(fd, in, batch, MSG_DONTWAIT, NULL);
    for (int i = 0; i < count; i++) {
        const uint8_t *bytes = in_piece[i].iov_base;
        int left = (int)in[i].msg_len, segment = segment_of(i), from = by_port[ntohs(in_from[i].sin_port)];
        if (left == 4 && !memcmp(bytes, "JOIN", 4)) {
            join(&in_from[i]);
            continue;
        }
        for (; left > 0; left -= segment, bytes += segment) {
            int size = left < segment ? left : segment;
            if (!from || size < 12 || size > room - tag) continue;
            if (packet_count == packet_limit) forward();
            packets[packet_count++] = (struct packet){bytes, size, header_of(bytes, size), from - 1};
        }
    }
    forward();
}

int main(int count, char **arguments) {
    if (count < 3) return fprintf(stderr, "forward PORT RECEIVERS [gso]\n"), 64;
    receivers = atoi(arguments[2]);
    use_gso = count > 3 && !strcmp(arguments[3], "gso");
    size_t buffer = use_gso ? 65536 : room;
    uint8_t *buffers = malloc(batch * buffer);
    for (int i = 0; i < batch; i++) in_piece[i] = (struct iovec){buffers + (size_t)i * buffer, buffer};
    int size = 4 << 20;
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(arguments[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) die("socket");
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    if (use_gso) setsockopt(fd, SOL_UDP, UDP_GRO, &use_gso, sizeof use_gso);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) die("bind");
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    while (epoll_wait(epoll, &event, 1, -1) != 0) receive();
}
