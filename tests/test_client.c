/* Clients that come back: how long they wait, what the program hears, and what
 * it may do in each callback. The clock stands still, names are looked up by a
 * resolver of this file, and chance is what a test says.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include <asynchat/detach.h>
#include <asynchat/layer.h>
#include <asynchat/slot.h>

#include "child.h"
#include "clock.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* --- chance --- */

static uint32_t chance;     /* all of the window, unless a test says so */
static uint64_t seed;       /* 0, or what makes other numbers each time */
static bool without_chance; /* the system has none */

ssize_t __wrap_getrandom(void *to, size_t len, unsigned flags);
ssize_t __wrap_getrandom(void *to, size_t len, unsigned flags)
{
    (void)flags;
    if (without_chance) {
        errno = EPERM;
        return -1;
    }
    if (seed) {
        seed = seed * UINT64_C(6364136223846793005) + 1;
        chance = (uint32_t)(seed >> 32);
    }
    assert_int_equal(len, sizeof chance);
    memcpy(to, &chance, len);
    return (ssize_t)len;
}

/* --- the server, which is a socket, and the resolver --- */

static struct event_base *base;
static int descriptors;
static int listener, peer;
static int first_listener; /* if the name has two addresses */
static struct sockaddr_in at;
static struct sockaddr_in also_at; /* another one, if its port is set */
static int looked_up, look_up_error, begin_error;
static struct asynchat_client *client;
static char told[8192];
static int attempts; /* sockets that were prepared */

static const char *word(int error)
{
    switch (error) {
    case 0:
        return "0";
    case ASYNCHAT_EOF:
        return "EOF";
    case ASYNCHAT_ENONAME:
        return "ENONAME";
    case ASYNCHAT_ETRYAGAIN:
        return "ETRYAGAIN";
    case ASYNCHAT_ETOOLONG:
        return "ETOOLONG";
    case ASYNCHAT_ESTOPPED:
        return "ESTOPPED";
    case -ECONNREFUSED:
        return "ECONNREFUSED";
    case -ECONNRESET:
        return "ECONNRESET";
    case -EPROTO:
        return "EPROTO";
    default:
        return asynchat_strerror(error);
    }
}

static void tell(const char *format, ...)
{
    size_t len = strlen(told);
    va_list list;
    va_start(list, format);
    assert_true(len < sizeof told - 64);
    vsnprintf(told + len, sizeof told - len, format, list);
    va_end(list);
}

static void expect_told(const char *text)
{
    assert_string_equal(told, text);
    told[0] = '\0';
}

static void run_loop(void)
{
    for (int i = 0; i < 8; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
}

static void pass(long ms)
{
    clock_advance(ms);
    run_loop();
}

/* A socket of the address, on which nobody listens. */
static int bind_socket(void)
{
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &(int){1}, sizeof(int)), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    return fd;
}

static void server_starts(void)
{
    if (listener < 0)
        listener = bind_socket();
    assert_int_equal(listen(listener, 100), 0);
}

/* The first one is the first listener's. */
static void have_two_addresses(void)
{
    server_starts();
    first_listener = listener;
    struct sockaddr_in before = at;
    at.sin_port = 0;
    listener = -1;
    server_starts();
    also_at = at;
    at = before;
}

/* Nobody else gets the port meanwhile. */
static void server_stops(void)
{
    int bound = bind_socket();
    close(listener);
    listener = bound;
}

static void server_accepts(void)
{
    peer = accept(listener, NULL, NULL);
    assert_true(peer >= 0);
}

static void server_drops(void)
{
    close(peer);
    peer = -1;
}

