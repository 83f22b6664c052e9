/* Limits: handshakes at a time and in a pass, key updates, servers that stop,
 * workers, and children after fork(2). SPDX-License-Identifier: BSD-3-Clause */
#include "hand.h"
#include "talk.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

static struct asynchat_tls *limited(unsigned handshakes, unsigned budget,
                                    unsigned updates)
{
    return context(&(struct asynchat_tls_options){
        .certificate_text = world.identity->certificate,
        .key_text = world.identity->key,
        .max_handshakes = handshakes,
        .handshake_budget = budget,
        .max_key_updates = updates});
}

static struct asynchat_tls_stats stats_of(const struct asynchat_tls *tls)
{
    struct asynchat_tls_stats stats;
    assert_int_equal(asynchat_tls_get_stats(tls, &stats, sizeof stats), 0);
    assert_int_equal(stats.begun,
                     stats.done + stats.failed + stats.silent + stats.shaking);
    return stats;
}

/* --- a server and many clients made by hand --- */

#define MANY 30

struct crowd {
    struct event_base *base;
    struct asynchat_server *server;
    struct hand hands[MANY];
    unsigned count;
    unsigned connected, closed; /* channels of the server */
};

static void crowd_connect(struct asynchat_channel *ch, void *arg)
{
    struct crowd *crowd = arg;
    crowd->connected++;
    assert_int_equal(asynchat_set_terminator(ch, "\n", 1), 0);
}

static void crowd_message(struct asynchat_channel *ch, const void *data,
                          size_t len, void *arg)
{
    (void)ch;
    (void)data;
    (void)len;
    (void)arg;
}

static void crowd_close(struct asynchat_channel *ch, int status, void *arg)
{
    struct crowd *crowd = arg;
    (void)ch;
    (void)status;
    crowd->closed++;
}

static void crowd_new(struct crowd *crowd, struct asynchat_tls *tls,
                      unsigned count)
{
    static const struct asynchat_handler handler = {
        .size = sizeof handler,
        .handle_connect = crowd_connect,
        .message = crowd_message,
        .handle_close = crowd_close};
    memset(crowd, 0, sizeof *crowd);
    crowd->base = event_base_new();
    assert_int_equal(asynchat_server_new(crowd->base, "127.0.0.1:0", &handler,
                                         crowd, NULL, &crowd->server),
                     0);
    assert_int_equal(asynchat_tls_serve(crowd->server, tls), 0);
    for (; crowd->count < count; crowd->count++)
        hand_new(&crowd->hands[crowd->count],
                 hand_connect(asynchat_server_port(crowd->server)));
}

static void crowd_turn(struct crowd *crowd, int passes)
{
    while (passes-- > 0) {
        event_base_loop(crowd->base, EVLOOP_NONBLOCK);
        usleep(1000);
    }
}

/* Sends `len` bytes of a ClientHello; 0: all. */
static void crowd_hello(struct hand *hand, size_t len)
{
    char hello[4096];
    size_t all = hand_hello(hand, hello, sizeof hello);
    if (len == 0)
        len = all;
    assert_int_equal(send(hand->fd, hello, len, MSG_NOSIGNAL), len);
}

