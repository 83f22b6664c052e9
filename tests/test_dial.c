/* Connecting to a name: attempts, and which of them becomes the connection. The
 * names are looked up by a resolver of this file.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>

#include <asynchat/resolver.h>

#include "base/address.h"
#include "child.h"
#include "clock.h"
#include "toy.h"

/* --- the far ends: addresses on which something happens --- */

#define MOST 4

/* Sockets of the test; -1 for none. `listening` are those that accept. */
static int listening[MOST], filler[MOST];
static char at[MOST][ASYNCHAT_ADDRESS_SIZE];
static int got[MOST]; /* connections that were accepted */

static struct address parse(const char *text)
{
    struct address address;
    assert_int_equal(asynchat__address_parse(&address, text), 0);
    return address;
}

/* A socket of the address, whose port is free; its address is at[n]. */
static int bind_at(int n, const char *address)
{
    struct address to = parse(address);
    int fd = socket(to.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&to.storage, to.len), 0);
    assert_int_equal(asynchat__address_of(fd, getsockname, &to), 0);
    assert_int_equal(asynchat__address_format(&to, at[n], sizeof at[n]), 0);
    return fd;
}

static void accepts(int n, const char *address)
{
    listening[n] = bind_at(n, address);
    assert_int_equal(listen(listening[n], 100), 0);
}

static void refuses(int n, const char *address)
{
    listening[n] = bind_at(n, address); /* nobody listens */
}

/* Its queue is full, so nothing answers. */
static void is_silent(int n, const char *address)
{
    listening[n] = bind_at(n, address);
    assert_int_equal(listen(listening[n], 0), 0);
    struct address to = parse(at[n]);
    filler[n] = socket(to.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(filler[n], (struct sockaddr *)&to.storage, to.len),
                     0);
}

/* Accepts what has come to at[n], and gives it to the fixture. */
static void answer(struct fixture *f, int n)
{
    if (f->peer >= 0)
        close(f->peer);
    f->peer = accept(listening[n], NULL, NULL);
    assert_true(f->peer >= 0);
    f->got_eof = false;
    f->got_len = 0;
}

/* --- the resolver --- */

static struct asynchat_lookup *asked;
static char asked_for[128];
static int cancelled;

static int begin_lookup(struct asynchat_lookup *lookup, const char *host,
                        const char *service, void *arg)
{
    (void)arg;
    asked = lookup;
    snprintf(asked_for, sizeof asked_for, "%s %s", host, service);
    return 0;
}

static void cancel_lookup(struct asynchat_lookup *lookup, void *arg)
{
    (void)arg;
    assert_ptr_equal(lookup, asked);
    asked = NULL;
    cancelled++;
}

static const struct asynchat_resolver resolver = {
    .size = sizeof resolver, .begin = begin_lookup, .cancel = cancel_lookup};

static void found(int n)
{
    struct address address = parse(at[n]);
    assert_int_equal(asynchat_lookup_add(asked,
                                         (struct sockaddr *)&address.storage,
                                         address.len),
                     0);
}

static void found_all(struct fixture *f, int count, int error)
{
    for (int i = 0; i < count; i++)
        found(i);
    asynchat_lookup_done(asked, error);
    asked = NULL;
    settle(f);
}

/* The one address that is found accepts. */
static void found_one(struct fixture *f)
{
    accepts(0, "127.0.0.1:0");
    found_all(f, 1, 0);
}

/* Of the two addresses that are found the second one accepts. */
static void found_two(struct fixture *f,
                      void (*first)(int n, const char *address))
{
    first(0, "127.0.0.1:0");
    accepts(1, "127.0.0.2:0");
    found_all(f, 2, 0);
}

/* --- each test --- */

static struct asynchat_connect_options options;
static int prepared, candidates;
static char record[4096]; /* of the log */

static void keep_record(const struct asynchat_log_record *r, void *arg)
{
    size_t len = strlen(record);
    (void)arg;
    if (r->event == ASYNCHAT_LOG_LOOKUP || r->event == ASYNCHAT_LOG_ATTEMPT)
        snprintf(record + len, sizeof record - len, "%s: %s\n", r->peer,
                 r->text);
}

static int set_up(void **state)
{
    int error = fixture_setup(state);
    struct fixture *f = *state;
    for (int i = 0; i < MOST; i++) {
        listening[i] = filler[i] = -1;
        got[i] = 0;
    }
    options = (struct asynchat_connect_options){.size = sizeof options};
    prepared = candidates = cancelled = 0;
    asked = NULL;
    record[0] = '\0';
    asynchat_set_log(ASYNCHAT_LOG_DEBUG, keep_record, NULL);
    return error ? error : asynchat_set_resolver(f->base, &resolver, NULL);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < MOST; i++) {
        if (listening[i] >= 0)
            close(listening[i]);
        if (filler[i] >= 0)
            close(filler[i]);
    }
    asynchat_set_log(ASYNCHAT_LOG_DEBUG, NULL, NULL);
    if (asynchat_set_resolver(f->base, NULL, NULL) < 0)
        return -1;
    return fixture_teardown(state);
}

static struct fixture *dial(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(asynchat_connect_name(f->base, "two.test", "7", &options,
                                           &recorder, f, &f->ch),
                     0);
    set_crlf(f);
    expect(f, ""); /* no call runs a callback */
    return f;
}

/* An error as fixture.c writes it. */
static const char *name_of(int error)
{
    static char number[16];
    switch (error) {
    case -ETIMEDOUT:
        return "ETIMEDOUT";
    case ASYNCHAT_ENOADDRESS:
        return "ENOADDRESS";
    case ASYNCHAT_ENONAME:
        return "ENONAME";
    default:
        snprintf(number, sizeof number, "%d", error);
        return number;
    }
}