static void server_resets(void)
{
    const struct linger none = {.l_onoff = 1, .l_linger = 0};
    setsockopt(peer, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    server_drops();
}

/* What has come to the server, up to the size of the buffer. */
static const char *server_got(void)
{
    static char got[256];
    ssize_t n = recv(peer, got, sizeof got - 1, MSG_DONTWAIT);
    got[n > 0 ? n : 0] = '\0';
    return got;
}

static void (*on_lookup)(void);

static int begin_lookup(struct asynchat_lookup *lookup, const char *host,
                        const char *service, void *arg)
{
    (void)arg;
    assert_string_equal(host, "one.test");
    assert_string_equal(service, "7");
    looked_up++;
    if (on_lookup)
        on_lookup();
    if (begin_error)
        return begin_error;
    if (!look_up_error)
        assert_int_equal(
            asynchat_lookup_add(lookup, (struct sockaddr *)&at, sizeof at), 0);
    if (also_at.sin_port)
        assert_int_equal(
            asynchat_lookup_add(lookup, (struct sockaddr *)&also_at, sizeof at),
            0);
    asynchat_lookup_done(lookup, look_up_error);
    return 0;
}

static void cancel_lookup(struct asynchat_lookup *lookup, void *arg)
{
    (void)lookup;
    (void)arg;
}

static const struct asynchat_resolver resolver = {
    .size = sizeof resolver, .begin = begin_lookup, .cancel = cancel_lookup};

/* --- the program --- */

/* Where something happens, and what a test does there. */
enum place {
    IN_LOOKUP,
    IN_PREPARE,
    IN_CANDIDATE,
    IN_CONNECT,
    IN_UP,
    IN_MESSAGE,
    IN_CLOSE,
    IN_DOWN,
    IN_FAILED,
    IN_STOPPED,
    PLACES
};

static void (*on[PLACES])(struct asynchat_channel *ch);

static void happen(enum place place, struct asynchat_channel *ch)
{
    if (on[place])
        on[place](ch);
}

static void happen_lookup(void)
{
    happen(IN_LOOKUP, NULL);
}

static void connected(struct asynchat_channel *ch, void *arg)
{
    assert_ptr_equal(arg, &base);
    asynchat_set_terminator(ch, "\n", 1);
    tell("connect ");
    happen(IN_CONNECT, ch);
}

static void message(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg)
{
    (void)arg;
    tell("line(%.*s) ", (int)len, (const char *)data);
    happen(IN_MESSAGE, ch);
}

static void closed(struct asynchat_channel *ch, int status, void *arg)
{
    (void)arg;
    tell("close(%s) ", word(status));
    happen(IN_CLOSE, ch);
}

static void up(struct asynchat_client *c, struct asynchat_channel *ch,
               void *arg)
{
    assert_ptr_equal(arg, &base);
    if (client)
        assert_ptr_equal(c, client);
    tell("up ");
    happen(IN_UP, ch);
}

static void down(struct asynchat_client *c, int reason, unsigned wait,
                 void *arg)
{
    assert_ptr_equal(arg, &base);
    assert_null(asynchat_client_channel(c));
    tell("down(%s, %d) ", word(reason), (int)wait);
    happen(IN_DOWN, NULL);
}

static void failed(struct asynchat_client *c, int reason, unsigned wait,
                   void *arg)
{
    assert_ptr_equal(arg, &base);
    assert_null(asynchat_client_channel(c));
    tell("failed(%s, %d) ", word(reason), (int)wait);
    happen(IN_FAILED, NULL);
}

static void stopped(void *arg)
{
    assert_ptr_equal(arg, &client);
    tell("stopped");
    happen(IN_STOPPED, NULL);
    client = NULL;
}

static int prepare(int fd, const struct sockaddr *to, socklen_t len, void *arg)
{
    (void)fd;
    assert_ptr_equal(arg, &base);
    assert_int_equal(len, sizeof at);
    assert_int_equal(to->sa_family, AF_INET);
    attempts++;
    happen(IN_PREPARE, NULL);
    return 0;
}

static int candidate_error;

static int candidate(struct asynchat_channel *ch, void *arg)
{
    assert_ptr_equal(arg, &base);
    assert_ptr_equal(asynchat_get_arg(ch), &base);
    happen(IN_CANDIDATE, ch);
    return candidate_error;
}

static const struct asynchat_handler handler = {.size = sizeof handler,
                                                .handle_connect = connected,
                                                .message = message,
                                                .handle_close = closed};
static struct asynchat_connect_options connecting;
static struct asynchat_client_options options;

static int set_up(void **state)
{
    (void)state;
    descriptors = count_descriptors();
    base = event_base_new();
    listener = first_listener = peer = -1;
    at = (struct sockaddr_in){.sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    also_at = (struct sockaddr_in){.sin_family = AF_INET};
    looked_up = look_up_error = begin_error = attempts = candidate_error = 0;
    chance = UINT32_MAX;
    seed = 0;
    without_chance = false;
    client = NULL;
    told[0] = '\0';
    memset(on, 0, sizeof on);
    on_lookup = NULL;
    connecting = (struct asynchat_connect_options){.size = sizeof connecting,
                                                   .prepare = prepare};
    options = (struct asynchat_client_options){.size = sizeof options,
                                               .connect = &connecting,
                                               .up = up,
                                               .down = down,
                                               .failed = failed};
    return base ? asynchat_set_resolver(base, &resolver, NULL) : -1;
}

static int tear_down(void **state)
{
    (void)state;
    asynchat_client_free(client);
    asynchat_set_log(ASYNCHAT_LOG_DEBUG, NULL, NULL);
    if (listener >= 0)
        close(listener);
    if (first_listener >= 0)
        close(first_listener);
    if (peer >= 0)
        close(peer);
    run_loop();
    if (asynchat_set_resolver(base, NULL, NULL) < 0)
        return -1;
    event_base_free(base);
    return count_descriptors() == descriptors ? 0 : -1;
}

static void client_begins(void)
{
    assert_int_equal(asynchat_client_new(base, "one.test", "7", &handler, &base,
                                         &options, &client),
                     0);
    expect_told(""); /* no call runs a callback */
    run_loop();
}

/* A server that is there, and its client. */
static void begin_well(void)
{
    server_starts();
    client_begins();
    server_accepts();
    expect_told("connect up ");
}

/* --- coming back --- */

static void it_is_up_after_handle_connect(void **state)
{
    (void)state;
    begin_well();
    assert_non_null(asynchat_client_channel(client));
    assert_int_equal(asynchat_push(asynchat_client_channel(client), "hello", 5),
                     0);
    run_loop();
    assert_string_equal(server_got(), "hello");
    assert_int_equal(send(peer, "welcome\n", 8, 0), 8);
    run_loop();
    expect_told("line(welcome) ");
}

static void it_comes_back_after_the_window(void **state)
{
    (void)state;
    begin_well();
    server_drops();
    run_loop();
    expect_told("close(EOF) down(EOF, 5000) ");
    assert_null(asynchat_client_channel(client));
    assert_int_equal(asynchat_push(asynchat_client_channel(client), "hello", 5),
                     -EINVAL);
    pass(4999);
    assert_int_equal(attempts, 1);
    expect_told("");
    pass(1);
    server_accepts();
    expect_told("connect up ");
    assert_int_equal(attempts, 2);
    assert_int_equal(looked_up, 2);
    assert_string_equal(server_got(), "");
}

static void the_wait_is_random(void **state)
{
    (void)state;
    begin_well();
    chance = 1u << 30; /* a quarter */
    server_resets();
    run_loop();
    expect_told("close(ECONNRESET) down(ECONNRESET, 1250) ");
    pass(1250);
    expect_told("connect up ");
}

static void windows_can_be_set(void **state)
{
    (void)state;
    options.first_delay = 100;
    options.most_delay = 300;
    at.sin_port = htons(1);
    client_begins();
    expect_told("failed(ECONNREFUSED, 100) ");
    pass(100);
    expect_told("failed(ECONNREFUSED, 200) ");
    pass(200);
    expect_told("failed(ECONNREFUSED, 300) ");
    pass(300);
    expect_told("failed(ECONNREFUSED, 300) ");
}

static void windows_grow_while_attempts_fail(void **state)
{
    (void)state;
    begin_well();
    server_drops();
    server_stops();
    run_loop();
    expect_told("close(EOF) down(EOF, 5000) ");
    pass(5000);
    expect_told("failed(ECONNREFUSED, 10000) ");
    pass(10000);
    expect_told("failed(ECONNREFUSED, 20000) ");
    pass(20000);
    expect_told("failed(ECONNREFUSED, 40000) ");
    pass(40000);
    expect_told("failed(ECONNREFUSED, 60000) ");
    pass(60000);
    expect_told("failed(ECONNREFUSED, 60000) ");
    server_starts();
    pass(60000);
    expect_told("connect up ");
}

/* A server that accepts and closes is not dialed all the time. */
static void the_window_begins_anew_only_after_a_time_up(void **state)
{
    (void)state;
    begin_well();
    pass(9999);
    server_drops();
    run_loop();
    expect_told("close(EOF) down(EOF, 5000) ");
    pass(5000);
    server_accepts();
    server_drops();
    run_loop();
    expect_told("connect up close(EOF) down(EOF, 10000) ");
    pass(10000);
    server_accepts();
    pass(9999);
    server_drops();
    run_loop();
    expect_told("connect up close(EOF) down(EOF, 20000) ");
    pass(20000);
    server_accepts();
    pass(10000);
    server_drops();
    run_loop();
    expect_told("connect up close(EOF) down(EOF, 5000) ");
}

static void the_time_up_can_be_set(void **state)
{
    (void)state;
    options.steady = 50;
    begin_well();
    for (int i = 0; i < 3; i++) {
        pass(50);
        server_drops();
        run_loop();
        expect_told("close(EOF) down(EOF, 5000) ");
        pass(5000);
        server_accepts();
        expect_told("connect up ");
    }
}

static void a_look_up_that_fails_waits_as_well(void **state)
{
    (void)state;
    server_starts();
    look_up_error = ASYNCHAT_ENONAME;
    client_begins();
    expect_told("failed(ENONAME, 5000) ");
    begin_error = ASYNCHAT_ETRYAGAIN; /* told by the call */
    pass(5000);
    expect_told("failed(ETRYAGAIN, 10000) ");
    assert_int_equal(looked_up, 2);
    begin_error = 0;
    pass(10000);
    expect_told("failed(ENONAME, 20000) ");
    look_up_error = 0;
    pass(20000);
    expect_told("connect up ");
}

static void the_first_look_up_may_fail_at_once(void **state)
{
    (void)state;
    begin_error = ASYNCHAT_ETRYAGAIN;
    client_begins();
    expect_told("failed(ETRYAGAIN, 5000) ");
}

static void the_name_is_looked_up_each_time(void **state)
{
    (void)state;
    begin_well();
    server_drops();
    close(listener);
    listener = -1;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
    at.sin_port = 0;
    server_starts();
    run_loop();
    pass(5000);
    server_accepts();
    expect_told("close(EOF) down(EOF, 5000) connect up ");
}

static void without_random_numbers_waits_still_differ(void **state)
{
    (void)state;
    without_chance = true;
    at.sin_port = htons(1);
    options.first_delay = options.most_delay = 1000000;
    client_begins();
    char first[sizeof told];
    memcpy(first, told, sizeof told);
    assert_int_equal(strncmp(told, "failed(ECONNREFUSED, ", 21), 0);
    told[0] = '\0';
    pass(1000000);
    assert_string_not_equal(told, first);
}

/* --- what the program asks for --- */

static void reconnect_often(struct asynchat_channel *ch)
{
    (void)ch;
    for (int i = 0; i < 100; i++)
        assert_int_equal(asynchat_client_reconnect(client), 0);
    if (ch) {
        assert_null(asynchat_client_channel(client));
        assert_int_equal(asynchat_push(ch, "late", 4), ASYNCHAT_ECLOSED);
    }
}

static void reconnecting_often_is_one_close_and_one_attempt(void **state)
{
    (void)state;
    begin_well();
    on[IN_MESSAGE] = on[IN_CLOSE] = on[IN_DOWN] = reconnect_often;
    assert_int_equal(send(peer, "a\nb\n", 4, 0), 4);
    run_loop();
    expect_told("line(a) close(0) down(0, 5000) ");
    reconnect_often(NULL);
    pass(4999);
    assert_int_equal(attempts, 1);
    pass(1);
    expect_told("connect up ");
    assert_int_equal(attempts, 2);
}

static void a_channel_that_the_program_ends_comes_back(void **state)
{
    (void)state;
    begin_well();
    asynchat_channel_free(asynchat_client_channel(client));
    expect_told(""); /* no call runs a callback */
    run_loop();
    expect_told("down(0, 5000) ");
    pass(5000);
    expect_told("connect up ");
    asynchat_close(asynchat_client_channel(client));
    assert_null(asynchat_client_channel(client));
    run_loop();
    expect_told("close(0) down(0, 10000) ");
}

static void a_channel_that_ends_in_handle_connect_was_never_up(void **state)
{
    (void)state;
    on[IN_CONNECT] = asynchat_close;
    server_starts();
    client_begins();
    expect_told("connect close(0) failed(0, 5000) ");
    on[IN_CONNECT] = asynchat_channel_free;
    pass(5000);
    expect_told("connect failed(0, 10000) ");
}

static void push_name(struct asynchat_channel *ch)
{
    static int number;
    char text[16];
    int len = snprintf(text, sizeof text, "up %d\n", ++number % 10);
    assert_int_equal(asynchat_push(ch, text, (size_t)len), 0);
}

/* The server goes in the middle of a long push, twice. */
static void nothing_of_one_connection_leaves_on_another(void **state)
{
    (void)state;
    char *much = big(1 << 22);
    on[IN_UP] = push_name;
    begin_well();
    for (int i = 1; i < 4; i++) {
        char expected[16];
        struct asynchat_channel *ch = asynchat_client_channel(client);
        snprintf(expected, sizeof expected, "up %d\n", i);
        assert_int_equal(strncmp(server_got(), expected, 5), 0);
        assert_int_equal(asynchat_push(ch, much, 1 << 22), 0);
        run_loop();
        server_resets();
        run_loop();
        pass(60000);
        server_accepts();
    }
    free(much);
}

static void push_secret(struct asynchat_channel *ch)
{
    assert_int_equal(asynchat_push(ch, "secret", 6), 0);
}

static void what_a_candidate_got_is_not_for_the_next(void **state)
{
    (void)state;
    connecting.candidate = candidate;
    candidate_error = -EPROTO;
    on[IN_CANDIDATE] = push_secret;
    server_starts();
    client_begins();
    expect_told("failed(EPROTO, 5000) ");
    server_accepts();
    assert_string_equal(server_got(), "");
    server_drops();
    candidate_error = 0;
    pass(5000);
    expect_told("connect up ");
    server_accepts();
    assert_string_equal(server_got(), "secret");
}

static void refuse_first(struct asynchat_channel *ch)
{
    static int candidates;
    candidate_error = ++candidates == 1 ? -EPROTO : 0;
    push_secret(ch);
}

/* Both are of one attempt, and so of one channel. */
static void what_a_candidate_got_is_not_for_another_address(void **state)
{
    (void)state;
    connecting.candidate = candidate;
    on[IN_CANDIDATE] = refuse_first;
    have_two_addresses();
    client_begins();
    expect_told("connect up ");
    server_accepts();
    assert_string_equal(server_got(), "secret");
}

static struct asynchat_slot *slot;

static void refuse_first_and_reserve(struct asynchat_channel *ch)
{
    static int candidates;
    candidate_error = ++candidates == 1 ? -EPROTO : 0;
    if (candidates == 1)
        assert_int_equal(asynchat_reserve(ch, &slot), 0);
    else
        push_secret(ch);
}

static void nor_is_a_slot_that_a_candidate_has_reserved(void **state)
{
    (void)state;
    connecting.candidate = candidate;
    on[IN_CANDIDATE] = refuse_first_and_reserve;
    have_two_addresses();
    client_begins();
    expect_told("connect up ");
    server_accepts();
    assert_string_equal(server_got(), "secret");
    assert_int_equal(asynchat_slot_finish(slot), ASYNCHAT_ECLOSED);
}

static int (*refused_end)(struct asynchat_channel *ch);

static void refuse_first_and_end(struct asynchat_channel *ch)
{
    candidate_error = refused_end ? -EPROTO : 0;
    if (refused_end)
        assert_int_equal(refused_end(ch), 0);
    refused_end = NULL;
}

/* Nothing is queued with it. */
static void nor_is_an_end_that_a_candidate_has_asked_for(void **state)
{
    static int (*const ends[])(struct asynchat_channel *) = {
        asynchat_close_when_done, asynchat_close_after,
        asynchat_close_in_stages, asynchat_shutdown_write,
        asynchat_close_between_messages};
    (void)state;
    connecting.candidate = candidate;
    on[IN_CANDIDATE] = refuse_first_and_end;
    have_two_addresses();
    for (size_t i = 0; i < COUNT(ends); i++) {
        refused_end = ends[i];
        client_begins();
        expect_told("connect up ");
        server_accepts();
        assert_int_equal(send(peer, "a\n", 2, 0), 2);
        run_loop();
        expect_told("line(a) ");
        assert_int_equal(asynchat_push(asynchat_client_channel(client), "b", 1),
                         0);
        run_loop();
        assert_string_equal(server_got(), "b");
        asynchat_client_free(client);
        client = NULL;
        server_drops();
    }
}

static int refusals;

static void free_by_release(const void *data, size_t len, void *arg)
{
    (void)data;
    (void)len;
    (void)arg;
    asynchat_client_free(client);
    client = NULL;
}

static void refuse_what_frees(struct asynchat_channel *ch)
{
    static const char word[6] = "secret";
    candidate_error = -EPROTO;
    refusals++;
    assert_int_equal(
        asynchat_push_reference(ch, word, sizeof word, free_by_release, NULL),
        0);
}

static void after_a_release_callback_has_freed_it_no_hook_runs(void **state)
{
    (void)state;
    refusals = 0;
    connecting.candidate = candidate;
    on[IN_CANDIDATE] = refuse_what_frees;
    have_two_addresses();
    client_begins();
    assert_null(client);
    assert_int_equal(refusals, 1);
    expect_told("");
}

/* --- a layer whose handshake looks at the channel --- */

static struct asynchat_channel *shaking; /* or NULL, when it has looked */

/* The first byte is the handshake, in which the program may do what it may in
 * callbacks. */
static int looks_open(void *layer, const void *data, size_t len, size_t *taken,
                      void *to, size_t room, size_t *given)
{
    (void)layer;
    if (shaking && len > 0) {
        assert_ptr_equal(asynchat_get_arg(shaking), &base);
        asynchat_set_arg(shaking, &base);
        shaking = NULL;
        *taken = 1;
        return ASYNCHAT_LAYER_UP;
    }
    assert_true(len <= room);
    memcpy(to, data, len);
    *taken = *given = len;
    return 0;
}

static int looks_seal(void *layer, const void *data, size_t len, void *to,
                      size_t room, size_t *given)
{
    (void)layer;
    assert_true(len <= room);
    if (len > 0)
        memcpy(to, data, len);
    *given = len;
    return 0;
}

static int looks_ended(void *layer)
{
    (void)layer;
    return ASYNCHAT_EOF;
}

static void looks_release(void *layer)
{
    (void)layer;
}

static const struct asynchat_layer_ops looks = {.size = sizeof looks,
                                                .open = looks_open,
                                                .seal = looks_seal,
                                                .ended = looks_ended,
                                                .release = looks_release};

static void begin_layer(struct asynchat_channel *ch)
{
    shaking = ch;
    assert_int_equal(asynchat_set_layer(ch, &looks, &at, NULL), 0);
}

static void a_handshake_finds_the_program_s_arg(void **state)
{
    (void)state;
    connecting.candidate = candidate;
    connecting.flags = ASYNCHAT_CONNECT_HANDSHAKE;
    on[IN_CANDIDATE] = begin_layer;
    server_starts();
    client_begins();
    server_accepts();
    assert_int_equal(send(peer, "!abc\n", 5, 0), 5);
    run_loop();
    expect_told("connect up line(abc) ");
}

static void other_message(struct asynchat_channel *ch, const void *data,
                          size_t len, void *arg)
{
    (void)ch;
    (void)data;
    tell("other(%d, %d) ", (int)len, *(int *)arg);
}

static void set_other(struct asynchat_channel *ch)
{
    static const struct asynchat_handler other = {.size = sizeof other,
                                                  .message = other_message};
    static int number = 5;
    assert_int_equal(asynchat_set_handler(ch, &other), 0);
    asynchat_set_arg(ch, &number);
    assert_int_equal(asynchat_set_terminator(ch, "\n", 1), 0);
}

static void a_candidate_may_get_another_handler(void **state)
{
    (void)state;
    connecting.candidate = candidate;
    on[IN_CANDIDATE] = set_other;
    server_starts();
    client_begins();
    server_accepts();
    assert_int_equal(send(peer, "abc\n", 4, 0), 4);
    run_loop();
    expect_told("up other(3, 5) ");
}

static void channels_have_the_settings(void **state)
{
    const struct asynchat_options settings = {.size = sizeof settings,
                                              .message_limit = 3};
    (void)state;
    options.channels = &settings;
    begin_well();
    assert_int_equal(send(peer, "abc\nabcd\n", 9, 0), 9);
    run_loop();
    server_drops();
    run_loop();
    expect_told("line(abc) close(ETOOLONG) down(ETOOLONG, 5000) ");
}

/* --- stopping --- */

static void stop(unsigned grace)
{
    assert_int_equal(asynchat_client_stop(client, grace, stopped, &client), 0);
    assert_int_equal(asynchat_client_reconnect(client), ASYNCHAT_ESTOPPED);
}

static void it_stops_between_two_messages(void **state)
{
    (void)state;
    begin_well();
    assert_int_equal(send(peer, "ab", 2, 0), 2);
    run_loop();
    stop(1000);
    run_loop();
    expect_told("");
    assert_int_equal(send(peer, "c\n", 2, 0), 2);
    run_loop();
    expect_told("line(abc) close(0) down(0, -1) stopped");
    assert_null(client);
}

static void the_grace_ends(void **state)
{
    (void)state;
    begin_well();
    assert_int_equal(send(peer, "ab", 2, 0), 2);
    run_loop();
    stop(1000);
    pass(999);
    stop(1000);
    pass(999);
    expect_told("");
    pass(1);
    expect_told("close(ESTOPPED) down(ESTOPPED, -1) stopped");
}

static void it_stops_while_it_waits(void **state)
{
    (void)state;
    begin_well();
    server_drops();
    stop(1000);
    run_loop();
    expect_told("close(EOF) down(EOF, -1) stopped");
    client_begins();
    server_accepts();
    server_drops();
    run_loop();
    told[0] = '\0';
    stop(1000);
    run_loop();
    expect_told("stopped");
}

static void it_stops_while_it_dials(void **state)
{
    (void)state;
    server_starts();
    assert_int_equal(asynchat_client_new(base, "one.test", "7", &handler, &base,
                                         &options, &client),
                     0);
    stop(1000);
    run_loop();
    expect_told("stopped");
    assert_int_equal(accept(listener, NULL, NULL), -1);
}

static void free_and_forget(struct asynchat_channel *ch)
{
    (void)ch;
    asynchat_client_free(client);
    client = NULL;
}

static void a_client_that_is_freed_does_not_stop(void **state)
{
    (void)state;
    begin_well();
    on[IN_DOWN] = free_and_forget;
    stop(1000);
    pass(2000);
    expect_told("close(0) down(0, -1) ");
}

/* --- each call in each callback --- */

static void free_client(struct asynchat_channel *ch)
{
    (void)ch;
    asynchat_client_free(client);
    asynchat_client_free(NULL);
    if (!on[IN_STOPPED])
        client = NULL;
}

static void stop_client(struct asynchat_channel *ch)
{
    (void)ch;
    int error = asynchat_client_stop(client, 10, stopped, &client);
    assert_true(error == 0 || error == ASYNCHAT_ESTOPPED);
}

static void reconnect_client(struct asynchat_channel *ch)
{
    (void)ch;
    asynchat_client_reconnect(client);
}

static void push_text(struct asynchat_channel *ch)
{
    asynchat_push(ch, "text", 4);
    asynchat_push(asynchat_client_channel(client), "text", 4);
}

static void start_another(struct asynchat_channel *ch)
{
    struct asynchat_client *another;
    const struct asynchat_client_options quiet = {.size = sizeof quiet};
    (void)ch;
    assert_int_equal(asynchat_client_new(base, "127.0.0.1:1", NULL, &handler,
                                         &base, &quiet, &another),
                     0);
    asynchat_client_free(another);
}

static void free_channel(struct asynchat_channel *ch)
{
    asynchat_channel_free(ch ? ch : asynchat_client_channel(client));
}

static void close_channel(struct asynchat_channel *ch)
{
    asynchat_close(ch ? ch : asynchat_client_channel(client));
}

/* A connection in all its stages, three times over. */
static void live(void)
{
    if (asynchat_client_new(base, "one.test", "7", &handler, &base, &options,
                            &client))
        return;
    for (int i = 0; i < 3; i++) {
        run_loop();
        peer = accept(listener, NULL, NULL);
        if (peer >= 0) {
            (void)!send(peer, "a\n", 2, MSG_NOSIGNAL);
            run_loop();
            server_drops();
        }
        pass(60000);
        look_up_error = i == 0 ? ASYNCHAT_ENONAME : 0;
        pass(60000);
    }
    if (client)
        stop_client(NULL);
    pass(60000);
    assert_null(client);
}

static void each_call_is_allowed_in_each_callback(void **state)
{
    static void (*const calls[])(struct asynchat_channel *) = {
        free_client,  stop_client,   reconnect_client, push_text,
        free_channel, close_channel, start_another};
    (void)state;
    server_starts();
    connecting.candidate = candidate;
    for (int place = 0; place < PLACES; place++)
        for (size_t i = 0; i < COUNT(calls); i++) {
            if ((place == IN_LOOKUP && i < 3) || (place == IN_CLOSE && i == 4))
                continue; /* see below; a channel that closes is not freed */
            memset(on, 0, sizeof on);
            on[place] = calls[i];
            on_lookup = happen_lookup;
            look_up_error = 0;
            live();
            told[0] = '\0';
        }
}

/* The program knows the client only after the first look-up has begun. */
static void the_resolver_may_end_the_client(void **state)
{
    static void (*const calls[])(struct asynchat_channel *) = {
        free_client, stop_client, reconnect_client};
    (void)state;
    for (size_t i = 0; i < COUNT(calls); i++) {
        begin_well();
        server_drops();
        run_loop();
        on[IN_LOOKUP] = calls[i];
        on_lookup = happen_lookup;
        pass(5000);
        on[IN_LOOKUP] = NULL;
        asynchat_client_free(client);
        client = NULL;
        told[0] = '\0';
        server_stops();
    }
}

/* --- the socket --- */

static int option(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof value;
    assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
    return value;
}

static int keepalive, idle, between, probes, user_timeout;

static int look_at_socket(int fd, const struct sockaddr *to, socklen_t len,
                          void *arg)
{
    (void)to;
    (void)len;
    (void)arg;
    keepalive = option(fd, SOL_SOCKET, SO_KEEPALIVE);
    idle = option(fd, IPPROTO_TCP, TCP_KEEPIDLE);
    between = option(fd, IPPROTO_TCP, TCP_KEEPINTVL);
    probes = option(fd, IPPROTO_TCP, TCP_KEEPCNT);
    user_timeout = option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT);
    return 0;
}

/* Without TCP_USER_TIMEOUT the last probe would be due when the time is over. */
static void a_silent_peer_is_noticed(void **state)
{
    static const struct {
        unsigned vanished;
        int idle, between, probes;
    } rows[] = {{0, 10, 5, 4},      {1, 1, 1, 1},
                {1500, 1, 1, 1},    {5000, 1, 1, 4},
                {60000, 20, 10, 4}, {INT_MAX, 32767, 32767, 65}};
    (void)state;
    connecting.prepare = look_at_socket;
    server_starts();
    for (size_t i = 0; i < COUNT(rows); i++) {
        options.vanished = rows[i].vanished;
        client_begins();
        assert_int_equal(keepalive, 1);
        assert_int_equal(idle, rows[i].idle);
        assert_int_equal(between, rows[i].between);
        assert_int_equal(probes, rows[i].probes);
        assert_int_equal(user_timeout,
                         rows[i].vanished ? (int)rows[i].vanished : 30000);
        asynchat_client_free(client);
        told[0] = '\0';
    }
    options.vanished = UINT_MAX;
    client_begins();
    assert_int_equal(keepalive, 0);
    assert_int_equal(user_timeout, 0);
}

/* It has no such settings. */
static void a_client_of_a_unix_socket_is_up(void **state)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    char *name = un.sun_path + 1; /* in the abstract namespace */
    char address[ASYNCHAT_ADDRESS_SIZE];
    (void)state;
    snprintf(name, sizeof un.sun_path - 1, "asynchat-client-%d", (int)getpid());
    snprintf(address, sizeof address, "unix:@%s", name);
    size_t len = offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&un, (socklen_t)len), 0);
    assert_int_equal(listen(listener, 1), 0);
    options.connect = NULL;
    assert_int_equal(asynchat_client_new(base, address, NULL, &handler, &base,
                                         &options, &client),
                     0);
    run_loop();
    expect_told("connect up ");
}

