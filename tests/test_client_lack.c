/* Clients when something is missing: each allocation of the library and of
 * libevent fails once, and so does each setting of the socket.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "clock.h"
#include "toy.h"

/* --- what fails --- */

static long lacking; /* which allocation fails; 0: none */
static long allocations;

static bool is_lacking(void)
{
    return ++allocations == lacking;
}

static void *take(size_t size)
{
    return is_lacking() ? NULL : malloc(size);
}

static void *take_again(void *old, size_t size)
{
    return is_lacking() ? NULL : realloc(old, size);
}

static int refused_setting; /* which call of setsockopt fails; 0: none */
static int settings;

int __real_setsockopt(int fd, int level, int name, const void *value,
                      socklen_t len);
int __wrap_setsockopt(int fd, int level, int name, const void *value,
                      socklen_t len);
int __wrap_setsockopt(int fd, int level, int name, const void *value,
                      socklen_t len)
{
    if (++settings == refused_setting) {
        errno = ENOPROTOOPT;
        return -1;
    }
    return __real_setsockopt(fd, level, name, value, len);
}

/* --- a client and its server --- */

static struct event_base *base;
#define MOST 3 /* addresses of the name, of which the first is the usual one */

static int listeners[MOST];
static struct sockaddr_in at[MOST];
static int addresses;
static const struct asynchat_connect_options *connecting; /* or NULL */
static struct asynchat_client *client;
static int ups, downs, failures, stops, reason;

static void up(struct asynchat_client *c, struct asynchat_channel *ch,
               void *arg)
{
    (void)c;
    (void)arg;
    assert_int_equal(ups, downs); /* in turn */
    ups++;
    (void)asynchat_push(ch, "hello", 5); /* a failure is a later "down" */
}

static void go_on(unsigned wait)
{
    if (wait == UINT_MAX && !stops)
        (void)asynchat_client_reconnect(client);
}

static void down(struct asynchat_client *c, int why, unsigned wait, void *arg)
{
    (void)c;
    (void)arg;
    downs++;
    reason = why;
    assert_int_equal(ups, downs);
    go_on(wait);
}

static void failed(struct asynchat_client *c, int why, unsigned wait, void *arg)
{
    (void)c;
    (void)arg;
    failures++;
    reason = why;
    go_on(wait);
}

static void stopped(void *arg)
{
    (void)arg;
    stops++;
    client = NULL;
}

static void ready(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    asynchat_set_terminator_none(ch);
}

static const struct asynchat_handler handler = {.size = sizeof handler,
                                                .handle_connect = ready};

static void run_loop(long ms)
{
    clock_advance(ms);
    for (int i = 0; i < 6; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
}

static int begin(void)
{
    static const struct asynchat_timeouts times = {.size = sizeof times,
                                                   .idle = 1000000000};
    static const struct asynchat_options settled = {.size = sizeof settled,
                                                    .timeouts = &times};
    const struct asynchat_client_options options = {.size = sizeof options,
                                                    .connect = connecting,
                                                    .channels = &settled,
                                                    .up = up,
                                                    .down = down,
                                                    .failed = failed};
    ups = downs = failures = stops = reason = 0;
    return asynchat_client_new(base, "one.test", "7", &handler, NULL, &options,
                               &client);
}

/* Gives the one question of the client its answer. */
static int begin_lookup(struct asynchat_lookup *lookup, const char *host,
                        const char *service, void *arg)
{
    (void)host;
    (void)service;
    (void)arg;
    int error = 0;
    for (int i = 0; i < addresses && !error; i++)
        error = asynchat_lookup_add(lookup, (struct sockaddr *)&at[i],
                                    sizeof at[i]);
    if (!error)
        asynchat_lookup_done(lookup, 0);
    return error;
}

static void cancel_lookup(struct asynchat_lookup *lookup, void *arg)
{
    (void)lookup;
    (void)arg;
}

/* Waits until the client is up for the n-th time. */
static void come_up(int n)
{
    for (int i = 0; i < 20 && ups < n; i++)
        run_loop(60000);
    assert_int_equal(ups, n);
}

static int accept_one(void)
{
    int fd = accept(listeners[0], NULL, NULL);
    assert_true(fd >= 0);
    return fd;
}

static void accept_and_drop_all(void)
{
    int fd;
    for (int i = 0; i < MOST; i++)
        while ((fd = accept(listeners[i], NULL, NULL)) >= 0)
            close(fd);
}

/* The client is up, is dropped, comes back, and stops. */
static void live(void)
{
    int error = begin();
    if (error) {
        assert_int_equal(error, -ENOMEM);
        assert_int_equal(begin(), 0); /* and the program tries again */
    }
    come_up(1);
    accept_and_drop_all();
    run_loop(1);
    come_up(ups + (ups == downs));
    assert_int_equal(asynchat_client_stop(client, 1000, stopped, NULL), 0);
    run_loop(2000);
    run_loop(2000);
    assert_int_equal(stops, 1);
    assert_int_equal(ups, downs);
    accept_and_drop_all();
}

static void listen_at(int i)
{
    socklen_t len = sizeof at[i];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    at[i] = (struct sockaddr_in){.sin_family = AF_INET,
                                 .sin_addr.s_addr =
                                     htonl(INADDR_LOOPBACK + (unsigned)i)};
    assert_int_equal(bind(fd, (struct sockaddr *)&at[i], len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at[i], &len), 0);
    assert_int_equal(listen(fd, 100), 0);
    listeners[i] = fd;
}

static int set_up(void **state)
{
    static const struct asynchat_resolver resolver = {.size = sizeof resolver,
                                                      .begin = begin_lookup,
                                                      .cancel = cancel_lookup};
    (void)state;
    base = event_base_new();
    addresses = 1;
    for (int i = 0; i < MOST; i++)
        listen_at(i);
    return base ? asynchat_set_resolver(base, &resolver, NULL) : -1;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < MOST; i++)
        close(listeners[i]);
    int error = asynchat_set_resolver(base, NULL, NULL);
    event_base_free(base);
    return error;
}