static void expect_failure(struct fixture *f, int error)
{
    char events[64];
    snprintf(events, sizeof events, "error(%s) closed(%s)", name_of(error),
             name_of(error));
    settle(f);
    expect(f, events);
    assert_null(f->ch);
}

/* The channel and at[n] hear each other. */
static void converse(struct fixture *f, int n)
{
    settle(f);
    expect(f, "connect");
    answer(f, n);
    assert_int_equal(asynchat_push(f->ch, "hello", 5), 0);
    feed_string(f, "welcome\r\n");
    settle(f);
    expect(f, "data(welcome) found");
    expect_got(f, "hello");
}

static void the_first_address_is_taken(void **state)
{
    char peer[ASYNCHAT_ADDRESS_SIZE];
    struct fixture *f = dial(state);
    assert_string_equal(asked_for, "two.test 7");
    assert_int_equal(asynchat_peer_address(f->ch, peer, sizeof peer),
                     -ENOTSOCK);
    found_two(f, accepts);
    converse(f, 0);
    assert_int_equal(asynchat_peer_address(f->ch, peer, sizeof peer), 0);
    assert_string_equal(peer, at[0]);
    assert_null(strstr(record, at[1])); /* was not tried */
    close_connection(f);
}

static void a_refusal_leads_to_the_next_at_once(void **state)
{
    char text[2 * ASYNCHAT_ADDRESS_SIZE];
    struct fixture *f = dial(state);
    found_two(f, refuses); /* the clock stands still */
    converse(f, 1);
    snprintf(text, sizeof text, "%s: Connection refused\n", at[0]);
    assert_non_null(strstr(record, text));
    snprintf(text, sizeof text, "%s: is up\n", at[1]);
    assert_non_null(strstr(record, text));
    close_connection(f);
}

static void silence_leads_to_the_next_after_the_delay(void **state)
{
    struct fixture *f = dial(state);
    found_two(f, is_silent);
    clock_advance(249);
    settle(f);
    expect(f, "");
    clock_advance(1);
    converse(f, 1);
    close_connection(f);
}

static void the_delay_can_be_set(void **state)
{
    options.delay = 40;
    struct fixture *f = dial(state);
    found_two(f, is_silent);
    clock_advance(40);
    converse(f, 1);
    close_connection(f);
}

static void families_take_turns(void **state)
{
    struct fixture *f = dial(state);
    refuses(0, "127.0.0.1:0");
    refuses(1, "127.0.0.2:0");
    refuses(2, "[::1]:0");
    found_all(f, 3, 0);
    expect_failure(f, -ECONNREFUSED);
    char *first = strstr(record, at[0]), *second = strstr(record, at[1]),
         *other = strstr(record, at[2]);
    assert_true(first && first < other && other < second);
}

static void when_all_fail_the_first_error_is_told(void **state)
{
    struct fixture *f = dial(state);
    snprintf(at[0], sizeof at[0], "255.255.255.255:9");
    refuses(1, "127.0.0.1:0");
    found_all(f, 2, 0);
    settle(f);
    assert_null(f->ch);
    assert_int_equal(f->status, -ENETUNREACH);
}

/* A system without IPv6, as after "ipv6.disable=1". */
static bool without_six;

int __real_socket(int family, int type, int protocol);
int __wrap_socket(int family, int type, int protocol);
int __wrap_socket(int family, int type, int protocol)
{
    if (without_six && family == AF_INET6) {
        errno = EAFNOSUPPORT;
        return -1;
    }
    return __real_socket(family, type, protocol);
}

static void fail_without_six(void **state, int first, int error)
{
    struct fixture *f = dial(state);
    snprintf(at[!first], sizeof at[0], "[::1]:9");
    if (error == -ECONNREFUSED)
        refuses(first, "127.0.0.1:0");
    without_six = true;
    found_all(f, error == -ECONNREFUSED ? 2 : 1, 0);
    without_six = false;
    assert_null(f->ch);
    assert_int_equal(f->status, error);
    f->log_len = 0;
}

static void a_family_that_is_missing_hides_no_error(void **state)
{
    fail_without_six(state, 0, -ECONNREFUSED);
}

static void nor_does_it_if_it_comes_first(void **state)
{
    fail_without_six(state, 1, -ECONNREFUSED);
}

static void a_family_that_is_missing_is_told_if_there_is_no_other(void **state)
{
    fail_without_six(state, 1, -EAFNOSUPPORT);
}

static void a_look_up_without_an_address_is_an_error(void **state)
{
    struct fixture *f = dial(state);
    found_all(f, 0, 0);
    expect_failure(f, ASYNCHAT_ENOADDRESS);
}

static void an_error_of_the_look_up_is_told(void **state)
{
    char text[128];
    struct fixture *f = dial(state);
    found_all(f, 0, ASYNCHAT_ENONAME);
    expect_failure(f, ASYNCHAT_ENONAME);
    snprintf(text, sizeof text, "two.test: %s\n",
             asynchat_strerror(ASYNCHAT_ENONAME));
    assert_string_equal(record, text);
}

static void a_late_error_does_not_undo_an_address(void **state)
{
    struct fixture *f = dial(state);
    accepts(0, "127.0.0.1:0");
    found(0);
    settle(f);
    converse(f, 0);
    assert_int_equal(cancelled, 1); /* nobody wants the rest */
    close_connection(f);
}