/* How many clients have got an answer. */
static unsigned crowd_answered(const struct crowd *crowd)
{
    unsigned count = 0;
    char byte;
    for (unsigned i = 0; i < crowd->count; i++)
        if (crowd->hands[i].fd >= 0 &&
            recv(crowd->hands[i].fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1)
            count++;
    return count;
}

/* Goes on until the handshake is done. */
static void crowd_finish(struct crowd *crowd, struct hand *hand)
{
    char bytes[65536];
    for (int i = 0; i < 100 && SSL_do_handshake(hand->ssl) != 1; i++) {
        int n = BIO_read(hand->out, bytes, sizeof bytes);
        if (n > 0)
            assert_int_equal(send(hand->fd, bytes, (size_t)n, MSG_NOSIGNAL), n);
        crowd_turn(crowd, 2);
        ssize_t got = recv(hand->fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (got > 0)
            BIO_write(hand->in, bytes, (int)got);
    }
    if (!SSL_is_init_finished(hand->ssl))
        fail_msg("%s", SSL_state_string_long(hand->ssl));
    int n = BIO_read(hand->out, bytes, sizeof bytes);
    if (n > 0)
        assert_int_equal(send(hand->fd, bytes, (size_t)n, MSG_NOSIGNAL), n);
    crowd_turn(crowd, 3);
}

static void crowd_free(struct crowd *crowd)
{
    for (unsigned i = 0; i < crowd->count; i++)
        hand_free(&crowd->hands[i]);
    crowd_turn(crowd, 20);
    asynchat_server_free(crowd->server);
    crowd_turn(crowd, 2);
    event_base_free(crowd->base);
}

/* --- the tests --- */

static void handshakes_wait_for_others(void **state)
{
    static struct crowd crowd;
    (void)state;
    struct asynchat_tls *tls = limited(2, 0, 0);
    crowd_new(&crowd, tls, 4);
    for (unsigned i = 0; i < 4; i++) {
        crowd_hello(&crowd.hands[i], 0);
        crowd_turn(&crowd, 20);
    }
    assert_int_equal(crowd_answered(&crowd), 2);
    assert_int_equal(stats_of(tls).waiting, 2);
    assert_int_equal(stats_of(tls).shaking, 4);
    crowd_finish(&crowd, &crowd.hands[0]); /* one is done, */
    crowd_turn(&crowd, 40);
    assert_int_equal(stats_of(tls).waiting, 1);
    shutdown(crowd.hands[1].fd, SHUT_WR); /* and one fails */
    crowd_turn(&crowd, 40);
    assert_int_equal(stats_of(tls).waiting, 0);
    assert_int_equal(stats_of(tls).shaking, 2);
    assert_int_equal(stats_of(tls).failed, 1);
    crowd_finish(&crowd, &crowd.hands[2]);
    crowd_finish(&crowd, &crowd.hands[3]);
    assert_int_equal(stats_of(tls).done, 3);
    assert_int_equal(crowd.connected, 3);
    crowd_free(&crowd);
    assert_int_equal(crowd.closed, 4);
    asynchat_tls_free(tls);
}

/* When the budget is used up by the first one, the others wait for the next
 * pass. */
static void a_pass_has_a_budget(void **state)
{
    static struct crowd crowd;
    (void)state;
    struct asynchat_tls *tls = limited(0, 1, 0);
    unsigned before = 0, most = 0;
    crowd_new(&crowd, tls, 10);
    crowd_turn(&crowd, 20);
    for (unsigned i = 0; i < 10; i++)
        crowd_hello(&crowd.hands[i], 0);
    for (int i = 0; i < 100 && before < 10; i++) {
        event_base_loop(crowd.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
        unsigned now = crowd_answered(&crowd);
        most = now - before > most ? now - before : most;
        before = now;
    }
    assert_int_equal(before, 10);
    assert_int_equal(most, 1);
    crowd_free(&crowd);
    asynchat_tls_free(tls);
}

/* A client that has gone is not worth a handshake. */
static void who_has_gone_costs_nothing(void **state)
{
    static struct crowd crowd;
    (void)state;
    struct asynchat_tls *tls = limited(0, 0, 0);
    crowd_new(&crowd, tls, MANY);
    crowd_turn(&crowd, 40);
    for (unsigned i = 0; i < MANY; i++) {
        crowd_hello(&crowd.hands[i], 0);
        shutdown(crowd.hands[i].fd, SHUT_WR);
    }
    crowd_turn(&crowd, 40);
    assert_int_equal(crowd_answered(&crowd), 0);
    assert_int_equal(stats_of(tls).failed, MANY);
    crowd_free(&crowd);
    asynchat_tls_free(tls);
}

static unsigned stopped;

static void on_stopped(void *arg)
{
    (void)arg;
    stopped++;
}

/* Ten channels are up, ten have sent a part of a ClientHello, and ten wait. */
static void a_server_stops_in_time(void **state)
{
    static struct crowd crowd;
    (void)state;
    struct asynchat_tls *tls = limited(10, 0, 0);
    crowd_new(&crowd, tls, MANY);
    for (unsigned i = 0; i < 10; i++) {
        crowd_hello(&crowd.hands[i], 0);
        crowd_finish(&crowd, &crowd.hands[i]);
    }
    for (unsigned i = 10; i < 20; i++)
        crowd_hello(&crowd.hands[i], 100);
    for (unsigned i = 20; i < 30; i++)
        crowd_hello(&crowd.hands[i], 0);
    crowd_turn(&crowd, 50);
    stopped = 0;
    assert_int_equal(asynchat_server_stop(crowd.server, 500, on_stopped, NULL),
                     0);
    for (int i = 0; i < 2000 && !stopped; i++)
        crowd_turn(&crowd, 1);
    assert_int_equal(stopped, 1);
    assert_int_equal(crowd.closed, MANY);
    assert_int_equal(stats_of(tls).shaking, 0);
    assert_int_equal(stats_of(tls).waiting, 0);
    crowd.server = NULL;
    crowd_free(&crowd);
    asynchat_tls_free(tls);
}

static void keys_are_updated_now_and_then(void **state)
{
    static struct talk talk;
    (void)state;
    struct asynchat_tls *tls = limited(0, 0, 20);
    talk_pair(&talk, tls, world.client, "a.example");
    talk_until(&talk, &talk.server, "connect");
    talk_until(&talk, &talk.client, "connect");
    SSL *ssl = asynchat_tls_get_ssl(talk.client.ch);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        say(&talk.client, "a\n");
        talk_run(&talk);
        say(&talk.server, "b\n");
        talk_run(&talk);
    }
    talk_until(&talk, &talk.client, "line(b)");
    talk_until(&talk, &talk.server, "line(a)");
    assert_int_equal(stats_of(tls).key_updates, 20);
    talk_end(&talk);
    asynchat_tls_free(tls);
}

static void but_not_all_the_time(void **state)
{
    static struct talk talk;
    (void)state;
    struct asynchat_tls *tls = limited(0, 0, 20);
    talk_pair(&talk, tls, world.client, "a.example");
    talk_until(&talk, &talk.server, "connect");
    talk_until(&talk, &talk.client, "connect");
    SSL *ssl = asynchat_tls_get_ssl(talk.client.ch);
    for (int i = 0; i < 25 && talk.client.ch; i++) {
        SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
        say(&talk.client, "a\n");
        talk_run(&talk);
    }
    talk_until(&talk, &talk.server, "close(EPROTOCOL)");
    assert_string_equal(talk.server.text, "the peer updates its key too often");
    assert_int_equal(stats_of(tls).key_updates, 21);
    talk_end(&talk);
    asynchat_tls_free(tls);
}

/* --- workers --- */

static void answer(struct asynchat_channel *ch, const void *data, size_t len,
                   void *arg)
{
    (void)arg;
    asynchat_push(ch, data, len);
    asynchat_push(ch, "\n", 1);
}

static void worker_connect(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    if (asynchat_set_terminator(ch, "\n", 1) < 0)
        asynchat_close(ch);
}

static void ask(struct side *side)
{
    say(side, "ask\n");
}

static void bye(struct side *side, const char *line, size_t len)
{
    (void)line;
    (void)len;
    asynchat_close_when_done(side->ch);
}

static void workers_serve_tls(void **state)
{
    static const struct asynchat_handler handler = {.size = sizeof handler,
                                                    .handle_connect =
                                                        worker_connect,
                                                    .message = answer};
    static struct talk talk;
    struct asynchat_workers *workers;
    char address[ASYNCHAT_ADDRESS_SIZE];
    (void)state;
    struct asynchat_tls *tls = limited(0, 0, 0);
    assert_int_equal(asynchat_workers_new(3, NULL, NULL, &workers), 0);
    struct asynchat_server_options options = {.size = sizeof options,
                                              .workers = workers};
    memset(&talk, 0, sizeof talk);
    talk.base = event_base_new();
    assert_int_equal(asynchat_server_new(talk.base, "127.0.0.1:0", &handler,
                                         NULL, &options, &talk.listener),
                     0);
    assert_int_equal(asynchat_tls_serve(talk.listener, tls), 0);
    assert_int_equal(
        asynchat_server_address(talk.listener, address, sizeof address), 0);
    for (int i = 0; i < 30; i++) {
        talk.client.len = 0;
        talk.client.on_connect = ask;
        talk.client.on_line = bye;
        assert_int_equal(asynchat_tls_connect(
                             talk.base, address, 0, world.client, "a.example",
                             &side_handler, &talk.client, &talk.client.ch),
                         0);
        if (i % 10 == 5)
            assert_int_equal(asynchat_tls_reload(tls, NULL), 0);
        talk_until(&talk, &talk.client, "close(0)");
        expect(&talk.client, "connect line(ask) close(0)");
    }
    asynchat_server_free(talk.listener);
    talk.listener = NULL;
    assert_int_equal(asynchat_workers_free(workers), 0);
    assert_int_equal(stats_of(tls).done, 30);
    talk_end(&talk);
    asynchat_tls_free(tls);
}

/* --- fork --- */

/* The child frees what it has inherited, and says nothing. */
static void a_child_says_nothing(void **state)
{
    static struct talk talk;
    int status;
    (void)state;
    talk_tcp(&talk, world.server, world.client, "a.example");
    talk_until(&talk, &talk.server, "connect");
    talk_until(&talk, &talk.client, "connect");
    pid_t child = fork();
    if (child == 0) {
        asynchat_channel_free(talk.server.ch);
        asynchat_channel_free(talk.client.ch);
        asynchat_server_free(talk.listener);
        event_base_free(talk.base);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    for (int i = 0; i < 100; i++) {
        say(&talk.client, "a\n");
        talk_until(&talk, &talk.server, "line(a)");
        talk.server.len = 0;
        say(&talk.server, "b\n");
        talk_until(&talk, &talk.client, "line(b)");
        talk.client.len = 0;
    }
    talk_end(&talk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshakes_wait_for_others),
        cmocka_unit_test(a_pass_has_a_budget),
        cmocka_unit_test(who_has_gone_costs_nothing),
        cmocka_unit_test(a_server_stops_in_time),
        cmocka_unit_test(keys_are_updated_now_and_then),
        cmocka_unit_test(but_not_all_the_time),
        cmocka_unit_test(workers_serve_tls),
        cmocka_unit_test(a_child_says_nothing),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
