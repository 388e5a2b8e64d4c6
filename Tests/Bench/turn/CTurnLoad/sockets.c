// Sockets for the setting up, in blocking mode.
#define _GNU_SOURCE
#include "turn_load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in endpoint(uint32_t address, uint16_t port) {
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(address)};
}

int turn_load_udp(uint32_t at) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    // A server's burst must not be lost here: loss is to mean the server's.
    int size = 4 << 20;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    struct sockaddr_in address = endpoint(at, 0);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int turn_load_connect(int fd, uint16_t port) {
    struct sockaddr_in address = endpoint(INADDR_LOOPBACK, port);
    return connect(fd, (struct sockaddr *)&address, sizeof address);
}

uint16_t turn_load_port(int fd) {
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    return getsockname(fd, (struct sockaddr *)&address, &length) < 0 ? 0 : ntohs(address.sin_port);
}

int turn_load_wait(int fd, int milliseconds) {
    struct pollfd wanted = {fd, POLLIN, 0};
    return poll(&wanted, 1, milliseconds);
}

// A TLS session over a connected socket.
static BIO *secure(int fd) {
    static SSL_CTX *context;
    if (!context) {
        context = SSL_CTX_new(TLS_client_method());
        if (!context) return NULL;
        SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
        SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    }
    SSL *tls = SSL_new(context);
    BIO *stream = BIO_new(BIO_f_ssl());
    if (!tls || !stream || !SSL_set_fd(tls, fd) || SSL_connect(tls) != 1) {
        SSL_free(tls);
        BIO_free(stream);
        return NULL;
    }
    BIO_set_ssl(stream, tls, BIO_NOCLOSE);
    return stream;
}

void *turn_load_stream(uint16_t port, bool is_tls, int *fd) {
    *fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*fd < 0) return NULL;
    int on = 1;
    setsockopt(*fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    BIO *stream = NULL;
    if (turn_load_connect(*fd, port) == 0) stream = is_tls ? secure(*fd) : BIO_new_socket(*fd, BIO_NOCLOSE);
    if (!stream) close(*fd);
    return stream;
}

long turn_load_stream_read(void *stream, void *bytes, long count) {
    int read = BIO_read(stream, bytes, (int)count);
    return read > 0 ? read : -1;
}

long turn_load_stream_write(void *stream, const void *bytes, long count) {
    int written = BIO_write(stream, bytes, (int)count);
    return written > 0 ? written : -1;
}
