/* Accepting: limits, turning away, errors. Every accept4() and every wake-up is
 * counted, so that a loop that spins is noticed. accept4() fails when a test
 * wants it to, and time passes only when a test says so.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "clock.h"
#include "serving.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/address.h"

/* --- the system --- */

static int accepts;           /* how often it was called */
static struct fixture *flood; /* each call brings its server another client */
static int flooding[64];
static const int *errors; /* errors of the next calls, up to 0 */
static int always;        /* the error of all calls, or 0 */

int accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
    accepts++;
    errno = always;
    if (errors && *errors)
        errno = *errors++;
    else if (!always) {
        int got = (int)syscall(SYS_accept4, fd, address, len, flags);
        if (flood && accepts <= (int)COUNT(flooding))
            flooding[accepts - 1] = dial_server(flood);
        return got;
    }
    return -1;
}

static int wakeups; /* descriptors that were ready, over all wake-ups */

static int woken(long n)
{
    wakeups += n > 0 ? (int)n : 0;
    return (int)n;
}

/* Every way in which libevent may wait. No loop here waits for long, so signals
 * need no care. */
int epoll_wait(int epoll, struct epoll_event *events, int most, int timeout)
{
    return woken(
        syscall(SYS_epoll_pwait, epoll, events, most, timeout, NULL, 8));
}

int epoll_pwait2(int epoll, struct epoll_event *events, int most,
                 const struct timespec *timeout, const sigset_t *mask)
{
    (void)mask;
    return epoll_wait(
        epoll, events, most,
        timeout ? (int)(timeout->tv_sec * 1000 + timeout->tv_nsec / 1000000)
                : -1);
}

int poll(struct pollfd *list, nfds_t count, int timeout)
{
    struct timespec time = {timeout / 1000, timeout % 1000 * 1000000L};
    return woken(ppoll(list, count, timeout < 0 ? NULL : &time, NULL));
}

int select(int count, fd_set *in, fd_set *out, fd_set *urgent,
           struct timeval *timeout)
{
    struct timespec time = {timeout ? timeout->tv_sec : 0,
                            timeout ? timeout->tv_usec * 1000 : 0};
    return woken(pselect(count, in, out, urgent, timeout ? &time : NULL, NULL));
}

/* Lets time pass until accepting is tried again. */
static void wait_for_room(struct fixture *f)
{
    int before = accepts;
    wakeups = 0;
    turn(f);
    clock_advance(99);
    turn(f);
    assert_int_equal(wakeups, 0);
    assert_int_equal(accepts, before);
    clock_advance(2);
    turn(f);
    assert_true(accepts > before);
}

static bool no_memory; /* libevent gets no memory */

static void *maybe_malloc(size_t size)
{
    return no_memory ? NULL : malloc(size);
}

static void *maybe_realloc(void *old, size_t size)
{
    return no_memory ? NULL : realloc(old, size);
}

static struct fixture *serve_some(void **state, const char *address,
                                  unsigned most, unsigned most_per_address,
                                  const char *turn_away)
{
    const struct asynchat_server_options options = {
        .size = sizeof options,
        .max_connections = most,
        .max_per_address = most_per_address,
        .turn_away = turn_away,
    };
    accepts = always = 0;
    errors = NULL;
    return serve_with(state, address, &options);
}

/* A client that was turned away gets the text and the end of file. */
static void expect_turned_away(struct fixture *f, int fd, const char *text)
{
    char got[64];
    size_t len = 0;
    ssize_t n;
    turn(f);
    while ((n = recv(fd, got + len, sizeof got - 1 - len, MSG_DONTWAIT)) > 0)
        len += (size_t)n;
    assert_int_equal(n, 0);
    got[len] = '\0';
    assert_string_equal(got, text);
    close(fd);
}

/* --- when it stops --- */

/* It accepts as many connections as could wait when it was told to stop, and
 * one more. */
static void a_server_that_stops_does_not_accept_for_ever(void **state)
{
    const struct asynchat_server_options options = {.size = sizeof options,
                                                    .backlog = 4};
    struct fixture *f = serve_with(state, "127.0.0.1:0", &options);
    accepts = always = 0;
    errors = NULL;
    int first = dial_server(f);
    flood = f;
    assert_int_equal(asynchat_server_stop(f->server, 1000, NULL, NULL), 0);
    f->server = NULL;
    flood = NULL;
    assert_int_equal(accepts, 5);
    turn(f);
    assert_int_equal(connected, 5);
    close(first);
    for (int i = 0; i < accepts; i++)
        close(flooding[i]);
    turn(f);
    assert_int_equal(closed, 5);
}