/* A new event base each time, since a base keeps memory. */
static void let_each_allocation_fail(void **state, int count)
{
    for (lacking = 1; allocations >= lacking || lacking == 1; lacking++) {
        long which = lacking;
        lacking = 0;
        assert_int_equal(tear_down(state), 0);
        assert_int_equal(set_up(state), 0);
        addresses = count;
        int before = count_descriptors();
        allocations = 0;
        lacking = which;
        live();
        assert_int_equal(count_descriptors(), before);
        assert_int_equal(toys, 0);
    }
    print_message("%ld allocations\n", lacking - 1);
    assert_true(lacking > 20);
    lacking = 0;
}

static void each_allocation_may_fail(void **state)
{
    let_each_allocation_fail(state, 1);
}

static int candidates;

/* Of three connections the first is refused, with all that it got. The peers
 * say nothing, so the second has no handshake in time; the third needs none. */
static int begin_layer(struct asynchat_channel *ch, void *arg)
{
    struct toy *toy = toy_new(true);
    int which = candidates++ % MOST;
    (void)arg;
    toy->steps = which == 1 ? 2 : 0;
    int error = asynchat_push_proxy(ch, 1, NULL, NULL);
    int unset = error ? error : asynchat_set_layer(ch, &toy_ops, toy, NULL);
    if (unset) {
        toy_ops.release(toy);
        return unset;
    }
    error = asynchat_push(ch, "word", 4);
    return error ? error : which == 0 ? -EPROTO : 0;
}

static void each_allocation_of_a_race_may_fail(void **state)
{
    static const struct asynchat_connect_options racing = {
        .size = sizeof racing,
        .flags = ASYNCHAT_CONNECT_HANDSHAKE,
        .timeout = 1000000,
        .candidate = begin_layer};
    connecting = &racing;
    let_each_allocation_fail(state, MOST);
    assert_true(candidates > 200);
    connecting = NULL;
}

/* An attempt without the settings would never notice a peer that vanished. */
static void each_setting_may_be_refused(void **state)
{
    (void)state;
    int before = count_descriptors();
    assert_int_equal(begin(), 0);
    settings = 0;
    come_up(1);
    int all = settings;
    asynchat_client_free(client);
    close(accept_one());
    assert_true(all >= 5);
    for (refused_setting = 1; refused_setting <= all; refused_setting++) {
        assert_int_equal(begin(), 0);
        settings = 0;
        run_loop(1);
        if (failures)
            assert_int_equal(reason, -ENOPROTOOPT);
        come_up(1);
        asynchat_client_free(client);
        close(accept_one());
    }
    refused_setting = 0;
    assert_int_equal(count_descriptors(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_allocation_may_fail, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(each_allocation_of_a_race_may_fail,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_setting_may_be_refused, set_up,
                                        tear_down),
    };
    if (asynchat_set_mem_functions(take, take_again, free) < 0)
        return 1;
    event_set_mem_functions(take, take_again, free);
    return RUN(tests);
}