static void addresses_that_come_later_join_the_race(void **state)
{
    struct fixture *f = dial(state);
    refuses(0, "127.0.0.1:0");
    found(0);
    settle(f);
    expect(f, ""); /* more may come */
    accepts(1, "127.0.0.2:0");
    found(1);
    asynchat_lookup_done(asked, ASYNCHAT_ETRYAGAIN);
    converse(f, 1);
    close_connection(f);
}

static void the_time_covers_the_look_up(void **state)
{
    options.timeout = 3000;
    struct fixture *f = dial(state);
    clock_advance(2999);
    settle(f);
    expect(f, "");
    clock_advance(1);
    expect_failure(f, -ETIMEDOUT);
    assert_int_equal(cancelled, 1);
}

static void the_time_covers_all_attempts(void **state)
{
    options.timeout = 1000;
    struct fixture *f = dial(state);
    is_silent(0, "127.0.0.1:0");
    is_silent(1, "127.0.0.2:0");
    found_all(f, 2, 0);
    clock_advance(250);
    settle(f);
    assert_non_null(strstr(record, at[1]));
    assert_int_equal(asynchat_get_connect_time(f->ch), 1000);
    clock_advance(750);
    expect_failure(f, -ETIMEDOUT);
}

static void a_channel_that_goes_takes_all_with_it(void **state)
{
    struct fixture *f = dial(state);
    is_silent(0, "127.0.0.1:0");
    is_silent(1, "127.0.0.2:0");
    found(0);
    found(1);
    settle(f);
    clock_advance(250);
    settle(f);
    asynchat_channel_free(f->ch); /* teardown looks for descriptors */
    f->ch = NULL;
    assert_int_equal(cancelled, 1);
    settle(f);
    expect(f, "");
}

static bool child_frees(void *arg)
{
    struct fixture *f = arg;
    asynchat_channel_free(f->ch);
    return true;
}

/* The event of the parent's attempt stays in the set that both share. */
static void a_child_may_free_a_channel_that_dials(void **state)
{
    struct fixture *f = dial(state);
    accepts(0, "127.0.0.1:0");
    found(0);
    asynchat_lookup_done(asked, 0);
    asked = NULL;
    event_base_loop(f->base, EVLOOP_ONCE);
    assert_non_null(strstr(record, "is dialed"));
    assert_int_equal(child_runs(child_frees, f), 1);
    assert_null(strstr(record, "is up"));
    converse(f, 0);
    close_connection(f);
}

static void a_channel_that_closes_tells_it_once(void **state)
{
    struct fixture *f = dial(state);
    is_silent(0, "127.0.0.1:0");
    found_all(f, 1, 0);
    asynchat_close(f->ch);
    settle(f);
    expect(f, "closed(0)");
}

static void what_is_pushed_before_goes_to_the_winner(void **state)
{
    struct fixture *f = dial(state);
    char *data = big(1u << 20);
    assert_int_equal(asynchat_push(f->ch, "first ", 6), 0);
    assert_int_equal(asynchat_push(f->ch, data, 1u << 20), 0);
    found_two(f, refuses);
    expect(f, "connect");
    answer(f, 1);
    asynchat_close_when_done(f->ch);
    settle(f);
    assert_int_equal(f->got_len, 6 + (1u << 20));
    assert_memory_equal(f->got, "first ", 6);
    assert_memory_equal(f->got + 6, data, 1u << 20);
    free(data);
    feed_eof(f);
    settle(f);
    expect(f, "closed(0)");
}

/* All are up in the same pass: one wins, and the others are closed. */
static void one_wins_of_many(void **state)
{
    char byte;
    options.delay = 1;
    struct fixture *f = dial(state);
    for (int i = 0; i < MOST; i++) {
        char address[32];
        snprintf(address, sizeof address, "127.0.0.%d:0", i + 1);
        is_silent(i, address);
    }
    for (int i = 0; i < MOST; i++)
        found(i);
    asynchat_lookup_done(asked, 0);
    for (int i = 0; i < MOST; i++) {
        event_base_loop(f->base, EVLOOP_NONBLOCK);
        clock_advance(1);
    }
    for (int i = 0; i < MOST; i++) /* make room */
        close(accept(listening[i], NULL, NULL));
    usleep(1100000); /* the system dials again after a second */
    settle(f);
    expect(f, "connect");
    int ended = 0, open = 0;
    for (int i = 0; i < MOST; i++) {
        int fd = accept(listening[i], NULL, NULL);
        ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT);
        ended += n == 0;
        open += n < 0 && errno == EAGAIN;
        close(fd);
    }
    assert_int_equal(open, 1);
    assert_int_equal(ended, MOST - 1);
    close_connection(f);
}

/* --- hooks --- */

static int count_prepared(int fd, const struct sockaddr *to, socklen_t len,
                          void *arg)
{
    struct fixture *f = arg;
    assert_true(fd >= 0);
    assert_int_equal(to->sa_family, AF_INET);
    assert_int_equal(len, sizeof(struct sockaddr_in));
    return prepared++ < f->count ? -EACCES : 0;
}

/* Sockets get the port that they dial for their own. */
static bool meets_itself;

int __real_connect(int fd, const struct sockaddr *to, socklen_t len);
int __wrap_connect(int fd, const struct sockaddr *to, socklen_t len);
int __wrap_connect(int fd, const struct sockaddr *to, socklen_t len)
{
    if (meets_itself)
        assert_int_equal(bind(fd, to, len), 0);
    return __real_connect(fd, to, len);
}