static void nobody_has_to_prepare_anything(void **state)
{
    (void)state;
    options.connect = NULL;
    begin_well();
    asynchat_client_free(client);
    server_drops();
    told[0] = '\0';
    options.vanished = UINT_MAX;
    client_begins();
    expect_told("connect up ");
}

/* --- the log --- */

static int lines[ASYNCHAT_LOG_WARNING + 1];
static char last[256];

static void count_line(const struct asynchat_log_record *record, void *arg)
{
    (void)arg;
    lines[record->level]++;
    if (record->event == ASYNCHAT_LOG_DOWN || record->event == ASYNCHAT_LOG_UP)
        snprintf(last, sizeof last, "%s: %s", record->peer, record->text);
}

static void the_log_tells_changes_and_not_attempts(void **state)
{
    (void)state;
    memset(lines, 0, sizeof lines);
    asynchat_set_log(ASYNCHAT_LOG_DEBUG, count_line, NULL);
    at.sin_port = htons(1);
    client_begins();
    assert_string_equal(last, "one.test: not reached: Connection refused, and "
                              "again in 5000 ms");
    assert_int_equal(lines[ASYNCHAT_LOG_INFO], 1); /* it was never up */
    pass(5000);
    pass(10000);
    assert_int_equal(lines[ASYNCHAT_LOG_INFO], 1);
    at.sin_port = 0;
    server_starts();
    pass(20000);
    assert_int_equal(lines[ASYNCHAT_LOG_INFO], 2); /* is up */
    assert_non_null(strstr(last, ": is a client's connection, and up"));
    server_accepts();
    server_drops();
    server_stops();
    run_loop();
    assert_int_equal(lines[ASYNCHAT_LOG_INFO], 3); /* is down */
    assert_string_equal(last, "one.test: is down: the peer ended the "
                              "connection, and again in 40000 ms");
    for (int i = 0; i < 5; i++)
        pass(60000);
    assert_int_equal(lines[ASYNCHAT_LOG_INFO], 3);
    assert_int_equal(lines[ASYNCHAT_LOG_WARNING], 0);
    assert_true(lines[ASYNCHAT_LOG_DEBUG] > 10);
}

