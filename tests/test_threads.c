/* Two event bases in two threads at once: everything that the library shares
 * between loops has a lock. SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <event2/event.h>

/* How often a server, clients and pairs are made and freed in each loop. The
 * first channel to come and the last to go touch the data that loops share. */
#define ROUNDS 40
#define CLIENTS 4
#define LINES 10

/* The data of one thread. The thread may not call cmocka: a failure would jump
 * into the other thread's stack. */
struct world {
    pthread_barrier_t *start;
    struct event_base *base;
    struct asynchat_server *server;
    int errors;    /* how many calls failed */
    int connected; /* channels of any kind */
    int closed;
    int lines, answers; /* lines and answers that they received */
};

static void check(struct world *w, int error)
{
    if (error)
        w->errors++;
}

/* --- both sides --- */

static void opened(struct asynchat_channel *ch, void *arg)
{
    struct world *w = arg;
    w->connected++;
    check(w, asynchat_set_terminator(ch, "\r\n", 2));
}

static void ended(struct asynchat_channel *ch, int status, void *arg)
{
    struct world *w = arg;
    (void)ch;
    w->closed++;
    check(w, status == ASYNCHAT_EOF ? 0 : status);
}

static void answer(struct asynchat_channel *ch, const void *data, size_t len,
                   void *arg)
{
    struct world *w = arg;
    w->lines++;
    check(w, asynchat_push(ch, data, len));
    check(w, asynchat_push(ch, "\r\n", 2));
}

static const struct asynchat_handler server_handler = {
    .size = sizeof server_handler,
    .message = answer,
    .handle_connect = opened,
    .handle_close = ended,
};

/* --- the one that asks --- */

static void ask(struct asynchat_channel *ch, void *arg)
{
    opened(ch, arg);
    for (int i = 0; i < LINES; i++)
        check(arg, asynchat_push(ch, "hello\r\n", 7));
    check(arg, asynchat_set_terminator_length(ch, 7 * LINES));
}

static void answered(struct asynchat_channel *ch, const void *data, size_t len,
                     void *arg)
{
    struct world *w = arg;
    const char *text = data;
    for (size_t at = 0; at + 7 <= len; at += 7)
        w->answers += memcmp(text + at, "hello\r\n", 7) == 0;
    asynchat_close(ch);
}

static const struct asynchat_handler client_handler = {
    .size = sizeof client_handler,
    .message = answered,
    .handle_connect = ask,
    .handle_close = ended,
};

/* --- a thread --- */

static void start_pair(struct world *w)
{
    const struct asynchat_handler *handlers[2] = {&server_handler,
                                                  &client_handler};
    void *args[2] = {w, w};
    struct asynchat_channel *pair[2];
    check(w, asynchat_pair_new(w->base, handlers, args, pair));
}

static void start_client(struct world *w)
{
    char address[ASYNCHAT_ADDRESS_SIZE];
    struct asynchat_channel *ch;
    check(w, asynchat_server_address(w->server, address, sizeof address));
    check(w, asynchat_connect(w->base, address, 0, &client_handler, w, &ch));
}

/* The server goes as soon as all its channels are there. */
static void stop_accepting(struct world *w, int expected)
{
    while (w->connected < expected && w->errors == 0)
        event_base_loop(w->base, EVLOOP_ONCE);
    asynchat_server_free(w->server);
    w->server = NULL;
}

static void play_round(struct world *w)
{
    int expected = w->connected + 2 * CLIENTS + 2;
    check(w, asynchat_server_new(w->base, "127.0.0.1:0", &server_handler, w,
                                 NULL, &w->server));
    if (w->errors > 0)
        return;
    for (int i = 0; i < CLIENTS; i++)
        start_client(w);
    start_pair(w);
    stop_accepting(w, expected);
    event_base_dispatch(w->base);
}

static void *run_thread(void *arg)
{
    struct world *w = arg;
    pthread_barrier_wait(w->start);
    for (int i = 0; i < ROUNDS && w->errors == 0; i++) {
        w->base = event_base_new();
        check(w, w->base ? 0 : -1);
        if (w->base) {
            play_round(w);
            event_base_free(w->base);
        }
    }
    return NULL;
}

/* --- the test --- */

static void expect_all(const struct world *w)
{
    int asking = ROUNDS * (CLIENTS + 1);
    assert_int_equal(w->errors, 0);
    assert_int_equal(w->connected, 2 * asking);
    assert_int_equal(w->closed, 2 * asking);
    assert_int_equal(w->lines, LINES * asking);
    assert_int_equal(w->answers, LINES * asking);
}

static void two_loops_in_two_threads_do_not_meet(void **state)
{
    struct world worlds[2] = {0};
    pthread_t threads[2];
    pthread_barrier_t start;
    int descriptors = count_descriptors();
    (void)state;
    assert_int_equal(pthread_barrier_init(&start, NULL, 2), 0);
    for (int i = 0; i < 2; i++) {
        worlds[i].start = &start;
        assert_int_equal(
            pthread_create(&threads[i], NULL, run_thread, &worlds[i]), 0);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&start);
    for (int i = 0; i < 2; i++)
        expect_all(&worlds[i]);
    assert_int_equal(count_descriptors(), descriptors);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_loops_in_two_threads_do_not_meet),
    };
    return RUN(tests);
}
