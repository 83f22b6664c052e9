/* Connections with TLS, for the loads. SPDX-License-Identifier: BSD-3-Clause */
#include "client.h"

#include "../load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/err.h>

void tls_fail(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what,
            ERR_peek_error() ? "TLS" : strerror(errno));
    ERR_print_errors_fp(stderr);
    exit(1);
}

SSL_CTX *tls_context(void)
{
    static SSL_CTX *ctx;
    if (ctx)
        return ctx;
    ctx = SSL_CTX_new(TLS_client_method());
    if (!ctx || !SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) ||
        !SSL_CTX_set_ciphersuites(ctx, "TLS_AES_256_GCM_SHA384") ||
        !SSL_CTX_set1_groups_list(ctx, "X25519") ||
        !SSL_CTX_set1_sigalgs_list(ctx, "ECDSA+SHA256"))
        tls_fail("SSL_CTX");
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    return ctx;
}

SSL *tls_session(int fd)
{
    SSL *ssl = SSL_new(tls_context());
    if (!ssl || !SSL_set_fd(ssl, fd))
        tls_fail("SSL_new");
    SSL_set_connect_state(ssl);
    return ssl;
}

SSL *tls_open(void)
{
    SSL *ssl = tls_session(open_connection());
    if (SSL_do_handshake(ssl) != 1)
        tls_fail("SSL_do_handshake");
    return ssl;
}

void tls_send_all(SSL *ssl, const char *data, size_t len)
{
    size_t sent;
    if (!SSL_write_ex(ssl, data, len, &sent))
        tls_fail("SSL_write");
}

void tls_compare(SSL *ssl, const char *expected, size_t len)
{
    char data[4096];
    size_t n;
    for (size_t at = 0; at < len; at += n) {
        size_t most = len - at < sizeof data ? len - at : sizeof data;
        if (!SSL_read_ex(ssl, data, most, &n))
            tls_fail("SSL_read");
        if (memcmp(data, expected + at, n) != 0)
            wrong("another byte than was sent");
    }
}

void tls_no_more(SSL *ssl, int n)
{
    if (SSL_get_error(ssl, n) == SSL_ERROR_ZERO_RETURN)
        wrong("the connection ended");
    if (SSL_get_error(ssl, n) != SSL_ERROR_WANT_READ)
        tls_fail("SSL_read");
}

/* --- many records with one call --- */

/* One connection after the other uses these. */
static char input[1 << 18], output[1 << 18];
static size_t input_at, input_len, output_len;

static int wire_read(BIO *bio, char *to, int len)
{
    size_t n = input_len - input_at;
    BIO_clear_retry_flags(bio);
    if (n == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    if (n > (size_t)len)
        n = (size_t)len;
    memcpy(to, input + input_at, n);
    input_at += n;
    return (int)n;
}

static int wire_write(BIO *bio, const char *from, int len)
{
    (void)bio;
    if ((size_t)len > sizeof output - output_len)
        abort();
    memcpy(output + output_len, from, (size_t)len);
    output_len += (size_t)len;
    return len;
}

static long wire_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *wire(void)
{
    static BIO_METHOD *method;
    if (method)
        return method;
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "wire");
    if (!method || !BIO_meth_set_read(method, wire_read) ||
        !BIO_meth_set_write(method, wire_write) ||
        !BIO_meth_set_ctrl(method, wire_ctrl))
        tls_fail("BIO_meth_new");
    return method;
}

void tls_gather(SSL *ssl)
{
    BIO *bio = BIO_new(wire());
    if (!bio)
        tls_fail("BIO_new");
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
}

void tls_gathered_write(SSL *ssl, int fd, const char *data, size_t len)
{
    output_len = 0;
    tls_send_all(ssl, data, len);
    send_all(fd, output, output_len);
}

int tls_gathered_receive(int fd)
{
    ssize_t n = recv(fd, input, sizeof input, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n < 0)
        fail("recv");
    if (n == 0)
        wrong("the connection was cut off");
    input_at = 0;
    input_len = (size_t)n;
    output_len = 0;
    return 1;
}