/* --- many clients --- */

#define MANY 100

static void count_nothing(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    (void)arg;
}

static const struct asynchat_handler plain = {.size = sizeof plain,
                                              .handle_connect = count_nothing};

/* Accepts all that has come, and answers how many. */
static int accept_all(int *peers)
{
    int count = 0, fd;
    while ((fd = accept(listener, NULL, NULL)) >= 0)
        peers[count++] = fd;
    return count;
}

static void make_clients(struct asynchat_client **clients, int count)
{
    const struct asynchat_client_options usual = {.size = sizeof usual};
    for (int i = 0; i < count; i++)
        assert_int_equal(asynchat_client_new(base, "one.test", "7", &plain,
                                             NULL, &usual, &clients[i]),
                         0);
    run_loop();
}

static void free_clients(struct asynchat_client **clients, int count)
{
    for (int i = 0; i < count; i++)
        asynchat_client_free(clients[i]);
}

static void outage_begins(int *peers, int count)
{
    for (int i = 0; i < count; i++)
        close(peers[i]);
    server_stops();
    run_loop();
}

static void an_outage_is_few_lines(void **state)
{
    static struct asynchat_client *clients[MANY];
    static int peers[MANY];
    (void)state;
    seed = 1;
    server_starts();
    make_clients(clients, MANY);
    assert_int_equal(accept_all(peers), MANY);
    memset(lines, 0, sizeof lines);
    asynchat_set_log(ASYNCHAT_LOG_INFO, count_line, NULL);
    outage_begins(peers, MANY);
    for (int i = 0; i < 15; i++)
        pass(1000);
    server_starts();
    for (int i = 0; i < 120; i++)
        pass(1000);
    assert_int_equal(accept_all(peers), MANY);
    assert_true(lines[ASYNCHAT_LOG_INFO] <= 3 * MANY);
    free_clients(clients, MANY);
    for (int i = 0; i < MANY; i++)
        close(peers[i]);
}

