/* A peer made with OpenSSL alone. SPDX-License-Identifier: BSD-3-Clause */
#include "peer.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>
#include <openssl/pem.h>

static void use_identity(SSL_CTX *ctx, const struct identity *identity)
{
    BIO *certificate = BIO_new_mem_buf(identity->certificate, -1);
    BIO *key = BIO_new_mem_buf(identity->key, -1);
    X509 *x509 = PEM_read_bio_X509(certificate, NULL, NULL, NULL);
    EVP_PKEY *pkey = PEM_read_bio_PrivateKey(key, NULL, NULL, NULL);
    assert_int_equal(SSL_CTX_use_certificate(ctx, x509), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, pkey), 1);
    X509_free(x509);
    EVP_PKEY_free(pkey);
    BIO_free(certificate);
    BIO_free(key);
}

SSL_CTX *peer_context(bool server, const struct identity *identity, int version)
{
    SSL_CTX *ctx =
        SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    assert_non_null(ctx);
    if (identity)
        use_identity(ctx, identity);
    if (version) {
        SSL_CTX_set_min_proto_version(ctx, version);
        SSL_CTX_set_max_proto_version(ctx, version);
    }
    return ctx;
}

int peer_connect(struct peer *peer, SSL_CTX *ctx, bool server)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends),
                     0);
    peer->fd = ends[1];
    peer->in = BIO_new(BIO_s_mem());
    peer->out = BIO_new(BIO_s_mem());
    peer->ssl = SSL_new(ctx);
    assert_non_null(peer->ssl);
    SSL_set_bio(peer->ssl, peer->in, peer->out);
    if (server) {
        SSL_set_connect_state(peer->ssl);
        SSL_set_tlsext_host_name(peer->ssl, "a.example");
    } else {
        SSL_set_accept_state(peer->ssl);
    }
    return ends[0];
}

void peer_new(struct peer *peer, struct talk *talk, SSL_CTX *ctx, bool server,
              struct asynchat_tls *tls)
{
    memset(talk, 0, sizeof *talk);
    talk->base = event_base_new();
    assert_non_null(talk->base);
    struct side *side = server ? &talk->server : &talk->client;
    int fd = peer_connect(peer, ctx, server);
    assert_int_equal(asynchat_channel_new_socket(talk->base, fd, &side_handler,
                                                 side, &side->ch),
                     0);
    assert_int_equal(asynchat_set_terminator(side->ch, "\n", 1), 0);
    assert_int_equal(
        asynchat_tls_start(side->ch, tls, server ? NULL : "a.example", 0, NULL),
        0);
}

size_t peer_send(struct peer *peer, size_t most)
{
    char *bytes;
    size_t all = 0;
    long len = BIO_get_mem_data(peer->out, &bytes);
    while (len > 0 && all < most) {
        size_t n = (size_t)len < most - all ? (size_t)len : most - all;
        ssize_t sent = send(peer->fd, bytes, n, MSG_NOSIGNAL);
        if (sent <= 0)
            break;
        char away[4096];
        for (ssize_t left = sent; left > 0;) {
            int part =
                left < (ssize_t)sizeof away ? (int)left : (int)sizeof away;
            left -= BIO_read(peer->out, away, part);
        }
        all += (size_t)sent;
        len = BIO_get_mem_data(peer->out, &bytes);
    }
    return all;
}

size_t peer_receive(struct peer *peer)
{
    char bytes[16384];
    size_t all = 0;
    ssize_t n;
    while ((n = recv(peer->fd, bytes, sizeof bytes, 0)) > 0) {
        assert_int_equal(BIO_write(peer->in, bytes, (int)n), n);
        all += (size_t)n;
    }
    return all;
}

void peer_shake(struct peer *peer, struct talk *talk)
{
    for (int i = 0; i < 100 && SSL_do_handshake(peer->ssl) != 1; i++) {
        peer_send(peer, SIZE_MAX);
        event_base_loop(talk->base, EVLOOP_NONBLOCK);
        peer_receive(peer);
    }
    assert_int_equal(SSL_is_init_finished(peer->ssl), 1);
    peer_run(peer, talk);
}

void peer_run(struct peer *peer, struct talk *talk)
{
    for (int quiet = 0; quiet < 4; quiet++) {
        if (peer_send(peer, SIZE_MAX) > 0)
            quiet = 0;
        event_base_loop(talk->base, EVLOOP_NONBLOCK);
        if (peer_receive(peer) > 0)
            quiet = 0;
    }
}

void peer_free(struct peer *peer)
{
    SSL_free(peer->ssl);
    close(peer->fd);
}
