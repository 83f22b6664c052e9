/* A new connection for each exchange of one line, AT_ONCE of them at a time, with
 * a full handshake or a resumed session. The load ends its side with a
 * close_notify, then the server ends its own, with a close_notify as well, and
 * only then the exchange counts. SPDX-License-Identifier: BSD-3-Clause */
#include "client.h"

#include "../load.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct connection {
    SSL *ssl;
    int fd, up; /* the handshake is done */
    size_t received;
    const char *line;
};

static struct tape tape;
static struct connection *connections;
static size_t at_once, size;
static long begun, done, wanted;
static int poll_fd;
static SSL_SESSION *session; /* to resume, or NULL */

/* Goes on with the handshake, and sends the line when it is done. */
static void shake(struct connection *c)
{
    int n = SSL_do_handshake(c->ssl);
    if (n != 1) {
        tls_no_more(c->ssl, n);
        return;
    }
    if (SSL_session_reused(c->ssl) != (session != NULL))
        wrong(session ? "the session was not resumed"
                      : "a session was resumed");
    tls_send_all(c->ssl, c->line, size);
    c->up = 1;
}

static void begin(struct connection *c)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (begun == wanted)
        return;
    c->fd = open_connection();
    make_nonblocking(c->fd);
    c->ssl = tls_session(c->fd);
    c->up = 0;
    c->received = 0;
    c->line = tape.bytes + (size_t)begun * size % tape.period;
    begun++;
    if (session) { /* a session that is used is not the same afterwards */
        SSL_SESSION *copy = SSL_SESSION_dup(session);
        if (!copy || !SSL_set_session(c->ssl, copy))
            tls_fail("SSL_set_session");
        SSL_SESSION_free(copy);
    }
    shake(c);
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, c->fd, &event);
}

static void receive(struct connection *c, const char *data, size_t len)
{
    if (len > size - c->received ||
        memcmp(data, c->line + c->received, len) != 0)
        wrong("another byte than was sent");
    c->received += len;
    if (c->received < size)
        return;
    if (SSL_shutdown(c->ssl) < 0)
        tls_fail("SSL_shutdown");
    shutdown(c->fd, SHUT_WR);
}

static void finish(struct connection *c)
{
    if (c->received < size)
        wrong("the connection ended");
    SSL_free(c->ssl);
    close(c->fd);
    done++;
    begin(c);
}

static void proceed(struct connection *c)
{
    char data[4096];
    int n;
    if (!c->up)
        shake(c);
    if (!c->up)
        return;
    while ((n = SSL_read(c->ssl, data, sizeof data)) > 0)
        receive(c, data, (size_t)n);
    if (SSL_get_error(c->ssl, n) == SSL_ERROR_ZERO_RETURN)
        finish(c);
    else
        tls_no_more(c->ssl, n);
}

static void run(long count, struct result *result)
{
    struct epoll_event events[256];
    wanted = count;
    begun = done = 0;
    for (size_t i = 0; i < at_once; i++)
        begin(&connections[i]);
    while (done < count) {
        int n = epoll_wait(poll_fd, events, 256, TIMEOUT * 1000);
        if (n == 0)
            wrong("none, the server has stopped answering");
        for (int i = 0; i < n; i++)
            proceed(events[i].data.ptr);
    }
    result->count = count;
}

/* A new session comes with a ticket. The first one is kept. */
static int keep(SSL *ssl, SSL_SESSION *new)
{
    (void)ssl;
    if (session)
        return 0;
    session = new;
    return 1;
}

/* The tickets are read while the end is waited for. */
static void get_session(void)
{
    SSL_CTX_set_session_cache_mode(
        tls_context(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(tls_context(), keep);
    SSL *ssl = tls_open();
    tls_send_all(ssl, tape.bytes, size);
    tls_compare(ssl, tape.bytes, size);
    char data[1];
    int fd = SSL_get_fd(ssl);
    if (SSL_shutdown(ssl) < 0 || SSL_read(ssl, data, 1) > 0)
        wrong("more than was asked");
    if (!session)
        wrong("no ticket");
    SSL_free(ssl);
    close(fd);
    SSL_CTX_set_session_cache_mode(tls_context(), SSL_SESS_CACHE_OFF);
}

static void open(char **argument)
{
    at_once = (size_t)atol(argument[1]);
    size = (size_t)atol(argument[2]);
    make_tape(&tape, size, 23, 0);
    connections = calloc(at_once, sizeof *connections);
    poll_fd = epoll_create1(0);
    if (!connections || poll_fd < 0)
        fail("open");
    if (strcmp(argument[0], "resumed") == 0)
        get_session();
}

const struct load load_tls_connect = {"connect", 3, open, run};