/* As in test_backoff.c, but with connections. */
static void eight_clients_do_not_come_at_once(void **state)
{
    struct asynchat_client *clients[8];
    int peers[8], came = 0, worst = 0;
    (void)state;
    seed = 3;
    server_starts();
    make_clients(clients, 8);
    assert_int_equal(accept_all(peers), 8);
    outage_begins(peers, 8);
    pass(1000);
    server_starts();
    for (int second = 1; second < 80 && came < 8; second++) {
        pass(1000);
        int now = accept_all(peers + came);
        came += now;
        worst = now > worst ? now : worst;
    }
    assert_int_equal(came, 8);
    assert_true(worst <= 2);
    free_clients(clients, 8);
    for (int i = 0; i < 8; i++)
        close(peers[i]);
}

/* --- mistakes --- */

static int refused(const char *host, const char *service,
                   const struct asynchat_client_options *o)
{
    struct asynchat_client *untouched = (void *)&base, *c = untouched;
    int error =
        asynchat_client_new(base, host, service, &handler, &base, o, &c);
    assert_ptr_equal(c, untouched);
    return error;
}

static void mistakes_are_told(void **state)
{
    struct asynchat_client *c;
    struct asynchat_client_options o = options;
    struct asynchat_options settings = {.size = 1};
    static const struct asynchat_handler none = {.size = sizeof none};
    (void)state;
    assert_int_equal(
        asynchat_client_new(NULL, "a:1", NULL, &handler, NULL, NULL, &c),
        -EINVAL);
    assert_int_equal(
        asynchat_client_new(base, "a:1", NULL, &handler, NULL, NULL, NULL),
        -EINVAL);
    assert_int_equal(
        asynchat_client_new(base, "a:1", NULL, &none, NULL, NULL, &c), -EINVAL);
    assert_int_equal(refused(NULL, "7", &options), -EINVAL);
    assert_int_equal(refused("nothing", NULL, &options), ASYNCHAT_EADDRESS);
    o.size = sizeof o - 1;
    assert_int_equal(refused("one.test", "7", &o), -EINVAL);
    o = options;
    o.first_delay = 61000;
    o.most_delay = 60000;
    assert_int_equal(refused("one.test", "7", &o), -EINVAL);
    o = options;
    o.steady = (unsigned)INT_MAX + 1;
    assert_int_equal(refused("one.test", "7", &o), -EINVAL);
    o = options;
    o.vanished = (unsigned)INT_MAX + 1;
    assert_int_equal(refused("one.test", "7", &o), -EINVAL);
    o = options;
    o.channels = &settings;
    assert_int_equal(refused("one.test", "7", &o), -EINVAL);
    connecting.flags = 0x80;
    assert_int_equal(refused("one.test", "7", &options), -EINVAL);
    connecting.size = 1;
    assert_int_equal(refused("one.test", "7", &options), -EINVAL);
    assert_null(asynchat_client_channel(NULL));
    assert_int_equal(asynchat_client_reconnect(NULL), -EINVAL);
    assert_int_equal(asynchat_client_stop(NULL, 0, NULL, NULL), -EINVAL);
    asynchat_client_free(NULL);
}