/* Frees the port of at[0], and dials it. */
static void meet_itself(void **state, const char *address)
{
    struct fixture *f = *state;
    refuses(0, address);
    close(listening[0]);
    listening[0] = -1;
    meets_itself = true;
    assert_int_equal(asynchat_connect_name(f->base, at[0], NULL, &options,
                                           &recorder, f, &f->ch),
                     0);
    settle(f);
    meets_itself = false;
    assert_null(f->ch);
    assert_int_equal(f->status, -ECONNREFUSED);
    f->log_len = 0;
}

static void a_connection_to_oneself_is_none(void **state)
{
    meet_itself(state, "[::1]:0");
}

static void nor_is_it_with_hooks(void **state)
{
    options.prepare = count_prepared;
    meet_itself(state, "127.0.0.1:0");
}

static void the_socket_can_be_prepared(void **state)
{
    options.prepare = count_prepared;
    struct fixture *f = dial(state);
    f->count = 0;
    found_one(f);
    assert_int_equal(prepared, 1);
    converse(f, 0);
    close_connection(f);
}

static void an_address_that_is_not_prepared_is_given_up(void **state)
{
    options.prepare = count_prepared;
    struct fixture *f = dial(state);
    f->count = 1;
    found_two(f, accepts);
    assert_int_equal(prepared, 2);
    converse(f, 1);
    close_connection(f);
}

static int fail_prepared(int fd, const struct sockaddr *to, socklen_t len,
                         void *arg)
{
    (void)fd, (void)to, (void)len, (void)arg;
    return -EPERM;
}

static void when_none_is_prepared_the_hook_s_error_is_told(void **state)
{
    options.prepare = fail_prepared;
    struct fixture *f = dial(state);
    found_one(f);
    expect_failure(f, -EPERM);
}

static int free_in_prepare(int fd, const struct sockaddr *to, socklen_t len,
                           void *arg)
{
    struct fixture *f = arg;
    (void)fd, (void)to, (void)len;
    asynchat_channel_free(f->ch);
    f->ch = NULL;
    return 0;
}

static void the_channel_may_be_freed_while_a_socket_is_prepared(void **state)
{
    options.prepare = free_in_prepare;
    struct fixture *f = dial(state);
    found_one(f);
    assert_null(f->ch);
    expect(f, "");
}

static int count_candidate(struct asynchat_channel *ch, void *arg)
{
    struct fixture *f = arg;
    char peer[ASYNCHAT_ADDRESS_SIZE];
    assert_int_equal(asynchat_peer_address(ch, peer, sizeof peer), 0);
    assert_string_equal(peer, at[candidates]);
    expect(f, ""); /* before handle_connect */
    return candidates++ < f->count ? -EPROTO : 0;
}

static void a_candidate_may_be_refused(void **state)
{
    options.candidate = count_candidate;
    struct fixture *f = dial(state);
    f->count = 1;
    assert_int_equal(asynchat_push(f->ch, "hi", 2), 0);
    found_two(f, accepts);
    assert_int_equal(candidates, 2);
    expect(f, "connect");
    answer(f, 0);
    settle(f);
    expect_got(f, "");
    assert_true(f->got_eof);
    answer(f, 1);
    settle(f);
    expect_got(f, "hi");
    close_connection(f);
}

/* The second address does not answer. */
static void a_candidate_that_was_refused_is_no_peer(void **state)
{
    char peer[ASYNCHAT_ADDRESS_SIZE];
    options.candidate = count_candidate;
    struct fixture *f = dial(state);
    f->count = 1;
    accepts(0, "127.0.0.1:0");
    is_silent(1, "127.0.0.2:0");
    found_all(f, 2, 0);
    assert_int_equal(candidates, 1);
    assert_int_equal(asynchat_peer_address(f->ch, peer, sizeof peer),
                     -ENOTSOCK);
    close_connection(f);
}

static void when_each_is_refused_the_hook_s_error_is_told(void **state)
{
    options.candidate = count_candidate;
    struct fixture *f = dial(state);
    f->count = 2;
    found_two(f, accepts);
    expect_failure(f, -EPROTO);
}

static int push_and_end(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    if (candidates++ > 0)
        return 0;
    assert_int_equal(asynchat_push(ch, "hi", 2), 0);
    assert_int_equal(asynchat_close_when_done(ch), 0);
    return -EPROTO;
}

/* The channel is the same, whichever connection it has. */
static void what_a_refused_candidate_got_goes_to_the_next(void **state)
{
    options.candidate = push_and_end;
    struct fixture *f = dial(state);
    found_two(f, accepts);
    assert_int_equal(candidates, 2);
    answer(f, 1);
    settle(f);
    expect_got(f, "hi");
    assert_true(f->got_eof);
    expect(f, "connect closed(0)");
}

static int free_candidate(struct asynchat_channel *ch, void *arg)
{
    struct fixture *f = arg;
    asynchat_channel_free(ch);
    f->ch = NULL;
    return 0;
}

static void the_channel_may_be_freed_by_the_hook(void **state)
{
    options.candidate = free_candidate;
    struct fixture *f = dial(state);
    found_one(f);
    assert_null(f->ch);
    expect(f, "");
}

static int close_candidate(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    asynchat_close(ch);
    return -EPROTO;
}

static void the_channel_may_be_closed_by_the_hook(void **state)
{
    options.candidate = close_candidate;
    struct fixture *f = dial(state);
    found_one(f);
    expect(f, "closed(0)");
}

static void an_address_can_have_hooks_too(void **state)
{
    struct fixture *f = *state;
    options.candidate = count_candidate;
    accepts(0, "127.0.0.1:0");
    assert_int_equal(asynchat_connect_name(f->base, at[0], NULL, &options,
                                           &recorder, f, &f->ch),
                     0);
    set_crlf(f);
    expect(f, "");
    assert_null(asked);
    converse(f, 0);
    assert_int_equal(candidates, 1);
    close_connection(f);
}

