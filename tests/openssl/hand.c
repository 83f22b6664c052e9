/* A client made by hand. SPDX-License-Identifier: BSD-3-Clause */
#include "hand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

void hand_new(struct hand *hand, int fd)
{
    hand->ctx = SSL_CTX_new(TLS_client_method());
    hand->ssl = SSL_new(hand->ctx);
    hand->in = BIO_new(BIO_s_mem());
    hand->out = BIO_new(BIO_s_mem());
    assert_non_null(hand->ssl);
    SSL_set_bio(hand->ssl, hand->in, hand->out);
    SSL_set_connect_state(hand->ssl);
    hand->fd = fd;
}

void hand_free(struct hand *hand)
{
    SSL_free(hand->ssl);
    SSL_CTX_free(hand->ctx);
    close(hand->fd);
}

int hand_connect(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

size_t hand_hello(struct hand *hand, char *to, size_t room)
{
    SSL_do_handshake(hand->ssl);
    int n = BIO_read(hand->out, to, (int)room);
    assert_true(n > 0);
    return (size_t)n;
}