static void with_the_largest_backlog_it_accepts_who_waits(void **state)
{
    const struct asynchat_server_options options = {.size = sizeof options,
                                                    .backlog = INT_MAX};
    struct fixture *f = serve_with(state, "127.0.0.1:0", &options);
    int fd = dial_server(f);
    assert_int_equal(asynchat_server_stop(f->server, 1000, NULL, NULL), 0);
    f->server = NULL;
    turn(f);
    assert_int_equal(connected, 1);
    hang_up(f, fd);
}

static void an_error_of_one_that_waits_costs_only_that(void **state)
{
    static const int few[] = {ECONNABORTED, EPROTO, 0};
    struct fixture *f = serve_some(state, "127.0.0.1:0", 0, 0, NULL);
    int fds[2] = {dial_server(f), dial_server(f)};
    errors = few;
    assert_int_equal(asynchat_server_stop(f->server, 1000, NULL, NULL), 0);
    f->server = NULL;
    turn(f);
    assert_int_equal(connected, 2);
    hang_up(f, fds[0]);
    hang_up(f, fds[1]);
    assert_int_equal(closed, 2);
}

/* Without descriptors the waiting connections cannot be accepted. */
static void an_error_that_stays_is_asked_for_once(void **state)
{
    struct fixture *f = serve_some(state, "127.0.0.1:0", 0, 0, NULL);
    int fd = dial_server(f);
    always = EMFILE;
    assert_int_equal(asynchat_server_stop(f->server, 1000, NULL, NULL), 0);
    f->server = NULL;
    assert_int_equal(accepts, 1);
    turn(f);
    assert_int_equal(accepts, 1);
    assert_int_equal(connected, 0);
    always = 0;
    close(fd);
}

/* A pause is over when the server stops. */
static void stop_in_the_pause(struct fixture *f)
{
    assert_int_equal(asynchat_server_stop(f->server, 1000, NULL, NULL), 0);
    f->server = NULL;
    accepts = 0;
    turn(f);
    clock_advance(101);
    turn(f);
    assert_int_equal(accepts, 0);
}

static void stopped_while_it_starves_it_tries_once_more(void **state)
{
    struct fixture *f = serve_some(state, "127.0.0.1:0", 0, 0, NULL);
    int fd = dial_server(f);
    always = EMFILE;
    turn(f);
    always = 0;
    stop_in_the_pause(f);
    assert_int_equal(connected, 1);
    hang_up(f, fd);
    assert_int_equal(closed, 1);
}

static void stopped_while_it_starves_and_still_does(void **state)
{
    struct fixture *f = serve_some(state, "127.0.0.1:0", 0, 0, NULL);
    int fd = dial_server(f);
    always = EMFILE;
    turn(f);
    stop_in_the_pause(f);
    assert_int_equal(connected, 0);
    always = 0;
    close(fd);
}

/* --- a limit in all --- */

static void over_the_limit_connections_wait_until_one_is_gone(void **state)
{
    struct fixture *f = serve_some(state, "127.0.0.1:0", 2, 0, NULL);
    int fds[5];
    for (size_t i = 0; i < COUNT(fds); i++) {
        fds[i] = dial_server(f);
        say(fds[i]);
    }
    turn(f);
    for (size_t i = 0; i < COUNT(fds); i++) {
        assert_int_equal(asynchat_server_connections(f->server),
                         i < COUNT(fds) - 1 ? 2 : 1);
        assert_true(is_answered(fds[i]));
        hang_up(f, fds[i]);
    }
    assert_int_equal(connected, 5);
    assert_int_equal(closed, 5);
    assert_int_equal(asynchat_server_connections(f->server), 0);
}