/* --- layers --- */

static int steps;

static int begin_layer(struct asynchat_channel *ch, void *arg)
{
    struct toy *toy = toy_new(true);
    (void)arg;
    candidates++;
    toy->steps = steps;
    return asynchat_set_layer(ch, &toy_ops, toy, NULL);
}

/* A toy on the far end of at[n]. */
static struct asynchat_channel *answer_with_toy(struct fixture *f, int n)
{
    struct asynchat_channel *far;
    struct toy *toy = toy_new(false);
    int fd = accept(listening[n], NULL, NULL);
    assert_true(fd >= 0);
    toy->steps = steps;
    assert_int_equal(
        asynchat_channel_new_socket(f->base, fd, &recorder, f, &far), 0);
    assert_int_equal(asynchat_set_layer(far, &toy_ops, toy, NULL), 0);
    return far;
}

/* at[1] has a toy on its far end. */
static void converse_sealed(struct fixture *f)
{
    expect(f, "");
    struct asynchat_channel *far = answer_with_toy(f, 1);
    assert_int_equal(asynchat_set_terminator(far, "\r\n", 2), 0);
    settle(f);
    assert_non_null(strstr(f->log, "data(secret) found"));
    asynchat_channel_free(far);
    asynchat_channel_free(f->ch);
    f->ch = NULL;
    f->log_len = 0;
    settle(f);
    f->log_len = 0;
}

static void set_layer_at_once(struct fixture *f)
{
    struct toy *toy = toy_new(true);
    steps = toy->steps = 2;
    assert_int_equal(asynchat_set_layer(f->ch, &toy_ops, toy, NULL), 0);
}

static void race_handshakes(int n)
{
    steps = n;
    options.candidate = begin_layer;
    options.flags = ASYNCHAT_CONNECT_HANDSHAKE;
}

static void a_handshake_that_fails_leads_to_the_next(void **state)
{
    char text[2 * ASYNCHAT_ADDRESS_SIZE];
    race_handshakes(2);
    struct fixture *f = dial(state);
    assert_int_equal(asynchat_push(f->ch, "secret", 6), 0);
    found_two(f, accepts);
    expect(f, "");
    answer(f, 0);
    settle(f); /* the client's first word */
    assert_true(f->got_len > 0);
    assert_null(memmem(f->got, f->got_len, "ss", 2)); /* it doubles bytes */
    feed_eof(f);
    settle(f);
    assert_int_equal(candidates, 2);
    expect(f, "");
    answer(f, 1);
    settle(f);
    assert_true(f->got_len > 0);
    snprintf(text, sizeof text, "%s: the connection was cut off\n", at[0]);
    assert_non_null(strstr(record, text));
    feed_reset(f);
    expect_failure(f, ASYNCHAT_ECUTOFF); /* the first address's */
}

static int push_header_and_begin_layer(struct asynchat_channel *ch, void *arg)
{
    assert_int_equal(asynchat_push_proxy(ch, 1, NULL, NULL), 0);
    return begin_layer(ch, arg);
}

/* Two candidates get the PROXY header, and what is sealed behind it. */
static void expect_header_each_time(struct fixture *f)
{
    assert_int_equal(asynchat_push(f->ch, "secret", 6), 0);
    found_two(f, accepts);
    for (int i = 0; i < 2; i++) {
        answer(f, i);
        settle(f);
        assert_true(f->got_len > 15);
        assert_memory_equal(f->got, "PROXY UNKNOWN\r\n", 15);
        assert_null(memmem(f->got, f->got_len, "ss", 2));
        if (i == 0)
            feed_eof(f);
        settle(f);
    }
    feed_reset(f);
    expect_failure(f, ASYNCHAT_ECUTOFF);
}

static void each_candidate_pushes_a_header(void **state)
{
    race_handshakes(2);
    options.candidate = push_header_and_begin_layer;
    expect_header_each_time(dial(state));
}

static void a_header_pushed_before_is_for_each_candidate(void **state)
{
    race_handshakes(2);
    struct fixture *f = dial(state);
    assert_int_equal(asynchat_push_proxy(f->ch, 1, NULL, NULL), 0);
    expect_header_each_time(f);
}

static void after_a_handshake_that_failed_another_wins(void **state)
{
    race_handshakes(2);
    struct fixture *f = dial(state);
    assert_int_equal(asynchat_push(f->ch, "secret\r\n", 8), 0);
    found_two(f, accepts);
    answer(f, 0);
    feed_reset(f);
    settle(f);
    converse_sealed(f);
    assert_int_equal(candidates, 2);
}

static void a_handshake_that_takes_too_long_leads_to_the_next(void **state)
{
    race_handshakes(2);
    struct fixture *f = dial(state);
    found_two(f, accepts);
    clock_advance(9999);
    settle(f);
    assert_int_equal(candidates, 1);
    clock_advance(1);
    settle(f);
    assert_int_equal(candidates, 2);
    clock_advance(10000);
    expect_failure(f, ASYNCHAT_ELATE);
}

static void during_a_handshake_the_others_are_parked(void **state)
{
    race_handshakes(2);
    struct fixture *f = dial(state);
    found_two(f, accepts);
    clock_advance(250);
    settle(f);
    assert_int_equal(candidates, 1);
    answer(f, 1); /* is up, and silent */
    settle(f);
    assert_int_equal(f->got_len, 0);
    assert_false(f->got_eof);
    answer(f, 0);
    feed_reset(f);
    settle(f);
    assert_int_equal(candidates, 2);
    close_connection(f);
}

