/* A handshake over bufferevent_openssl may not take longer than its time. The
 * clock is the test's own. SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>

#include <openssl/ssl.h>

#include "certificate.h"
#include "clock.h"

static const struct way {
    const char *name;
    bool filter, accepts;
} ways[] = {{"a server's socket", false, true},
            {"a client's socket", false, false},
            {"a server's filter", true, true},
            {"a client's filter", true, false}};
#define WAYS (sizeof ways / sizeof ways[0])

static SSL_CTX *server, *client;

static void pass(struct fixture *f, long milliseconds)
{
    clock_advance(milliseconds);
    for (int i = 0; i < 4; i++)
        event_base_loop(f->base, EVLOOP_NONBLOCK);
}

static void loop(struct fixture *f)
{
    for (int i = 0; i < 50; i++)
        event_base_loop(f->base, EVLOOP_NONBLOCK);
}

static struct bufferevent *wrap(struct fixture *f, int fd,
                                const struct way *way)
{
    SSL *ssl = SSL_new(way->accepts ? server : client);
    enum bufferevent_ssl_state state =
        way->accepts ? BUFFEREVENT_SSL_ACCEPTING : BUFFEREVENT_SSL_CONNECTING;
    assert_non_null(ssl);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    if (!way->filter)
        return bufferevent_openssl_socket_new(f->base, fd, ssl, state,
                                              BEV_OPT_CLOSE_ON_FREE);
    return bufferevent_openssl_filter_new(
        f->base, bufferevent_socket_new(f->base, fd, BEV_OPT_CLOSE_ON_FREE),
        ssl, state, BEV_OPT_CLOSE_ON_FREE);
}

static void begin(struct fixture *f, const struct way *way)
{
    int fds[2];
    make_socketpair(fds);
    print_message("%s\n", way->name);
    assert_int_equal(asynchat_channel_new(wrap(f, fds[0], way),
                                          ASYNCHAT_CONNECTING, &recorder, f,
                                          &f->ch),
                     0);
    f->peer = fds[1];
}

static void expect_given_up(struct fixture *f)
{
    expect(f, "error(ETIMEDOUT) closed(ETIMEDOUT)");
    assert_null(f->ch);
    pass(f, 1000000);
    expect(f, "");
    close_connection(f);
}

static void a_silent_peer_is_given_up(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < WAYS; i++) {
        begin(f, &ways[i]);
        pass(f, 59999);
        expect(f, "");
        pass(f, 1);
        expect_given_up(f);
    }
}

/* A record of 16384 bytes begins. */
static void a_peer_that_dribbles_is_given_up(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < WAYS; i++) {
        begin(f, &ways[i]);
        assert_int_equal(asynchat_set_connect_time(f->ch, 10000), 0);
        feed(f, "\x16\x03\x03\x40\x00\x01", 6);
        for (int n = 0; n < 9; n++) {
            pass(f, 1000);
            feed(f, "\x00", 1);
        }
        pass(f, 999);
        expect(f, "");
        pass(f, 1);
        expect_given_up(f);
    }
}

static void told_to_close_when_done_it_is_given_up_as_well(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < WAYS; i++) {
        begin(f, &ways[i]);
        assert_int_equal(asynchat_push(f->ch, "hello", 5), 0);
        assert_int_equal(asynchat_close_when_done(f->ch), 0);
        pass(f, 59999);
        expect(f, "");
        pass(f, 1);
        expect_given_up(f);
    }
}

static void ignore(struct asynchat_channel *ch, const void *data, size_t len,
                   void *arg)
{
    (void)ch;
    (void)data;
    (void)len;
    (void)arg;
}

static const struct asynchat_handler far_handler = {
    .size = sizeof far_handler,
    .collect_incoming_data = ignore,
};

static void after_the_handshake_there_is_no_time(void **state)
{
    struct fixture *f = *state;
    struct asynchat_channel *far;
    for (size_t i = 0; i < WAYS; i++) {
        struct way other = {.accepts = !ways[i].accepts};
        begin(f, &ways[i]);
        assert_int_equal(asynchat_channel_new(wrap(f, f->peer, &other),
                                              ASYNCHAT_CONNECTING, &far_handler,
                                              NULL, &far),
                         0);
        f->peer = -1;
        loop(f);
        expect(f, "connect");
        pass(f, 1000000);
        expect(f, "");
        asynchat_channel_free(far);
        close_connection(f);
        loop(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER(BUFFEREVENT, a_silent_peer_is_given_up),
        OVER(BUFFEREVENT, a_peer_that_dribbles_is_given_up),
        OVER(BUFFEREVENT, told_to_close_when_done_it_is_given_up_as_well),
        OVER(BUFFEREVENT, after_the_handshake_there_is_no_time),
    };
    server = SSL_CTX_new(TLS_server_method());
    client = SSL_CTX_new(TLS_client_method());
    if (!server || !client || !certificate_use(server, NULL))
        return 1;
    int failed = RUN(tests);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
    return failed;
}
