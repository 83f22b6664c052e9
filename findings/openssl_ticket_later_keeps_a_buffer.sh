#!/usr/bin/env bash
# A session of TLS 1.3 that sends its ticket after the handshake holds a buffer for reading from then on, although
# SSL_MODE_RELEASE_BUFFERS is set. SPDX-License-Identifier: BSD-3-Clause
#
# A server that sends its tickets in the handshake makes a client that only writes lose data: the client closes with the
# tickets unread, and its system resets the connection. So the server sends none then, and calls
# SSL_new_session_ticket() before its first SSL_write().
#
# What most would expect: that SSL_MODE_RELEASE_BUFFERS holds for this as for everything else, and that a session which
# waits for its peer has no buffer. What came, with OpenSSL 3.0: the call goes through the state machine of the
# handshake, which takes a buffer for reading and does not give it back. It stays until the next SSL_read(), and so for
# as long as the peer is silent. SSL_free_buffers() behind the SSL_write() gives it back.
#
# Guessed before: that a ticket costs a session nothing once it is sent. Wrong by 16.5 kB for each session (the figures
# below include 64 kB of the pair that joins the sessions). It was found only because a benchmark compared resident memory
# with a bar.
#
# Why it matters here: an idle connection of libasynchat-openssl took 22.4 kB of resident memory, and takes 16.4 kB with
# that call.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

debs=(libssl-dev=3.0.22-1~deb12u2 libssl3=3.0.22-1~deb12u2)
apt-get -q download "${debs[@]}" >log 2>&1 || { cat log; exit 1; }
for deb in *.deb; do dpkg -x "$deb" root; done
triplet=$(dpkg-architecture -qDEB_HOST_MULTIARCH)

cat >ticket.c <<'END'
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#define SESSIONS 50

static SSL_CTX *server(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509_gmtime_adj(X509_getm_notBefore(cert), 0);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    X509_sign(cert, key, EVP_sha256());
    SSL_CTX_use_certificate(ctx, cert);
    SSL_CTX_use_PrivateKey(ctx, key);
    SSL_CTX_set_num_tickets(ctx, 0);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    return ctx;
}

/* Two sessions that are up, joined by memory. */
static void join(SSL *ends[2], SSL_CTX *ctx[2])
{
    BIO *bios[2];
    BIO_new_bio_pair(&bios[0], 65536, &bios[1], 65536);
    for (int i = 0; i < 2; i++) {
        ends[i] = SSL_new(ctx[i]);
        SSL_set_bio(ends[i], bios[i], bios[i]);
    }
    SSL_set_accept_state(ends[0]);
    SSL_set_connect_state(ends[1]);
    for (int i = 0; i < 10; i++)
        SSL_do_handshake(ends[i % 2]);
}

/* What a server's session holds when it has sent a line and waits. */
static long held(SSL_CTX *ctx[2], int ticket, int gives_back)
{
    static SSL *all[SESSIONS][2];
    char line[8];
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < SESSIONS; i++) {
        join(all[i], ctx);
        SSL_read(all[i][0], line, sizeof line); /* there is nothing: the server waits */
        if (ticket && !SSL_new_session_ticket(all[i][0]))
            return -1;
        if (SSL_write(all[i][0], "hello\n", 6) != 6)
            return -1;
        if (gives_back)
            SSL_free_buffers(all[i][0]);
        if (SSL_read(all[i][1], line, sizeof line) != 6)
            return -1;
        SSL_free(all[i][1]);
    }
    long size = (long)(mallinfo2().uordblks - before) / SESSIONS;
    for (int i = 0; i < SESSIONS; i++)
        SSL_free(all[i][0]);
    return size;
}

int main(void)
{
    SSL_CTX *ctx[2] = {server(), SSL_CTX_new(TLS_client_method())};
    SSL_CTX_set_session_cache_mode(ctx[1], SSL_SESS_CACHE_OFF);
    held(ctx, 1, 1); /* what OpenSSL makes once is made */
    long without = held(ctx, 0, 0), with = held(ctx, 1, 0), back = held(ctx, 1, 1);
    printf("%s\na session holds %ld bytes without a ticket, %ld with one, %ld with one and SSL_free_buffers\n",
           OpenSSL_version(OPENSSL_VERSION), without, with, back);
    puts("expected: the same with a ticket");
    puts(with - without > 4096 ? "came: a buffer more" : "came: the same");
    puts(back - without < 4096 ? "given back: yes" : "given back: no");
    return 0;
}
END
cc -o ticket ticket.c -Iroot/usr/include -Iroot/usr/include/"$triplet" -Lroot/usr/lib/"$triplet" -lssl -lcrypto \
    -Wl,-rpath,"$PWD/root/usr/lib/$triplet"
./ticket | tee said
if [ "$(grep -cx -e 'came: a buffer more' -e 'given back: yes' said)" -ne 2 ]; then
    echo "this has changed"
    exit 1
fi