static void while_it_is_full_a_server_does_not_try(void **state)
{
    struct fixture *f = serve_some(state, "127.0.0.1:0", 1, 0, NULL);
    int first = dial_server(f), second = dial_server(f);
    turn(f);
    wakeups = 0;
    turn(f);
    assert_int_equal(wakeups, 0);
    assert_int_equal(accepts, 1);
    assert_int_equal(connected, 1);
    hang_up(f, first);
    assert_int_equal(connected, 2);
    assert_int_equal(accepts, 2);
    wakeups = 0;
    turn(f);
    assert_int_equal(wakeups, 0);
    assert_int_equal(accepts, 2);
    hang_up(f, second);
    int third = dial_server(f);
    expect_served(f, third);
    hang_up(f, third);
}

/* The server's timer is always pending, and runs out each day. */
static void also_not_after_a_day(void **state)
{
    struct fixture *f = serve_some(state, "127.0.0.1:0", 1, 0, NULL);
    int first = dial_server(f), second = dial_server(f);
    turn(f);
    wakeups = 0;
    clock_advance(25L * 60 * 60 * 1000);
    turn(f);
    assert_int_equal(wakeups, 0);
    assert_int_equal(accepts, 1);
    hang_up(f, first);
    expect_served(f, second);
    hang_up(f, second);
}

static void free_channel(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    connected++;
    asynchat_channel_free(ch);
}

static const struct asynchat_handler rejecting = {
    .size = sizeof rejecting,
    .handle_connect = free_channel,
};

static void channels_that_are_freed_make_room_as_well(void **state)
{
    struct fixture *f = *state;
    const struct asynchat_server_options options = {.size = sizeof options,
                                                    .max_connections = 1};
    connected = 0;
    assert_int_equal(asynchat_server_new(f->base, "127.0.0.1:0", &rejecting, f,
                                         &options, &f->server),
                     0);
    int fds[3];
    for (size_t i = 0; i < COUNT(fds); i++)
        fds[i] = dial_server(f);
    turn(f);
    assert_int_equal(connected, 3);
    assert_int_equal(asynchat_server_connections(f->server), 0);
    for (size_t i = 0; i < COUNT(fds); i++)
        close(fds[i]);
}

static void freed_while_it_is_full(void **state)
{
    struct fixture *f = serve_some(state, "127.0.0.1:0", 1, 0, NULL);
    int first = dial_server(f), second = dial_server(f);
    turn(f);
    asynchat_server_free(f->server);
    f->server = NULL;
    expect_served(f, first);
    hang_up(f, first);
    assert_int_equal(connected, 1);
    close(second);
}

/* --- turning away --- */

static void over_the_limit_connections_are_turned_away_if_there_is_a_text(
    void **state)
{
    struct fixture *f = serve_some(state, "127.0.0.1:0", 1, 0, "421 busy\r\n");
    int first = dial_server(f);
    turn(f);
    for (int i = 0; i < 3; i++)
        expect_turned_away(f, dial_server(f), "421 busy\r\n");
    assert_int_equal(connected, 1);
    assert_int_equal(asynchat_server_connections(f->server), 1);
    expect_served(f, first);
    hang_up(f, first);
    int next = dial_server(f);
    expect_served(f, next);
    hang_up(f, next);
}

static void a_peer_that_has_sent_gets_the_text_too(void **state)
{
    struct fixture *f = serve_some(state, "127.0.0.1:0", 1, 0, "421 busy\r\n");
    int first = dial_server(f);
    turn(f);
    int second = dial_server(f);
    say(second);
    expect_turned_away(f, second, "421 busy\r\n");
    hang_up(f, first);
}

static void without_a_text_they_are_only_closed(void **state)
{
    struct fixture *f = serve_some(state, "127.0.0.1:0", 1, 0, "");
    int first = dial_server(f);
    turn(f);
    expect_turned_away(f, dial_server(f), "");
    hang_up(f, first);
}

static void the_text_is_copied(void **state)
{
    char text[] = "421 busy\r\n";
    struct fixture *f = serve_some(state, "127.0.0.1:0", 1, 0, text);
    memset(text, 'x', sizeof text - 1);
    int first = dial_server(f);
    turn(f);
    expect_turned_away(f, dial_server(f), "421 busy\r\n");
    hang_up(f, first);
}

