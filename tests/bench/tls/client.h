/* What the loads over TLS share: connections on which nothing but TLS 1.3,
 * TLS_AES_256_GCM_SHA384, X25519 and a certificate of P-256 is accepted. Each
 * function ends the program if something goes wrong.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLIENT_H
#define CLIENT_H

#include <stddef.h>

#include <openssl/ssl.h>

extern const struct load load_tls_echo, load_tls_sink, load_tls_source,
    load_tls_connect, load_tls_records;

/* Ends the program with OpenSSL's text. */
void tls_fail(const char *what);

/* The context of all connections. */
SSL_CTX *tls_context(void);

/* Returns a session over a socket, whose handshake has not begun. */
SSL *tls_session(int fd);

/* Connects, with a handshake. The connection blocks for at most TIMEOUT. */
SSL *tls_open(void);

/* Sends all bytes; receives as many as are expected, and compares them. On a
 * connection that blocks. */
void tls_send_all(SSL *ssl, const char *data, size_t len);
void tls_compare(SSL *ssl, const char *expected, size_t len);

/* From now on all records that are there are received with one call, and all
 * that tls_gathered_write() makes are sent with one. So the load needs less of
 * its core than the server of its own. */
void tls_gather(SSL *ssl);
void tls_gathered_write(SSL *ssl, int fd, const char *data, size_t len);
/* Returns 0 if nothing was there. Otherwise SSL_read() is to be called until it
 * has no more. */
int tls_gathered_receive(int fd);

/* SSL_read() has returned `n`, at most 0: returns if there is only nothing more
 * to read. */
void tls_no_more(SSL *ssl, int n);

#endif
