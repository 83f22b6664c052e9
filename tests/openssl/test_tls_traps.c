/* What others have fallen into: pauses, clocks, peers that do not answer, and
 * ends at the wrong moment. SPDX-License-Identifier: BSD-3-Clause */
#include "hand.h"
#include "peer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <event2/bufferevent.h>
#include <event2/event.h>

#include <openssl/crypto.h>

/* --- pauses --- */

static void pause_reading(struct side *side, const char *line, size_t len)
{
    (void)line;
    (void)len;
    side->on_line = NULL;
    asynchat_pause_reading(side->ch);
}

/* What came before the pause, and the end behind it, are delivered when the
 * pause is over. */
static void an_end_waits_for_a_pause(void **state)
{
    static struct talk talk;
    (void)state;
    talk_tcp(&talk, world.server, world.client, "a.example");
    connect_both(&talk);
    talk.server.on_line = pause_reading;
    say(&talk.client, "one\ntwo\nthree\n");
    asynchat_close_when_done(talk.client.ch);
    talk_until(&talk, &talk.server, "line(one)");
    talk_run(&talk);
    expect(&talk.server, "line(one)");
    asynchat_resume_reading(talk.server.ch);
    talk_until(&talk, &talk.server, "close(EOF)");
    expect(&talk.server, "line(two) line(three) eof close(EOF)");
    talk_end(&talk);
}

static void close_now(struct side *side)
{
    asynchat_close(side->ch);
}

static void close_when_done(struct side *side)
{
    asynchat_close_when_done(side->ch);
}

/* Whatever is paused, and however the channel ends. */
static void a_paused_channel_ends_once(void **state)
{
    static void (*const ways[])(struct side *) = {close_now, close_when_done};
    static struct talk talk;
    char *much = calloc(1, 1 << 20);
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        talk_tcp(&talk, world.server, world.client, "a.example");
        connect_both(&talk);
        asynchat_set_linger(talk.server.ch, 200);
        talk.server.on_line = pause_reading;
        say(&talk.client, "one\n");
        assert_int_equal(asynchat_push(talk.client.ch, much, 1 << 20), 0);
        talk_until(&talk, &talk.server, "line(one)");
        ways[i](&talk.server);
        talk_until(&talk, &talk.server, "close(0)");
        expect(&talk.server, "line(one) close(0)");
        talk_end(&talk);
    }
    free(much);
}

/* --- a peer that does not answer --- */

struct mute {
    struct talk talk;
    struct hand hand;
};