static void a_window_longer_than_the_longest_is_all_windows(void **state)
{
    (void)state;
    options.first_delay = 100000;
    at.sin_port = htons(1);
    client_begins();
    expect_told("failed(ECONNREFUSED, 100000) ");
    pass(100000);
    expect_told("failed(ECONNREFUSED, 100000) ");
}

/* --- other ways to end --- */

static void a_connection_that_leaves_its_channel_is_down(void **state)
{
    struct evbuffer *rest = evbuffer_new();
    (void)state;
    begin_well();
    int fd = asynchat_detach(asynchat_client_channel(client), rest);
    assert_true(fd >= 0);
    expect_told("");
    run_loop();
    expect_told("down(0, 5000) ");
    close(fd);
    evbuffer_free(rest);
}

static bool child_frees(void *arg)
{
    (void)arg;
    asynchat_client_free(client);
    return true;
}

static void a_child_may_free_what_it_has_inherited(void **state)
{
    (void)state;
    begin_well();
    assert_int_equal(child_runs(child_frees, NULL), 1);
    assert_int_equal(send(peer, "still\n", 6, 0), 6);
    run_loop();
    expect_told("line(still) ");
    server_drops();
    run_loop();
    assert_int_equal(child_runs(child_frees, NULL), 1);
    pass(5000);
    expect_told("close(EOF) down(EOF, 5000) connect up ");
}