static void those_turned_away_are_so_many_in_a_wake_up(void **state)
{
    const struct asynchat_server_options options = {.size = sizeof options,
                                                    .max_connections = 1,
                                                    .turn_away = "",
                                                    .accept_budget = 2};
    struct fixture *f = serve_with(state, "127.0.0.1:0", &options);
    int fds[5];
    accepts = 0;
    for (size_t i = 0; i < COUNT(fds); i++)
        fds[i] = dial_server(f);
    event_base_loop(f->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    assert_int_equal(accepts, 2);
    for (size_t i = 0; i < COUNT(fds); i++)
        close(fds[i]);
    turn(f);
}

/* --- a limit for each address --- */

static void an_address_has_so_many_connections(void **state)
{
    struct fixture *f = serve_some(state, "127.0.0.1:0", 0, 2, "too many\n");
    int one = dial_from(f, "127.0.0.1"), two = dial_from(f, "127.0.0.1");
    expect_served(f, one);
    expect_served(f, two);
    expect_turned_away(f, dial_from(f, "127.0.0.1"), "too many\n");
    int other = dial_from(f, "127.0.0.2");
    expect_served(f, other);
    assert_int_equal(asynchat_server_connections(f->server), 3);
    hang_up(f, one);
    one = dial_from(f, "127.0.0.1");
    expect_served(f, one);
    expect_turned_away(f, dial_from(f, "127.0.0.1"), "too many\n");
    reset(two); /* then it has no address any more */
    turn(f);
    two = dial_from(f, "127.0.0.1");
    expect_served(f, two);
    hang_up(f, one);
    hang_up(f, two);
    hang_up(f, other);
}

static void for_an_address_no_text_is_none(void **state)
{
    struct fixture *f = serve_some(state, "127.0.0.1:0", 0, 1, NULL);
    int one = dial_from(f, "127.0.0.1");
    expect_served(f, one);
    expect_turned_away(f, dial_from(f, "127.0.0.1"), "");
    hang_up(f, one);
}

static void with_both_limits_one_waits_and_the_other_turns_away(void **state)
{
    struct fixture *f = serve_some(state, "127.0.0.1:0", 2, 1, NULL);
    int one = dial_from(f, "127.0.0.1");
    expect_served(f, one);
    expect_turned_away(f, dial_from(f, "127.0.0.1"), "");
    int two = dial_from(f, "127.0.0.2");
    expect_served(f, two);
    int three = dial_from(f, "127.0.0.3");
    say(three);
    turn(f);
    assert_false(is_answered(three));
    hang_up(f, two);
    assert_true(is_answered(three));
    hang_up(f, one);
    hang_up(f, three);
}

static void ipv4_addresses_are_counted_apart_also_over_ipv6(void **state)
{
    struct fixture *f = *state;
    if (refusal(f, "[::]:0", &echo, NULL))
        skip();
    serve_some(state, "[::]:0", 0, 1, NULL);
    int one = dial_from(f, "127.0.0.1"), two = dial_from(f, "127.0.0.2");
    expect_served(f, one);
    expect_served(f, two);
    expect_turned_away(f, dial_from(f, "127.0.0.2"), "");
    hang_up(f, one);
    hang_up(f, two);
}

static void unix_sockets_are_not_counted_by_address(void **state)
{
    struct fixture *f = serve_some(state, unix_address(), 0, 1, NULL);
    int one = dial_server(f), two = dial_server(f);
    expect_served(f, one);
    expect_served(f, two);
    hang_up(f, one);
    hang_up(f, two);
}

static void freed_while_it_counts_addresses(void **state)
{
    struct fixture *f = serve_some(state, "127.0.0.1:0", 0, 1, NULL);
    int one = dial_from(f, "127.0.0.1"), two = dial_from(f, "127.0.0.2");
    expect_served(f, one);
    expect_served(f, two);
    asynchat_server_free(f->server);
    f->server = NULL;
    hang_up(f, one);
    expect_served(f, two);
    hang_up(f, two);
    assert_int_equal(closed, 2);
}

/* --- errors --- */

static void without_room_accepting_pauses(void **state)
{
    static const int rooms[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM};
    struct fixture *f = serve_some(state, "127.0.0.1:0", 0, 0, NULL);
    for (size_t i = 0; i < COUNT(rooms); i++) {
        const int once[] = {rooms[i], 0};
        int fd = dial_server(f), before = accepts;
        errors = once;
        turn(f);
        assert_int_equal(accepts, before + 1);
        wait_for_room(f);
        expect_served(f, fd);
        hang_up(f, fd);
    }
}

static void errors_of_one_connection_do_not_hold_up_the_next(void **state)
{
    static const int passing[] = {ECONNABORTED,
                                  EINTR,
                                  EPERM,
                                  EPROTO,
                                  ENOPROTOOPT,
                                  EOPNOTSUPP,
                                  ENETUNREACH,
                                  EHOSTUNREACH,
                                  ETIMEDOUT,
                                  ENETDOWN,
                                  EHOSTDOWN,
                                  ENONET,
                                  0};
    struct fixture *f = serve_some(state, "127.0.0.1:0", 0, 0, NULL);
    int fd = dial_server(f);
    errors = passing;
    event_base_loop(f->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    assert_int_equal(accepts, COUNT(passing) + 1); /* and there is no other */
    assert_int_equal(connected, 1);
    expect_served(f, fd);
    hang_up(f, fd);
}

static void errors_without_end_pause(void **state)
{
    struct fixture *f = serve_some(state, "127.0.0.1:0", 0, 0, NULL);
    int fd = dial_server(f);
    always = ECONNABORTED;
    turn(f);
    assert_int_equal(accepts, 64);
    always = EBADF; /* an error that nobody expects */
    wait_for_room(f);
    assert_int_equal(accepts, 65);
    always = 0;
    wait_for_room(f);
    expect_served(f, fd);
    hang_up(f, fd);
}

static void a_connection_that_waits_for_memory_is_counted_once(void **state)
{
    struct fixture *f = serve_some(state, "127.0.0.1:0", 1, 1, NULL);
    for (int i = 0; i < 2; i++) {
        int fd = dial_server(f), before = accepts;
        no_memory = true;
        turn(f);
        no_memory = false;
        assert_int_equal(asynchat_server_connections(f->server), 0);
        clock_advance(101);
        expect_served(f, fd);
        assert_int_equal(asynchat_server_connections(f->server), 1);
        assert_int_equal(accepts, before + 1);
        hang_up(f, fd);
    }
    assert_int_equal(asynchat_server_connections(f->server), 0);
}

/* Otherwise the tests above would notice nothing. */
static void a_wake_up_is_counted_however_libevent_waits(void **state)
{
    struct fixture *f = serve(state, "127.0.0.1:0");
    wakeups = 0;
    int fd = dial_server(f);
    turn(f);
    assert_true(wakeups > 0);
    close(fd);
    turn(f);
}

int main(void)
{
    event_set_mem_functions(maybe_malloc, maybe_realloc, free);
    const struct CMUnitTest tests[] = {
        OVER(TCP, a_server_that_stops_does_not_accept_for_ever),
        OVER(TCP, with_the_largest_backlog_it_accepts_who_waits),
        OVER(TCP, an_error_of_one_that_waits_costs_only_that),
        OVER(TCP, an_error_that_stays_is_asked_for_once),
        OVER(TCP, stopped_while_it_starves_it_tries_once_more),
        OVER(TCP, stopped_while_it_starves_and_still_does),
        OVER(TCP, a_wake_up_is_counted_however_libevent_waits),
        OVER(TCP, over_the_limit_connections_wait_until_one_is_gone),
        OVER(TCP, while_it_is_full_a_server_does_not_try),
        OVER(TCP, also_not_after_a_day),
        OVER(TCP, channels_that_are_freed_make_room_as_well),
        OVER(TCP, freed_while_it_is_full),
        OVER(TCP,
             over_the_limit_connections_are_turned_away_if_there_is_a_text),
        OVER(TCP, a_peer_that_has_sent_gets_the_text_too),
        OVER(TCP, without_a_text_they_are_only_closed),
        OVER(TCP, the_text_is_copied),
        OVER(TCP, those_turned_away_are_so_many_in_a_wake_up),
        OVER(TCP, an_address_has_so_many_connections),
        OVER(TCP, for_an_address_no_text_is_none),
        OVER(TCP, with_both_limits_one_waits_and_the_other_turns_away),
        OVER(TCP, ipv4_addresses_are_counted_apart_also_over_ipv6),
        OVER(TCP, unix_sockets_are_not_counted_by_address),
        OVER(TCP, freed_while_it_counts_addresses),
        OVER(TCP, without_room_accepting_pauses),
        OVER(TCP, errors_of_one_connection_do_not_hold_up_the_next),
        OVER(TCP, errors_without_end_pause),
        OVER(TCP, a_connection_that_waits_for_memory_is_counted_once),
    };
    return RUN(tests);
}