/* A channel whose client is made by hand, and has done its handshake. */
static void mute_new(struct mute *mute, struct asynchat_tls *tls, bool done)
{
    char bytes[65536];
    struct talk *talk = &mute->talk;
    memset(mute, 0, sizeof *mute);
    talk->base = event_base_new();
    assert_int_equal(asynchat_server_new(talk->base, "127.0.0.1:0",
                                         &side_handler, &talk->server, NULL,
                                         &talk->listener),
                     0);
    assert_int_equal(asynchat_tls_serve(talk->listener, tls), 0);
    hand_new(&mute->hand, hand_connect(asynchat_server_port(talk->listener)));
    for (int i = 0; done && i < 200 && talk->server.len == 0; i++) {
        SSL_do_handshake(mute->hand.ssl);
        int n = BIO_read(mute->hand.out, bytes, sizeof bytes);
        if (n > 0)
            assert_int_equal(send(mute->hand.fd, bytes, (size_t)n, 0), n);
        talk_run(talk);
        ssize_t got = recv(mute->hand.fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (got > 0)
            BIO_write(mute->hand.in, bytes, (int)got);
    }
    if (done)
        expect(&talk->server, "connect");
}

static void mute_free(struct mute *mute)
{
    hand_free(&mute->hand);
    talk_end(&mute->talk);
}

/* Sends what OpenSSL has written. */
static void mute_send(struct mute *mute)
{
    char bytes[4096];
    int n = BIO_read(mute->hand.out, bytes, sizeof bytes);
    if (n > 0)
        send(mute->hand.fd, bytes, (size_t)n, MSG_NOSIGNAL);
}

/* Key updates are nothing that the program gets. */
static void only_plain_bytes_move_the_clocks(void **state)
{
    static struct mute mute;
    struct asynchat_timeouts times = {.size = sizeof times, .read_idle = 300};
    struct timespec pause = {0, 50 * 1000000};
    (void)state;
    mute_new(&mute, world.server, true);
    assert_int_equal(asynchat_set_timeouts(mute.talk.server.ch, &times), 0);
    for (int i = 0; i < 60 && mute.talk.server.ch; i++) {
        assert_int_equal(
            SSL_key_update(mute.hand.ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
        SSL_do_handshake(mute.hand.ssl);
        mute_send(&mute);
        nanosleep(&pause, NULL);
        talk_run(&mute.talk);
    }
    expect(&mute.talk.server, "error(EIDLE) close(EIDLE)");
    mute_free(&mute);
}

/* It reads, but never sends a close_notify, nor ends its side. */
static void lingering_ends(void **state)
{
    static struct mute mute;
    (void)state;
    mute_new(&mute, world.server, true);
    asynchat_set_linger(mute.talk.server.ch, 200);
    say(&mute.talk.server, "bye\n");
    asynchat_close_in_stages(mute.talk.server.ch);
    talk_until(&mute.talk, &mute.talk.server, "close(0)");
    expect(&mute.talk.server, "close(0)");
    mute_free(&mute);
}

static struct asynchat_tls *hasty(unsigned flags)
{
    return context(&(struct asynchat_tls_options){
        .flags = flags,
        .certificate_text = flags ? NULL : world.identity->certificate,
        .key_text = flags ? NULL : world.identity->key,
        .trust_text = flags ? world.authority->text : NULL,
        .handshake_time = 150});
}

static void start_as_server(struct side *side)
{
    assert_int_equal(asynchat_tls_start(side->ch, side->arg, NULL, 0, NULL), 0);
}

static void start_as_client(struct side *side)
{
    assert_int_equal(
        asynchat_tls_start(side->ch, side->arg, "a.example", 0, NULL), 0);
}

/* As a server and as a client, from the beginning and by STARTTLS, with
 * something pushed before or not. */
static void each_handshake_has_a_deadline(void **state)
{
    static struct talk talk;
    (void)state;
    struct asynchat_tls *server = hasty(0),
                        *client = hasty(ASYNCHAT_TLS_CLIENT);
    for (int pushes = 0; pushes < 2; pushes++) {
        talk_tcp(&talk, server, NULL, NULL);
        talk_until(&talk, &talk.server, "close(ELATE)");
        talk_end(&talk);
        talk_tcp(&talk, NULL, client, "a.example");
        if (pushes)
            say(&talk.client, "before\n");
        talk_until(&talk, &talk.client, "close(ELATE)");
        talk_end(&talk);
        talk_tcp(&talk, NULL, NULL, NULL);
        talk.server.on_connect = start_as_server;
        talk.server.arg = server;
        talk_until(&talk, &talk.server, "connect");
        if (pushes)
            say(&talk.server, "before\n");
        talk_until(&talk, &talk.server, "close(ELATE)");
        talk_end(&talk);
        talk_tcp(&talk, NULL, NULL, NULL);
        talk.client.on_connect = start_as_client;
        talk.client.arg = client;
        talk_until(&talk, &talk.client, "connect");
        if (pushes)
            say(&talk.client, "before\n");
        talk_until(&talk, &talk.client, "close(ELATE)");
        talk_end(&talk);
    }
    asynchat_tls_free(server);
    asynchat_tls_free(client);
}

/* A byte now and then does not move the deadline. */
static void bytes_do_not_move_the_deadline(void **state)
{
    static struct mute mute;
    char hello[4096];
    (void)state;
    struct asynchat_tls *server = hasty(0);
    mute_new(&mute, server, false);
    size_t len = hand_hello(&mute.hand, hello, sizeof hello), at = 0;
    while (at < len && mute.talk.server.len == 0) {
        if (send(mute.hand.fd, hello + at++, 1, MSG_NOSIGNAL) != 1)
            break;
        talk_run(&mute.talk);
    }
    assert_true(at < len);
    talk_until(&mute.talk, &mute.talk.server, "close(ELATE)");
    mute_free(&mute);
    asynchat_tls_free(server);
}

/* A handshake that may take any time has failed if it is given up, and was not
 * late. */
static void without_a_limit_no_handshake_is_late(void **state)
{
    static struct mute mute;
    struct asynchat_tls_stats stats;
    char hello[4096];
    (void)state;
    struct asynchat_tls *server = context(&(struct asynchat_tls_options){
        .handshake_time = UINT_MAX,
        .certificate_text = world.identity->certificate,
        .key_text = world.identity->key});
    mute_new(&mute, server, false);
    size_t len = hand_hello(&mute.hand, hello, sizeof hello);
    assert_int_equal(send(mute.hand.fd, hello, len, MSG_NOSIGNAL), len);
    talk_run(&mute.talk);
    expect(&mute.talk.server, "");
    mute_free(&mute);
    asynchat_tls_get_stats(server, &stats, sizeof stats);
    assert_int_equal(stats.failed, 1);
    assert_int_equal(stats.late, 0);
    asynchat_tls_free(server);
}

/* --- ends at the wrong moment --- */

/* Before and in the handshake there is no session that could be ended. */
static void a_channel_may_end_in_its_handshake(void **state)
{
    static void (*const ways[])(struct side *) = {close_now, close_when_done};
    static struct talk talk;
    (void)state;
    for (int passes = 0; passes < 6; passes++) {
        for (size_t i = 0; i < 2; i++) {
            talk_pair(&talk, world.server, world.client, "a.example");
            for (int pass = 0; pass < passes; pass++)
                event_base_loop(talk.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
            ways[i](&talk.client);
            talk_until(&talk, &talk.client, "close(0)");
            talk_end(&talk);
        }
    }
}

/* A client that only writes, to a server that has not even looked at the end of
 * the handshake: its tickets come when the client has said all. If the client
 * were gone by then, its system would reset the connection, and the server
 * would lose what it has not read. */
static void a_client_closes_behind_the_server(void **state)
{
    static struct talk talk;
    struct peer peer;
    char line[8];
    (void)state;
    SSL_CTX *ctx = peer_context(true, world.identity, TLS1_3_VERSION);
    peer_new(&peer, &talk, ctx, false, world.client);
    say(&talk.client, "all\n");
    asynchat_close_when_done(talk.client.ch);
    talk_run(&talk);
    assert_true(peer_receive(&peer) > 0);
    SSL_do_handshake(peer.ssl);
    peer_send(&peer, SIZE_MAX);
    talk_run(&talk);
    expect(&talk.client, "connect");
    peer_receive(&peer);
    assert_int_equal(SSL_do_handshake(peer.ssl), 1);
    assert_true(peer_send(&peer, SIZE_MAX) > 0);
    assert_int_equal(SSL_read(peer.ssl, line, sizeof line), 4);
    assert_int_equal(SSL_read(peer.ssl, line, sizeof line), 0);
    talk_run(&talk);
    expect(&talk.client, "");
    assert_int_equal(shutdown(peer.fd, SHUT_WR), 0);
    talk_until(&talk, &talk.client, "close(0)");
    peer_free(&peer);
    talk_end(&talk);
    SSL_CTX_free(ctx);
}

/* The peer has sent three records and its end, and then resets, while much
 * waits to be sent to it: each line is delivered, and one error. */
static void what_came_before_a_reset_is_delivered(void **state)
{
    static struct mute mute;
    char bytes[4096];
    struct linger none = {1, 0};
    char *much = calloc(1, 4 << 20);
    (void)state;
    for (int i = 0; i < 5; i++) {
        mute_new(&mute, world.server, true);
        assert_int_equal(asynchat_push(mute.talk.server.ch, much, 4 << 20), 0);
        talk_run(&mute.talk);
        SSL *ssl = mute.hand.ssl;
        for (const char *line = "a\nb\nc\n"; *line; line += 2)
            assert_int_equal(SSL_write(ssl, line, 2), 2);
        SSL_shutdown(ssl);
        int n = BIO_read(mute.hand.out, bytes, sizeof bytes);
        assert_int_equal(send(mute.hand.fd, bytes, (size_t)n, 0), n);
        setsockopt(mute.hand.fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
        close(mute.hand.fd);
        mute.hand.fd = open("/dev/null", O_RDONLY);
        talk_until(&mute.talk, &mute.talk.server, ")");
        while (mute.talk.server.ch)
            talk_run(&mute.talk);
        assert_true(
            strncmp(mute.talk.server.log, "line(a) line(b) line(c) ", 24) == 0);
        mute_free(&mute);
    }
    free(much);
}

/* Nobody agrees on a protocol if the server has no list. */
static void a_server_without_protocols_takes_any(void **state)
{
    static struct talk talk;
    struct asynchat_tls_info info;
    (void)state;
    struct asynchat_tls *client = context(&(struct asynchat_tls_options){
        .flags = ASYNCHAT_TLS_CLIENT,
        .trust_text = world.authority->text,
        .alpn = (const char *const[]){"one", NULL}});
    talk_tcp(&talk, world.server, client, "a.example");
    connect_both(&talk);
    assert_int_equal(asynchat_tls_get_info(talk.client.ch, &info, sizeof info),
                     0);
    assert_null(info.alpn);
    talk_end(&talk);
    asynchat_tls_free(client);
}

static int setup(void **state)
{
    (void)state;
    print_message("%s, built with %s\n", OpenSSL_version(OPENSSL_VERSION),
                  OPENSSL_VERSION_TEXT);
    world_new(&world);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_end_waits_for_a_pause),
        cmocka_unit_test(a_paused_channel_ends_once),
        cmocka_unit_test(only_plain_bytes_move_the_clocks),
        cmocka_unit_test(lingering_ends),
        cmocka_unit_test(each_handshake_has_a_deadline),
        cmocka_unit_test(bytes_do_not_move_the_deadline),
        cmocka_unit_test(without_a_limit_no_handshake_is_late),
        cmocka_unit_test(a_channel_may_end_in_its_handshake),
        cmocka_unit_test(a_client_closes_behind_the_server),
        cmocka_unit_test(what_came_before_a_reset_is_delivered),
        cmocka_unit_test(a_server_without_protocols_takes_any),
    };
    return cmocka_run_group_tests(tests, setup, world_teardown);
}
