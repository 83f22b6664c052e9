/* Contexts that several threads use, and loops that change their thread.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "peer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include <event2/event.h>

/* --- a loop changes its thread --- */

/* A handshake that does not end: the server has answered. */
static void *begin_handshake(void *arg)
{
    struct peer *peer = ((void **)arg)[0];
    struct talk *talk = ((void **)arg)[1];
    SSL_do_handshake(peer->ssl);
    peer_send(peer, SIZE_MAX);
    event_base_loop(talk->base, EVLOOP_NONBLOCK);
    return peer_receive(peer) > 0 ? peer : NULL;
}

static void a_loop_may_end_in_another_thread(void **state)
{
    static struct talk talk;
    struct peer peer;
    pthread_t thread;
    void *answered;
    (void)state;
    struct asynchat_tls *tls = context(&(struct asynchat_tls_options){
        .certificate_text = world.identity->certificate,
        .key_text = world.identity->key,
        .max_handshakes = 1});
    SSL_CTX *ctx = peer_context(false, NULL, 0);
    peer_new(&peer, &talk, ctx, true, tls);
    void *args[] = {&peer, &talk};
    assert_int_equal(pthread_create(&thread, NULL, begin_handshake, args), 0);
    assert_int_equal(pthread_join(thread, &answered), 0);
    assert_non_null(answered);
    talk_end(&talk);
    peer_free(&peer);
    for (int i = 0; i < 2; i++) {
        talk_tcp(&talk, tls, world.client, "a.example");
        talk_until(&talk, &talk.client, "connect");
        talk_end(&talk);
    }
    SSL_CTX_free(ctx);
    asynchat_tls_free(tls);
}

/* --- workers, and a thread that changes the context --- */

#define CLIENTS 40

static atomic_int greeted;

static void greet(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    asynchat_push(ch, "welcome\n", 8);
    asynchat_close_when_done(ch);
}

static void greeting(struct asynchat_channel *ch, const void *data, size_t len,
                     void *arg)
{
    (void)ch;
    (void)data;
    (void)arg;
    greeted += len == 7;
}

static void begin_lines(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    assert_int_equal(asynchat_set_terminator(ch, "\n", 1), 0);
}

static const struct asynchat_handler server_handler = {
    .size = sizeof server_handler, .handle_connect = greet};
static const struct asynchat_handler client_handler = {
    .size = sizeof client_handler,
    .handle_connect = begin_lines,
    .message = greeting};

static atomic_bool over;

/* Errors of calls are told by the number of greetings: asserts are for the
 * first thread only. */
static void *change(void *arg)
{
    struct asynchat_tls *tls = arg;
    struct asynchat_tls_stats stats;
    int errors = 0;
    while (!over) {
        errors += asynchat_tls_reload(tls, NULL) != 0;
        errors += asynchat_tls_add_name(tls, "a.example", world.server) != 0;
        errors += asynchat_tls_get_stats(tls, &stats, sizeof stats) != 0;
        errors += asynchat_tls_add_name(tls, "a.example", NULL) != 0;
        usleep(100);
    }
    if (errors)
        greeted = -1000;
    return NULL;
}

static void workers_share_a_context_that_changes(void **state)
{
    char address[ASYNCHAT_ADDRESS_SIZE];
    struct asynchat_workers *workers;
    struct asynchat_server *server;
    struct asynchat_channel *ch;
    struct asynchat_tls_stats s;
    pthread_t thread;
    (void)state;
    struct asynchat_tls *tls = context(&(struct asynchat_tls_options){
        .certificate_text = world.identity->certificate,
        .key_text = world.identity->key});
    struct event_base *base = event_base_new();
    assert_int_equal(asynchat_workers_new(3, NULL, NULL, &workers), 0);
    assert_int_equal(
        asynchat_server_new(base, "127.0.0.1:0", &server_handler, NULL,
                            &(struct asynchat_server_options){
                                .size = sizeof(struct asynchat_server_options),
                                .workers = workers},
                            &server),
        0);
    assert_int_equal(asynchat_tls_serve(server, tls), 0);
    assert_int_equal(asynchat_server_address(server, address, sizeof address),
                     0);
    assert_int_equal(pthread_create(&thread, NULL, change, tls), 0);
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(asynchat_tls_connect(base, address, 0, world.client,
                                              "a.example", &client_handler,
                                              NULL, &ch),
                         0);
    for (int i = 0; i < 20000 && greeted >= 0 && greeted < CLIENTS; i++) {
        event_base_loop(base, EVLOOP_NONBLOCK);
        usleep(500);
    }
    over = true;
    pthread_join(thread, NULL);
    assert_int_equal(greeted, CLIENTS);
    asynchat_server_free(server);
    assert_int_equal(asynchat_workers_free(workers), 0);
    for (int i = 0; i < 20; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
    assert_int_equal(asynchat_tls_get_stats(tls, &s, sizeof s), 0);
    assert_int_equal(s.begun, CLIENTS);
    assert_int_equal(s.done, CLIENTS);
    assert_int_equal(s.shaking + s.waiting + s.failed + s.silent, 0);
    event_base_free(base);
    asynchat_tls_free(tls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loop_may_end_in_another_thread),
        cmocka_unit_test(workers_share_a_context_that_changes),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
