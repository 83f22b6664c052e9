/* How TLS ends, as described in channel.h: a server over bufferevent_openssl.
 * Its peers, from run.py, say in their first line how the conversation ends.
 *
 * usage: ends CERTIFICATE socket|filter strict|ignore
 *
 * Writes its certificate to a file, then its port and libevent's version to
 * standard output, and for each channel a line when it has closed. Ends with
 * standard input.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/listener.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <asynchat.h>

#include "certificate.h"

#define LIMIT 100 /* the message limit, in bytes */
#define BIG 1000000

static SSL_CTX *context;
static bool filter, ignore;

static void check(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "ends: %s\n", what);
    exit(1);
}

/* --- the channels --- */

static void say(struct asynchat_channel *ch, const char *text)
{
    check(asynchat_push(ch, text, strlen(text)) == 0, text);
}

static void greet(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    check(asynchat_set_terminator(ch, "\n", 1) == 0, "terminator");
    check(asynchat_set_message_limit(ch, LIMIT) == 0, "limit");
    say(ch, "hello\n");
}

static void send_much(struct asynchat_channel *ch)
{
    static char much[BIG];
    memset(much, 'x', BIG);
    much[BIG - 1] = '\n';
    check(asynchat_push(ch, much, BIG) == 0, "much");
}

static void set_idle_time(struct asynchat_channel *ch)
{
    static const struct asynchat_timeouts times = {.size = sizeof times,
                                                   .idle = 1};
    check(asynchat_set_timeouts(ch, &times) == 0, "times");
}

static void obey(struct asynchat_channel *ch, const void *data, size_t len,
                 void *arg)
{
    char line[LIMIT + 1] = "";
    (void)arg;
    memcpy(line, data, len);
    say(ch, "bye\n");
    if (strcmp(line, "much") == 0)
        send_much(ch);
    if (strcmp(line, "idle") == 0)
        set_idle_time(ch);
    if (strcmp(line, "done") == 0 || strcmp(line, "much") == 0)
        check(asynchat_close_when_done(ch) == 0, line);
    else if (strcmp(line, "stages") == 0)
        check(asynchat_close_in_stages(ch) == 0, line);
    else if (strcmp(line, "between") == 0)
        check(asynchat_close_between_messages(ch) == 0, line);
}

static void apologize(struct asynchat_channel *ch, int error, void *arg)
{
    struct bufferevent *bev = asynchat_get_bufferevent(ch);
    const char *why = asynchat_strerror(error);
    (void)arg;
    for (unsigned long e; (e = bufferevent_get_openssl_error(bev));)
        if (ERR_GET_LIB(e)) /* the others are those of SSL_get_error(3) */
            why = ERR_reason_error_string(e);
    printf("error %d, %s; ", error, why);
    if (error == ASYNCHAT_ETOOLONG || error == ASYNCHAT_EIDLE)
        say(ch, "sorry\n");
}

static void answer_eof(struct asynchat_channel *ch, int cut_off, void *arg)
{
    (void)cut_off;
    (void)arg;
    printf("eof; ");
    say(ch, "all\n");
}

static void end_tls(struct asynchat_channel *ch, int status, void *arg)
{
    (void)arg;
    if (status == 0 || status <= ASYNCHAT_EOF) {
        SSL *ssl = bufferevent_openssl_get_ssl(asynchat_get_bufferevent(ch));
        SSL_set_shutdown(ssl, SSL_RECEIVED_SHUTDOWN);
        SSL_shutdown(ssl);
        ERR_clear_error();
    }
    printf("closed %d\n", status);
}

static const struct asynchat_handler handler = {
    .size = sizeof handler,
    .message = obey,
    .handle_connect = greet,
    .handle_eof = answer_eof,
    .handle_error = apologize,
    .handle_close = end_tls,
};

/* --- accepting --- */

static struct bufferevent *wrap(struct event_base *base, evutil_socket_t fd)
{
    const int options = BEV_OPT_CLOSE_ON_FREE;
    SSL *ssl = SSL_new(context);
    check(ssl != NULL, "SSL");
    if (!filter)
        return bufferevent_openssl_socket_new(
            base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING, options);
    struct bufferevent *below = bufferevent_socket_new(base, fd, options);
    check(below != NULL, "the bufferevent below");
    return bufferevent_openssl_filter_new(base, below, ssl,
                                          BUFFEREVENT_SSL_ACCEPTING, options);
}

static void accepted(struct evconnlistener *listener, evutil_socket_t fd,
                     struct sockaddr *from, int len, void *arg)
{
    struct asynchat_channel *ch;
    struct bufferevent *bev = wrap(evconnlistener_get_base(listener), fd);
    (void)from;
    (void)len;
    (void)arg;
    check(bev != NULL, "the bufferevent");
    if (filter)
        bufferevent_openssl_set_allow_dirty_shutdown(bev, ignore);
    check(asynchat_channel_new(bev, ASYNCHAT_CONNECTING, &handler, NULL, &ch) ==
              0,
          "the channel");
}

static void tell_port(struct evconnlistener *listener)
{
    struct sockaddr_in own;
    socklen_t len = sizeof own;
    check(getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&own,
                      &len) == 0,
          "the port");
    printf("%d %s\n", ntohs(own.sin_port), event_get_version());
}

static void end(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    event_base_loopbreak(arg);
}

int main(int argc, char **argv)
{
    struct sockaddr_in own = {.sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    check(argc == 4, "usage: ends CERTIFICATE socket|filter strict|ignore");
    setvbuf(stdout, NULL, _IOLBF, 0);
    filter = strcmp(argv[2], "filter") == 0;
    context = SSL_CTX_new(TLS_server_method());
    check(context && certificate_use(context, argv[1]), "the certificate");
    ignore = strcmp(argv[3], "ignore") == 0;
    if (ignore)
        SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);

    struct event_base *base = event_base_new();
    struct evconnlistener *listener =
        evconnlistener_new_bind(base, accepted, NULL, LEV_OPT_CLOSE_ON_FREE, 16,
                                (struct sockaddr *)&own, sizeof own);
    struct event *input = event_new(base, 0, EV_READ, end, base);
    check(listener && input && event_add(input, NULL) == 0, "no server");
    tell_port(listener);
    event_base_dispatch(base);
    event_base_loop(base, EVLOOP_NONBLOCK); /* frees bufferevents */
    event_free(input);
    evconnlistener_free(listener);
    event_base_free(base);
    SSL_CTX_free(context);
    return 0;
}