static void a_layer_set_at_once_begins_on_the_winner(void **state)
{
    struct fixture *f = dial(state);
    set_layer_at_once(f);
    assert_int_equal(asynchat_push(f->ch, "secret\r\n", 8), 0);
    found_two(f, refuses);
    converse_sealed(f);
}

static void with_a_layer_set_at_once_all_may_fail(void **state)
{
    struct fixture *f = dial(state);
    assert_int_equal(asynchat_set_layer(f->ch, &toy_ops, toy_new(true), NULL),
                     0);
    refuses(0, "127.0.0.1:0");
    found_all(f, 1, 0);
    expect_failure(f, -ECONNREFUSED);
}

static void without_a_layer_the_race_ends_when_a_connection_is_up(void **state)
{
    options.candidate = count_candidate;
    options.flags = ASYNCHAT_CONNECT_HANDSHAKE;
    struct fixture *f = dial(state);
    f->count = 0;
    found_one(f);
    converse(f, 0);
    close_connection(f);
}

static void (*end_by)(struct asynchat_channel *ch);

static int begin_layer_and_end(struct asynchat_channel *ch, void *arg)
{
    int error = begin_layer(ch, arg);
    end_by(ch);
    return error;
}

static void end_in_a_race(struct fixture *f, bool in_hook)
{
    found_one(f);
    assert_int_equal(candidates, 1);
    if (!in_hook)
        end_by(f->ch);
    if (end_by == asynchat_channel_free)
        f->ch = NULL;
    settle(f);
    expect(f, end_by == asynchat_channel_free ? "" : "closed(0)");
    assert_null(f->ch);
    assert_int_equal(toys, 0);
    close(listening[0]);
    listening[0] = -1;
}

static void the_channel_may_end_when_its_layer_has_begun(void **state)
{
    static void (*const ends[])(struct asynchat_channel *) = {
        asynchat_channel_free, asynchat_close, asynchat_abort};
    for (unsigned i = 0; i < 12; i++) {
        bool in_hook = i & 1;
        race_handshakes(2);
        options.flags = i & 2 ? ASYNCHAT_CONNECT_HANDSHAKE : 0;
        options.candidate = in_hook ? begin_layer_and_end : begin_layer;
        end_by = ends[i / 4];
        candidates = 0;
        end_in_a_race(dial(state), in_hook);
    }
}

/* The first connection is refused when its layer has begun. */
static int begin_layer_and_refuse(struct asynchat_channel *ch, void *arg)
{
    assert_int_equal(begin_layer(ch, arg), 0);
    return candidates == 1 ? -EPROTO : 0;
}

static void expect_layer_of_the_second(struct fixture *f)
{
    assert_int_equal(asynchat_push(f->ch, "secret\r\n", 8), 0);
    found_two(f, accepts);
    assert_int_equal(candidates, 2);
    answer(f, 0);
    settle(f);
    assert_true(f->got_eof);
    assert_true(f->got_len < 16); /* a word of the handshake at most */
    converse_sealed(f);
}

static void a_candidate_may_be_refused_after_its_layer_has_begun(void **state)
{
    race_handshakes(2);
    options.candidate = begin_layer_and_refuse;
    expect_layer_of_the_second(dial(state));
}

static void so_it_may_without_a_race_of_handshakes(void **state)
{
    race_handshakes(2);
    options.candidate = begin_layer_and_refuse;
    options.flags = 0;
    expect_layer_of_the_second(dial(state));
}

static void a_layer_set_at_once_outlives_a_refusal(void **state)
{
    options.candidate = count_candidate;
    struct fixture *f = dial(state);
    f->count = 1;
    set_layer_at_once(f);
    expect_layer_of_the_second(f);
}

static void a_header_before_a_layer_outlives_a_refusal(void **state)
{
    options.candidate = count_candidate;
    struct fixture *f = dial(state);
    f->count = 1;
    assert_int_equal(asynchat_push_proxy(f->ch, 1, NULL, NULL), 0);
    set_layer_at_once(f);
    found_two(f, accepts);
    answer(f, 1);
    settle(f);
    assert_true(f->got_len > 15);
    assert_memory_equal(f->got, "PROXY UNKNOWN\r\n", 15);
    assert_null(memmem(f->got + 15, f->got_len - 15, "PROXY", 5));
    assert_null(memmem(f->got + 15, f->got_len - 15, "PPRR", 4));
    expect(f, "");
    close_connection(f);
}

/* All that is to be sent may be known before there is a connection. */
static void the_output_may_end_before_a_candidate_s_header(void **state)
{
    race_handshakes(2);
    options.candidate = push_header_and_begin_layer;
    struct fixture *f = dial(state);
    assert_int_equal(asynchat_push(f->ch, "secret\r\n", 8), 0);
    assert_int_equal(asynchat_close_when_done(f->ch), 0);
    found_one(f);
    answer(f, 0);
    settle(f);
    assert_true(f->got_len > 15);
    assert_memory_equal(f->got, "PROXY UNKNOWN\r\n", 15);
    expect(f, "");
    close_connection(f);
}

static char heard[16];

static void hear(struct asynchat_channel *ch, const void *data, size_t len,
                 void *arg)
{
    (void)ch;
    (void)arg;
    snprintf(heard, sizeof heard, "%.*s", (int)len, (const char *)data);
}

static const struct asynchat_handler hearing = {.size = sizeof hearing,
                                                .message = hear};

