#!/usr/bin/env bash
# A TLS peer that goes without close_notify: what libevent makes of it depends on which of its two kinds of TLS
# bufferevent there is, and each needs another switch. SPDX-License-Identifier: BSD-3-Clause
#
# A protocol whose messages tell where they end may take such an end for an end of file. OpenSSL has
# SSL_OP_IGNORE_UNEXPECTED_EOF for that, and libevent bufferevent_openssl_set_allow_dirty_shutdown().
#
# What most would expect: either switch makes it BEV_EVENT_EOF, over a socket (bufferevent_openssl_socket_new) and as a
# filter (bufferevent_openssl_filter_new) alike. What came, with libevent 2.1.12 and OpenSSL 3.0: over a socket only
# OpenSSL's does, and libevent's is without effect; as a filter only libevent's does, and without it there is
# BEV_EVENT_ERROR, of which bufferevent_get_openssl_error() knows nothing.
#
# Guessed before: that OpenSSL's switch works for both kinds. Wrong for the filter.
#
# Why it matters here: a channel over a filter ends with an error of the connection instead of handle_eof, and its
# handler cannot see why. The header of asynchat_channel_new() names both switches.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

debs=(libevent-dev=2.1.12-stable-8+deb12u1 libevent-core-2.1-7=2.1.12-stable-8+deb12u1
    libevent-openssl-2.1-7=2.1.12-stable-8+deb12u1 libssl-dev=3.0.22-1~deb12u2 libssl3=3.0.22-1~deb12u2)
apt-get -q download "${debs[@]}" >log 2>&1 || { cat log; exit 1; }
for deb in *.deb; do dpkg -x "$deb" root; done
triplet=$(dpkg-architecture -qDEB_HOST_MULTIARCH)

cat >end.c <<'END'
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

static void peer(int fd)
{
    SSL *ssl = SSL_new(SSL_CTX_new(TLS_client_method()));
    SSL_set_fd(ssl, fd);
    if (SSL_connect(ssl) == 1)
        SSL_write(ssl, "bye", 3);
    _exit(0); /* the socket is closed, and TLS knows nothing of it */
}

static SSL_CTX *server(int ignore)
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
    SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION); /* no tickets that the peer does not wait for */
    if (ignore)
        SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
    return ctx;
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    if (what & BEV_EVENT_CONNECTED)
        return;
    printf("%s%s\n", what & BEV_EVENT_EOF ? "end of file" : "error",
           what & BEV_EVENT_ERROR && !bufferevent_get_openssl_error(bev) ? " without an error" : "");
    event_base_loopbreak(arg);
}

int main(int argc, char **argv)
{
    int filter = strcmp(argv[1], "filter") == 0, ignore = strcmp(argv[2], "ignore") == 0, fds[2];
    struct event_base *base = event_base_new();
    struct timeval most = {5, 0};
    struct bufferevent *bev;
    signal(SIGPIPE, SIG_IGN);
    socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
    if (fork() == 0) {
        close(fds[0]);
        peer(fds[1]);
    }
    close(fds[1]);
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    SSL *ssl = SSL_new(server(ignore));
    bev = filter ? bufferevent_openssl_filter_new(base, bufferevent_socket_new(base, fds[0], 0), ssl,
                                                  BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_DEFER_CALLBACKS)
                 : bufferevent_openssl_socket_new(base, fds[0], ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_DEFER_CALLBACKS);
    bufferevent_openssl_set_allow_dirty_shutdown(bev, strcmp(argv[2], "dirty") == 0);
    bufferevent_setcb(bev, NULL, NULL, on_event, base);
    bufferevent_enable(bev, EV_READ | EV_WRITE);
    event_base_loopexit(base, &most);
    event_base_dispatch(base);
    return argc != 3;
}
END
gcc -w end.c -o end -I"root/usr/include" -I"root/usr/include/$triplet" -L"root/usr/lib/$triplet" \
    -Wl,-rpath-link,"root/usr/lib/$triplet" -levent_openssl -levent_core -lssl -lcrypto
export LD_LIBRARY_PATH=$work/root/usr/lib/$triplet

wrong=0
# try KIND SWITCH EXPECTED
try() {
    local came
    came=$(timeout 20 ./end "$1" "$2") || true
    printf '%-8s %-8s %s\n' "$1" "$2" "$came"
    [ "$came" = "$3" ] || { echo "    this was: $3"; wrong=1; }
}

echo 'libevent 2.1.12, OpenSSL 3.0: kind, switch (none, of OpenSSL: ignore, of libevent: dirty), what is told'
try socket none 'error'
try socket ignore 'end of file'
try socket dirty 'error'
try filter none 'error without an error'
try filter ignore 'error without an error'
try filter dirty 'end of file'
exit $wrong