/* --- workers --- */

static int worker_pipe[2];
static _Atomic int worker_closes;

static void worker_connected(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    (void)arg;
    assert_int_equal(write(worker_pipe[1], "x", 1), 1);
}

static void worker_closed(struct asynchat_channel *ch, int status, void *arg)
{
    (void)ch;
    (void)status;
    (void)arg;
    worker_closes++;
}

static int start_connected(struct event_base *own, unsigned index, void *arg)
{
    static const struct asynchat_handler in_worker = {
        .size = sizeof in_worker,
        .handle_connect = worker_connected,
        .handle_close = worker_closed};
    struct asynchat_client *c; /* which the worker frees */
    (void)index;
    return asynchat_client_new(own, arg, NULL, &in_worker, NULL, NULL, &c);
}

/* The worker closes the channel in order. */
static void a_worker_that_ends_closes_connections(void **state)
{
    static const struct asynchat_worker_ops ops = {.size = sizeof ops,
                                                   .start = start_connected};
    struct asynchat_workers *workers;
    char address[32], byte;
    (void)state;
    server_starts();
    snprintf(address, sizeof address, "127.0.0.1:%d", ntohs(at.sin_port));
    assert_int_equal(pipe(worker_pipe), 0);
    assert_int_equal(asynchat_workers_new(1, &ops, address, &workers), 0);
    assert_int_equal(read(worker_pipe[0], &byte, 1), 1);
    assert_int_equal(asynchat_workers_free(workers), 0);
    assert_int_equal(worker_closes, 1);
    close(worker_pipe[0]);
    close(worker_pipe[1]);
}