static void end_early(struct fixture *f, int (*end)(struct asynchat_channel *))
{
    heard[0] = '\0';
    assert_int_equal(asynchat_push(f->ch, "secret\r\n", 8), 0);
    assert_int_equal(end(f->ch), 0);
    found_one(f);
    struct asynchat_channel *far = answer_with_toy(f, 0);
    assert_int_equal(asynchat_set_handler(far, &hearing), 0);
    assert_int_equal(asynchat_set_terminator(far, "\r\n", 2), 0);
    settle(f);
    assert_string_equal(heard, "secret");
}

static void the_output_may_end_before_a_candidate_s_handshake(void **state)
{
    static const struct {
        int (*end)(struct asynchat_channel *ch);
        const char *events;
    } ends[] = {
        {asynchat_close_when_done, "connect closed(0)"},
        {asynchat_close_in_stages, "connect closed(0)"},
        {asynchat_close_after, "connect closed(0)"},
        {asynchat_shutdown_write, "connect eof closed(EOF)"},
    };
    race_handshakes(2);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        struct fixture *f = dial(state);
        end_early(f, ends[i].end);
        expect(f, ends[i].events);
        close(listening[0]);
        listening[0] = -1;
    }
}

static void say_all(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    assert_int_equal(asynchat_push(ch, "welcome\r\n", 9), 0);
    assert_int_equal(asynchat_close_when_done(ch), 0);
}

static const struct asynchat_handler saying = {
    .size = sizeof saying, .message = hear, .handle_connect = say_all};

/* Then the end comes together with the last word of the handshake. */
static void a_peer_may_say_all_when_the_handshake_is_done(void **state)
{
    race_handshakes(2);
    struct fixture *f = dial(state);
    found_one(f);
    struct asynchat_channel *far = answer_with_toy(f, 0);
    assert_int_equal(asynchat_set_handler(far, &saying), 0);
    settle(f);
    expect(f, "connect data(welcome) found eof closed(EOF)");
}

/* A push that was refused is no fault of a connection. */
static void output_without_room_ends_the_race(void **state)
{
    race_handshakes(2);
    struct fixture *f = dial(state);
    found_two(f, accepts);
    assert_int_equal(candidates, 1);
    assert_int_equal(asynchat_set_output_limit(f->ch, 4), 0);
    assert_int_equal(asynchat_push(f->ch, "secret", 6), 0);
    assert_int_equal(asynchat_push(f->ch, "lost", 4), ASYNCHAT_EFULL);
    settle(f);
    assert_int_equal(candidates, 1);
    assert_null(f->ch);
    assert_int_equal(f->status, ASYNCHAT_EFULL);
    f->log_len = 0;
}

static int push_too_much(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    assert_int_equal(asynchat_set_output_limit(ch, 4), 0);
    assert_int_equal(asynchat_push(ch, "secret", 6), 0);
    assert_int_equal(asynchat_push(ch, "lost", 4), ASYNCHAT_EFULL);
    assert_int_equal(asynchat_set_output_limit(ch, 400), 0);
    return candidates++ == 0 ? -EPROTO : 0;
}

static void output_that_a_hook_has_no_room_for_ends_the_race(void **state)
{
    options.candidate = push_too_much;
    struct fixture *f = dial(state);
    found_two(f, accepts);
    settle(f);
    assert_int_equal(candidates, 1);
    assert_null(f->ch);
    assert_int_equal(f->status, ASYNCHAT_EFULL);
    f->log_len = 0;
}

static struct fixture *of_cancel;

static void cancel_and_free(struct asynchat_lookup *lookup, void *arg)
{
    cancel_lookup(lookup, arg);
    asynchat_channel_free(of_cancel->ch);
    of_cancel->ch = NULL;
}

static const struct asynchat_resolver freeing = {
    .size = sizeof freeing, .begin = begin_lookup, .cancel = cancel_and_free};

/* The look-up is not over when a connection is up. */
static struct fixture *dial_and_free(void **state)
{
    struct fixture *f = of_cancel = *state;
    assert_int_equal(asynchat_set_resolver(f->base, &freeing, NULL), 0);
    f = dial(state);
    accepts(0, "127.0.0.1:0");
    found(0);
    settle(f);
    return f;
}

static void a_look_up_that_is_cancelled_may_free_the_channel(void **state)
{
    struct fixture *f = dial_and_free(state);
    assert_null(f->ch);
    assert_int_equal(cancelled, 1);
}

static void so_it_may_when_a_handshake_is_done(void **state)
{
    race_handshakes(0); /* the layer is up at once */
    struct fixture *f = dial_and_free(state);
    assert_null(f->ch);
    assert_int_equal(candidates, 1);
    assert_int_equal(cancelled, 1);
}

/* --- Unix sockets --- */

static const char *unix_address(void)
{
    static char text[64];
    snprintf(text, sizeof text, "unix:@asynchat-dial-%d", (int)getpid());
    return text;
}

static void a_full_queue_is_tried_again(void **state)
{
    struct fixture *f = *state;
    is_silent(0, unix_address());
    assert_int_equal(asynchat_connect(f->base, at[0], 0, &recorder, f, &f->ch),
                     0);
    set_crlf(f);
    for (int i = 0; i < 20; i++) {
        settle(f);
        expect(f, "");
        clock_advance(250);
    }
    close(accept(listening[0], NULL, NULL));
    clock_advance(250);
    converse(f, 0);
    close_connection(f);
}

static void a_queue_that_stays_full_is_too_late(void **state)
{
    struct fixture *f = *state;
    is_silent(0, unix_address());
    assert_int_equal(
        asynchat_connect(f->base, at[0], 700, &recorder, f, &f->ch), 0);
    settle(f);
    expect(f, "");
    clock_advance(700);
    expect_failure(f, -ETIMEDOUT);
}

