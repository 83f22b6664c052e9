/* The sessions that clients keep, to resume them.
 *
 * A session leaves the store when it is offered to a server, since a session of
 * TLS 1.3 is good for one connection, and since a session with which the
 * handshake fails must not be offered again. Any thread may call these
 * functions.
 *
 * Tested by tests/openssl/test_tls_sessions.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_TLS_SESSIONS_H
#define ASYNCHAT_TLS_SESSIONS_H

#include <pthread.h>
#include <time.h>

#include <openssl/ssl.h>

struct sessions_entry;

/* The newest session is the first. */
struct sessions {
    pthread_mutex_t lock;
    struct sessions_entry *first;
    unsigned count;
};

void asynchat__tls_sessions_init(struct sessions *sessions);
void asynchat__tls_sessions_free(struct sessions *sessions);

/* Keeps a session with the server of that name, and takes a share of the
 * session. It is not offered after `until`. If there are more than `most`, the
 * oldest goes. Without memory the session is not kept. */
void asynchat__tls_sessions_put(struct sessions *sessions, unsigned most,
                                const char *name, SSL_SESSION *session,
                                time_t until);

/* Takes the newest session with that server out of the store, and gives the
 * caller the share. NULL: there is none that is still good at the time
 * `now`. */
SSL_SESSION *asynchat__tls_sessions_take(struct sessions *sessions,
                                         const char *name, time_t now,
                                         time_t *until);

/* Drops all sessions with that server; with NULL, all there are. */
void asynchat__tls_sessions_drop(struct sessions *sessions, const char *name);

#endif