static int start_worker(struct event_base *own, unsigned index, void *arg)
{
    struct asynchat_client *c; /* which the worker frees */
    (void)index;
    return asynchat_client_new(own, "127.0.0.1:1", NULL, &plain, arg, NULL, &c);
}

static void a_worker_that_ends_frees_its_clients(void **state)
{
    static const struct asynchat_worker_ops ops = {.size = sizeof ops,
                                                   .start = start_worker};
    struct asynchat_workers *workers;
    (void)state;
    assert_int_equal(asynchat_workers_new(1, &ops, NULL, &workers), 0);
    assert_int_equal(asynchat_workers_free(workers), 0);
}

#define CLIENT(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLIENT(it_is_up_after_handle_connect),
        CLIENT(it_comes_back_after_the_window),
        CLIENT(the_wait_is_random),
        CLIENT(windows_can_be_set),
        CLIENT(windows_grow_while_attempts_fail),
        CLIENT(the_window_begins_anew_only_after_a_time_up),
        CLIENT(the_time_up_can_be_set),
        CLIENT(a_look_up_that_fails_waits_as_well),
        CLIENT(the_first_look_up_may_fail_at_once),
        CLIENT(the_name_is_looked_up_each_time),
        CLIENT(without_random_numbers_waits_still_differ),
        CLIENT(reconnecting_often_is_one_close_and_one_attempt),
        CLIENT(a_channel_that_the_program_ends_comes_back),
        CLIENT(a_channel_that_ends_in_handle_connect_was_never_up),
        CLIENT(nothing_of_one_connection_leaves_on_another),
        CLIENT(what_a_candidate_got_is_not_for_the_next),
        CLIENT(what_a_candidate_got_is_not_for_another_address),
        CLIENT(nor_is_a_slot_that_a_candidate_has_reserved),
        CLIENT(nor_is_an_end_that_a_candidate_has_asked_for),
        CLIENT(after_a_release_callback_has_freed_it_no_hook_runs),
        CLIENT(a_handshake_finds_the_program_s_arg),
        CLIENT(a_candidate_may_get_another_handler),
        CLIENT(channels_have_the_settings),
        CLIENT(it_stops_between_two_messages),
        CLIENT(the_grace_ends),
        CLIENT(it_stops_while_it_waits),
        CLIENT(it_stops_while_it_dials),
        CLIENT(a_client_that_is_freed_does_not_stop),
        CLIENT(each_call_is_allowed_in_each_callback),
        CLIENT(the_resolver_may_end_the_client),
        CLIENT(a_silent_peer_is_noticed),
        CLIENT(a_client_of_a_unix_socket_is_up),
        CLIENT(nobody_has_to_prepare_anything),
        CLIENT(the_log_tells_changes_and_not_attempts),
        CLIENT(an_outage_is_few_lines),
        CLIENT(eight_clients_do_not_come_at_once),
        CLIENT(mistakes_are_told),
        CLIENT(a_window_longer_than_the_longest_is_all_windows),
        CLIENT(a_connection_that_leaves_its_channel_is_down),
        CLIENT(a_child_may_free_what_it_has_inherited),
        CLIENT(a_worker_that_ends_closes_connections),
        CLIENT(a_worker_that_ends_frees_its_clients),
    };
    return RUN(tests);
}