/* --- what is asked for wrongly --- */

static int try(struct fixture *f, const char *host, const char *service,
               const struct asynchat_connect_options *how)
{
    struct asynchat_channel *ch = (struct asynchat_channel *)1;
    int error =
        asynchat_connect_name(f->base, host, service, how, &recorder, f, &ch);
    if (error)
        assert_ptr_equal(ch, (struct asynchat_channel *)1);
    else
        asynchat_channel_free(ch);
    return error;
}

static void mistakes_are_told(void **state)
{
    struct fixture *f = *state;
    char name[400];
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(try(f, NULL, "25", NULL), -EINVAL);
    assert_int_equal(try(f, "a.test", "25", NULL), 0);
    assert_int_equal(try(f, name, "25", NULL), -ENAMETOOLONG);
    assert_int_equal(try(f, "no port", NULL, NULL), ASYNCHAT_EADDRESS);
    assert_int_equal(try(f, "", NULL, NULL), ASYNCHAT_EADDRESS);
    assert_int_equal(try(f, "a.test:25", NULL, NULL), 0);
    assert_int_equal(try(f, "192.0.2.1:25", NULL, NULL), 0);
    options.flags = 2;
    assert_int_equal(try(f, "a.test", "25", &options), -EINVAL);
    options.flags = 0;
    options.delay = 1u << 31;
    assert_int_equal(try(f, "a.test", "25", &options), -EINVAL);
    options.delay = 0;
    options.timeout = 1u << 31;
    assert_int_equal(try(f, "a.test", "25", &options), -EINVAL);
    options.timeout = 0;
    options.size = 8;
    assert_int_equal(try(f, "a.test", "25", &options), -EINVAL);
}

#define DIAL(test)                                                             \
    {                                                                          \
#test, test, set_up, tear_down, (void *)(intptr_t)OVER_TCP             \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        DIAL(the_first_address_is_taken),
        DIAL(a_refusal_leads_to_the_next_at_once),
        DIAL(silence_leads_to_the_next_after_the_delay),
        DIAL(the_delay_can_be_set),
        DIAL(families_take_turns),
        DIAL(when_all_fail_the_first_error_is_told),
        DIAL(a_connection_to_oneself_is_none),
        DIAL(nor_is_it_with_hooks),
        DIAL(a_family_that_is_missing_hides_no_error),
        DIAL(nor_does_it_if_it_comes_first),
        DIAL(a_family_that_is_missing_is_told_if_there_is_no_other),
        DIAL(a_look_up_without_an_address_is_an_error),
        DIAL(an_error_of_the_look_up_is_told),
        DIAL(a_late_error_does_not_undo_an_address),
        DIAL(addresses_that_come_later_join_the_race),
        DIAL(the_time_covers_the_look_up),
        DIAL(the_time_covers_all_attempts),
        DIAL(a_channel_that_goes_takes_all_with_it),
        DIAL(a_child_may_free_a_channel_that_dials),
        DIAL(a_channel_that_closes_tells_it_once),
        DIAL(what_is_pushed_before_goes_to_the_winner),
        DIAL(one_wins_of_many),
        DIAL(the_socket_can_be_prepared),
        DIAL(an_address_that_is_not_prepared_is_given_up),
        DIAL(when_none_is_prepared_the_hook_s_error_is_told),
        DIAL(the_channel_may_be_freed_while_a_socket_is_prepared),
        DIAL(a_candidate_may_be_refused),
        DIAL(a_candidate_that_was_refused_is_no_peer),
        DIAL(when_each_is_refused_the_hook_s_error_is_told),
        DIAL(what_a_refused_candidate_got_goes_to_the_next),
        DIAL(the_channel_may_be_freed_by_the_hook),
        DIAL(the_channel_may_be_closed_by_the_hook),
        DIAL(an_address_can_have_hooks_too),
        DIAL(a_handshake_that_fails_leads_to_the_next),
        DIAL(each_candidate_pushes_a_header),
        DIAL(a_header_pushed_before_is_for_each_candidate),
        DIAL(after_a_handshake_that_failed_another_wins),
        DIAL(a_handshake_that_takes_too_long_leads_to_the_next),
        DIAL(during_a_handshake_the_others_are_parked),
        DIAL(a_layer_set_at_once_begins_on_the_winner),
        DIAL(with_a_layer_set_at_once_all_may_fail),
        DIAL(without_a_layer_the_race_ends_when_a_connection_is_up),
        DIAL(the_channel_may_end_when_its_layer_has_begun),
        DIAL(a_candidate_may_be_refused_after_its_layer_has_begun),
        DIAL(so_it_may_without_a_race_of_handshakes),
        DIAL(a_layer_set_at_once_outlives_a_refusal),
        DIAL(a_header_before_a_layer_outlives_a_refusal),
        DIAL(the_output_may_end_before_a_candidate_s_header),
        DIAL(the_output_may_end_before_a_candidate_s_handshake),
        DIAL(a_peer_may_say_all_when_the_handshake_is_done),
        DIAL(output_without_room_ends_the_race),
        DIAL(output_that_a_hook_has_no_room_for_ends_the_race),
        DIAL(a_look_up_that_is_cancelled_may_free_the_channel),
        DIAL(so_it_may_when_a_handshake_is_done),
        DIAL(a_full_queue_is_tried_again),
        DIAL(a_queue_that_stays_full_is_too_late),
        DIAL(mistakes_are_told),
    };
    return RUN(tests);
}
