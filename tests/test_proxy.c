/* PROXY headers that come to a server: cut anywhere, from whom, too late, wrong,
 * with a layer behind them, and what they change. Time passes only when a test
 * says so. SPDX-License-Identifier: BSD-3-Clause */
#include "clock.h"
#include "serving.h"
#include "toy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include <asynchat/detach.h>

#include "framer/crc32c.h"

#define BEGIN "\r\n\r\n\0\r\nQUIT\n"
#define ADDRESSES "\xc0\0\2\7\xc0\0\2\1\x12\x67\0\x19"
#define V1 "PROXY TCP4 192.0.2.7 192.0.2.1 4711 25\r\n"
#define V2 BEGIN "\x21\x11\0\x0c" ADDRESSES
#define LOCAL BEGIN "\x20\0\0\0"
#define BYTES(text) text, sizeof(text) - 1

/* --- what was called --- */

static char events[8192];
static struct asynchat_channel *last; /* the one that came up last */
static bool greets, frees, discards;
static struct evbuffer *rest; /* of a connection that is detached; or NULL */

static void note(const char *what, const char *about)
{
    size_t len = strlen(events);
    snprintf(events + len, sizeof events - len, "%s%s(%s)", len ? " " : "",
             what, about);
}

static void expect_events(const char *expected)
{
    assert_string_equal(events, expected);
    events[0] = '\0';
}

static void on_connect(struct asynchat_channel *ch, void *arg)
{
    char peer[ASYNCHAT_ADDRESS_SIZE] = "?";
    (void)arg;
    asynchat_peer_address(ch, peer, sizeof peer);
    if (strncmp(peer, "127.", 4) == 0)
        *strchr(peer, ':') = '\0'; /* the port is any */
    note("connect", peer);
    asynchat_set_terminator(ch, "\n", 1);
    if (greets)
        asynchat_push(ch, "220\n", 4);
    last = ch;
    if (frees)
        asynchat_channel_free(ch);
    if (discards)
        asynchat_discard_buffers(ch);
    if (rest)
        close(asynchat_detach(ch, rest));
}

static void on_line(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg)
{
    char text[64];
    (void)arg;
    snprintf(text, sizeof text, "%.*s", (int)len, (const char *)data);
    note("line", text);
    asynchat_push(ch, data, len);
    asynchat_push(ch, "\n", 1);
}

static void on_error(struct asynchat_channel *ch, int error, void *arg)
{
    (void)ch;
    (void)arg;
    note("error", error == ASYNCHAT_EPROXY     ? "EPROXY"
                  : error == ASYNCHAT_ELATE    ? "ELATE"
                  : error == ASYNCHAT_ESTOPPED ? "ESTOPPED"
                  : error == -ECONNRESET       ? "ECONNRESET"
                                               : asynchat_strerror(error));
}

static void on_close(struct asynchat_channel *ch, int status, void *arg)
{
    (void)ch;
    (void)arg;
    note("close", status == ASYNCHAT_EOF ? "EOF" : status ? "error" : "0");
}

static const struct asynchat_handler handler = {
    .size = sizeof handler,
    .message = on_line,
    .handle_connect = on_connect,
    .handle_error = on_error,
    .handle_close = on_close,
};

/* --- the log --- */

static char logged[4096]; /* what is not for debugging, a line each */

static void on_log(const struct asynchat_log_record *r, void *arg)
{
    size_t len = strlen(logged);
    (void)arg;
    snprintf(logged + len, sizeof logged - len, "%s %s\n",
             r->level == ASYNCHAT_LOG_WARNING ? "warning" : "info", r->text);
}

static int log_setup(void **state)
{
    logged[0] = events[0] = '\0';
    greets = frees = discards = false;
    rest = NULL;
    asynchat_set_log(ASYNCHAT_LOG_INFO, on_log, NULL);
    return fixture_setup(state);
}

static int log_teardown(void **state)
{
    asynchat_set_log(ASYNCHAT_LOG_DEBUG, NULL, NULL);
    return fixture_teardown(state);
}

/* --- the server --- */

static const struct asynchat_proxy_options everybody = {
    .size = sizeof everybody, .flags = ASYNCHAT_PROXY_KEEP_TLVS};

static struct fixture *proxied(void **state, const char *address,
                               const struct asynchat_proxy_options *proxy,
                               unsigned per_address)
{
    struct fixture *f = *state;
    const struct asynchat_server_options options = {
        .size = sizeof options,
        .max_per_address = per_address,
        .turn_away = per_address ? "full\n" : NULL,
        .proxy = proxy};
    assert_int_equal(asynchat_server_new(f->base, address, &handler, f,
                                         &options, &f->server),
                     0);
    return f;
}

static void put(int fd, const void *bytes, size_t len)
{
    assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
}

static size_t receive(int fd, char *to, size_t room)
{
    size_t len = 0;
    ssize_t n;
    while ((n = recv(fd, to + len, room - len, MSG_DONTWAIT)) > 0)
        len += (size_t)n;
    return len;
}

/* One connection: these bytes come at once, and the server has its turn. */
static void come(struct fixture *f, const void *bytes, size_t len,
                 const char *expected)
{
    int fd = dial_from(f, "127.0.0.1");
    char got[64];
    put(fd, bytes, len);
    turn(f);
    receive(fd, got, sizeof got); /* so that closing does not reset */
    close(fd);
    turn(f);
    expect_events(expected);
}

static void done(struct fixture *f)
{
    assert_int_equal(asynchat_server_connections(f->server), 0);
    asynchat_server_free(f->server);
    f->server = NULL;
}

/* --- at each cut --- */

static void cuts_make_no_difference(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } headers[] = {{BYTES(V1 "hello\n")},
                   {BYTES(V2 "hello\n")},
                   {BYTES(BEGIN "\x21\x11\0\x0f" ADDRESSES "\4\0\0hello\n")}};
    struct fixture *f = proxied(state, "127.0.0.1:0", &everybody, 0);
    for (size_t i = 0; i < COUNT(headers); i++)
        for (size_t cut = 0; cut <= headers[i].len; cut++) {
            int fd = dial_server(f);
            put(fd, headers[i].bytes, cut);
            turn(f);
            put(fd, headers[i].bytes + cut, headers[i].len - cut);
            turn(f);
            assert_true(is_answered(fd));
            hang_up(f, fd);
            expect_events("connect(192.0.2.7:4711) line(hello) close(EOF)");
        }
    assert_string_equal(logged, "");
    done(f);
}

static void byte_by_byte_is_the_same(void **state)
{
    struct fixture *f = proxied(state, "127.0.0.1:0", &everybody, 0);
    int fd = dial_server(f);
    for (size_t i = 0; i < sizeof V1 - 1; i++) {
        expect_events("");
        put(fd, &V1[i], 1);
        turn(f);
    }
    expect_served(f, fd);
    hang_up(f, fd);
    expect_events("connect(192.0.2.7:4711) line(hello) close(EOF)");
    done(f);
}

/* --- from whom --- */

static void a_header_is_read_where_it_is_required_and_nowhere_else(void **state)
{
    static const char *const list[] = {"127.0.0.2/32", NULL};
    const struct asynchat_proxy_options some = {.size = sizeof some,
                                                .from = list};
    static const struct {
        bool listed;
        const char *from;
        bool sends;
        const char *expected;
    } rows[] = {
        {false, "127.0.0.2", true,
         "connect(192.0.2.7:4711) line(hello) close(EOF)"},
        {false, "127.0.0.3", true,
         "connect(192.0.2.7:4711) line(hello) close(EOF)"},
        {false, "127.0.0.2", false, "error(EPROXY) close(error)"},
        {false, "127.0.0.3", false, "error(EPROXY) close(error)"},
        {true, "127.0.0.2", true,
         "connect(192.0.2.7:4711) line(hello) close(EOF)"},
        {true, "127.0.0.3", true,
         "connect(127.0.0.3) line(PROXY TCP4 192.0.2.7 192.0.2.1 4711 25\r) "
         "line(hello) close(EOF)"},
        {true, "127.0.0.2", false, "error(EPROXY) close(error)"},
        {true, "127.0.0.3", false, "connect(127.0.0.3) line(hello) close(EOF)"},
        {true, "127.0.0.1", false, "connect(127.0.0.1) line(hello) close(EOF)"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fixture *f = proxied(state, "127.0.0.1:0",
                                    rows[i].listed ? &some : &everybody, 0);
        int fd = dial_from(f, rows[i].from);
        char got[64];
        put(fd, V1, rows[i].sends ? sizeof V1 - 1 : 0);
        say(fd);
        turn(f);
        receive(fd, got, sizeof got);
        hang_up(f, fd);
        expect_events(rows[i].expected);
        done(f);
    }
}

static void mapped_addresses_are_folded(void **state)
{
    static const char *const list[] = {"127.0.0.0/8", NULL};
    const struct asynchat_proxy_options some = {.size = sizeof some,
                                                .from = list};
    struct fixture *f = proxied(state, "[::]:0", &some, 0);
    come(f, BYTES("PROXY TCP6 ::ffff:192.0.2.7 ::ffff:192.0.2.1 1 2\r\nx\n"),
         "connect(192.0.2.7:1) line(x) close(EOF)");
    come(f, BYTES(LOCAL "x\n"), "connect(127.0.0.1) line(x) close(EOF)");
    done(f);
}

/* As nginx of Debian 12 sends it. */
static void a_line_of_two_families_is_taken(void **state)
{
    struct fixture *f = proxied(state, "127.0.0.1:0", &everybody, 0);
    come(f, BYTES("PROXY TCP6 2001:db8::1 127.0.0.1 5555 22012\r\nx\n"),
         "connect([2001:db8::1]:5555) line(x) close(EOF)");
    done(f);
}

static void options_are_checked(void **state)
{
    static const char *const nobody[] = {NULL}, *const bad[] = {"a", NULL};
    struct fixture *f = *state;
    struct asynchat_proxy_options o = everybody;
    const struct asynchat_server_options options = {.size = sizeof options,
                                                    .proxy = &o};
    o.from = nobody;
    assert_int_equal(refusal(f, "127.0.0.1:0", &handler, &options), -EINVAL);
    o.from = bad;
    assert_int_equal(refusal(f, "127.0.0.1:0", &handler, &options),
                     ASYNCHAT_EADDRESS);
    o = everybody;
    o.flags = 2;
    assert_int_equal(refusal(f, "127.0.0.1:0", &handler, &options), -EINVAL);
    o = everybody;
    o.time = (unsigned)INT_MAX + 1;
    assert_int_equal(refusal(f, "127.0.0.1:0", &handler, &options), -EINVAL);
    o = everybody;
    o.size = 8;
    assert_int_equal(refusal(f, "127.0.0.1:0", &handler, &options), -EINVAL);
}

/* --- without an address --- */

static void local_and_unknown_keep_the_own_address(void **state)
{
    static uint8_t path[16 + 216 + 2] = BEGIN "\x20\x31\0\xd8";
    struct fixture *f = proxied(state, "127.0.0.1:0", &everybody, 0);
    const char *own = "connect(127.0.0.1) line(x) close(EOF)";
    memcpy(path + sizeof path - 2, "x\n", 2);
    come(f, BYTES(LOCAL "x\n"), own);
    come(f, BYTES(BEGIN "\x20\x11\0\x0f" ADDRESSES "\4\0\0x\n"), own);
    come(f, path, sizeof path, own);
    come(f, BYTES(BEGIN "\x20\xff\0\3abcx\n"), own);
    come(f, BYTES("PROXY UNKNOWN\r\nx\n"), own);
    come(f, BYTES("PROXY UNKNOWN \r\nx\n"), own);
    come(f, BYTES("PROXY UNKNOWN ::1 ::1 1 2\r\nx\n"), own);
    come(f, BYTES(BEGIN "\x21\0\0\0x\n"), own);
    path[12] = 0x21;
    come(f, path, sizeof path, own);
    come(f, BYTES(BEGIN "\x21\x12\0\x0c" ADDRESSES "x\n"), own);
    come(f, BYTES(BEGIN "\x21\x42\0\1ax\n"), own);
    assert_string_equal(logged, "");
    done(f);
}

static void over_a_unix_socket_the_header_s_address_is_told(void **state)
{
    struct fixture *f = proxied(state, unix_address(), &everybody, 0);
    struct asynchat_proxy said = {.size = sizeof said};
    int fd = dial_server(f);
    put(fd, BYTES(V2));
    turn(f);
    expect_events("connect(192.0.2.7:4711)");
    assert_int_equal(asynchat_get_proxy(last, &said), 0);
    assert_string_equal(said.balancer, "unix:");
    expect_served(f, fd);
    hang_up(f, fd);
    expect_events("line(hello) close(EOF)");
    fd = dial_server(f);
    put(fd, BYTES(LOCAL));
    turn(f);
    expect_events("connect(unix:)");
    hang_up(f, fd);
    expect_events("close(EOF)");
    done(f);
}

/* --- when --- */

static void the_greeting_comes_after_the_header(void **state)
{
    struct fixture *f = proxied(state, "127.0.0.1:0", &everybody, 0);
    char got[64];
    greets = true;
    int fd = dial_server(f);
    put(fd, V1, 20);
    turn(f);
    clock_advance(4999);
    turn(f);
    assert_int_equal(receive(fd, got, sizeof got), 0);
    put(fd, &V1[20], sizeof V1 - 1 - 20);
    turn(f);
    assert_int_equal(receive(fd, got, sizeof got), 4);
    hang_up(f, fd);
    expect_events("connect(192.0.2.7:4711) close(EOF)");
    done(f);
}

static void a_client_that_waits_is_closed_and_the_log_says_why(void **state)
{
    struct fixture *f = proxied(state, "127.0.0.1:0", &everybody, 0);
    char got[64];
    int fd = dial_server(f);
    turn(f);
    clock_advance(4999);
    turn(f);
    expect_events("");
    clock_advance(1);
    turn(f);
    expect_events("error(ELATE) close(error)");
    assert_int_equal(receive(fd, got, sizeof got), 0);
    assert_int_equal(recv(fd, got, 1, MSG_DONTWAIT), 0);
    assert_non_null(strstr(logged, "no whole PROXY header came"));
    assert_non_null(strstr(logged, "waits for a greeting"));
    assert_ptr_equal(strchr(logged, '\n'), logged + strlen(logged) - 1);
    close(fd);
    done(f);
}

/* The time counts from accept, and not from the last byte. */
static void dribbling_does_not_help(void **state)
{
    const struct asynchat_proxy_options slow = {.size = sizeof slow,
                                                .time = 2000};
    struct fixture *f = proxied(state, "127.0.0.1:0", &slow, 0);
    int fd = dial_server(f);
    turn(f);
    for (size_t i = 0; i < 3; i++) {
        put(fd, &V1[i], 1);
        clock_advance(500);
        turn(f);
    }
    expect_events("");
    put(fd, &V1[3], 1);
    turn(f);
    clock_advance(500);
    turn(f);
    expect_events("error(ELATE) close(error)");
    close(fd);
    done(f);
}

static void the_time_ends_with_the_header(void **state)
{
    struct fixture *f = proxied(state, "127.0.0.1:0", &everybody, 0);
    int fd = dial_server(f);
    put(fd, BYTES(V2));
    turn(f);
    for (int i = 0; i < 3; i++) {
        clock_advance(5000);
        turn(f);
    }
    expect_served(f, fd);
    hang_up(f, fd);
    expect_events("connect(192.0.2.7:4711) line(hello) close(EOF)");
    done(f);
}

static void silent_clients_hold_nobody_up(void **state)
{
    struct fixture *f = proxied(state, "127.0.0.1:0", &everybody, 0);
    int silent[200];
    for (size_t i = 0; i < COUNT(silent); i++)
        silent[i] = dial_server(f);
    turn(f);
    int fd = dial_server(f);
    put(fd, BYTES(V2));
    expect_served(f, fd);
    hang_up(f, fd);
    expect_events("connect(192.0.2.7:4711) line(hello) close(EOF)");
    clock_advance(5000);
    for (int i = 0; i < 20; i++)
        turn(f);
    for (size_t i = 0; i < COUNT(silent); i++)
        close(silent[i]);
    done(f);
    events[0] = '\0';
}

/* --- what else is counted --- */

static size_t header_from(char *to, unsigned host)
{
    return (size_t)sprintf(to, "PROXY TCP4 10.0.0.%u 192.0.2.1 1 25\r\n", host);
}

/* One address has ten connections, and others have two each. */
static void the_address_of_the_header_is_counted(void **state)
{
    struct fixture *f = proxied(state, "127.0.0.1:0", &everybody, 10);
    struct asynchat_server_stats stats;
    int fds[209];
    char header[64], got[64];
    for (unsigned i = 0; i < COUNT(fds); i++) {
        fds[i] = dial_server(f);
        put(fds[i], header, header_from(header, i < 200 ? i % 100 : 7));
        turn(f);
    }
    assert_int_equal(asynchat_server_connections(f->server), 208);
    assert_string_equal(logged, "info is turned away\n");
    assert_int_equal(receive(fds[208], got, sizeof got), 5);
    assert_memory_equal(got, "full\n", 5);
    assert_int_equal(recv(fds[208], got, 1, MSG_DONTWAIT), 0);
    asynchat_server_get_stats(f->server, &stats, sizeof stats);
    assert_int_equal(stats.turned_away, 1);
    assert_int_equal(stats.accepted, 208);
    for (unsigned i = 0; i < COUNT(fds); i++)
        hang_up(f, fds[i]);
    assert_int_equal(asynchat_server_get_ended(f->server, ASYNCHAT_EOF), 208);
    assert_int_equal(asynchat_server_get_ended(f->server, 0), 0);
    assert_int_equal(asynchat_server_connections(f->server), 0);
    events[0] = '\0';
    for (unsigned i = 0; i < 10; i++) { /* the count was 0 */
        fds[i] = dial_server(f);
        put(fds[i], header, header_from(header, 7));
        turn(f);
    }
    assert_int_equal(asynchat_server_connections(f->server), 10);
    for (unsigned i = 0; i < 10; i++)
        hang_up(f, fds[i]);
    done(f);
}

/* Clients of a balancer that have no address are not counted as one. */
static void headers_without_an_address_are_not_counted(void **state)
{
    struct fixture *f = proxied(state, "127.0.0.1:0", &everybody, 1);
    int fds[3];
    for (size_t i = 0; i < COUNT(fds); i++) {
        fds[i] = dial_server(f);
        put(fds[i], BYTES(LOCAL));
        turn(f);
    }
    assert_int_equal(asynchat_server_connections(f->server), 3);
    for (size_t i = 0; i < COUNT(fds); i++)
        hang_up(f, fds[i]);
    done(f);
}

static void headers_that_are_waited_for_have_a_limit(void **state)
{
    const struct asynchat_proxy_options two = {.size = sizeof two, .most = 2};
    struct fixture *f = proxied(state, "127.0.0.1:0", &two, 0);
    int fds[3];
    char got[8];
    for (size_t i = 0; i < COUNT(fds); i++) {
        fds[i] = dial_server(f);
        turn(f);
    }
    assert_int_equal(asynchat_server_connections(f->server), 2);
    assert_int_equal(recv(fds[2], got, 1, MSG_DONTWAIT), 0);
    assert_string_equal(logged, "info is turned away\n");
    close(fds[2]);
    put(fds[0], BYTES(V2));
    turn(f);
    fds[2] = dial_server(f);
    put(fds[2], BYTES(V2));
    expect_served(f, fds[2]);
    hang_up(f, fds[1]);
    fds[1] = dial_server(f);
    put(fds[1], BYTES(V2));
    expect_served(f, fds[1]);
    for (size_t i = 0; i < COUNT(fds); i++)
        hang_up(f, fds[i]);
    done(f);
}

/* How many allocations succeed before one fails; -1: none fails. */
static _Atomic int memory = -1;

static void *get_memory(size_t size)
{
    return memory < 0 || memory-- > 0 ? malloc(size) : NULL;
}

/* Wherever memory was missing, nobody is counted as waiting afterwards. */
static void without_memory_nobody_is_counted_for_ever(void **state)
{
    const struct asynchat_timeouts times = {.size = sizeof times,
                                            .idle = 60000};
    const struct asynchat_options settings = {.size = sizeof settings,
                                              .timeouts = &times};
    const struct asynchat_proxy_options one = {.size = sizeof one, .most = 1};
    const struct asynchat_server_options options = {
        .size = sizeof options, .channels = &settings, .proxy = &one};
    struct fixture *f = *state;
    assert_int_equal(asynchat_server_new(f->base, "127.0.0.1:0", &handler, f,
                                         &options, &f->server),
                     0);
    int left = -1, wants = 0;
    for (; left < 0; wants++) {
        int fd = dial_server(f);
        put(fd, V2, 5);
        memory = wants;
        turn(f);
        left = memory;
        memory = -1;
        clock_advance(2000); /* then the server accepts again */
        turn(f);
        hang_up(f, fd);
        fd = dial_server(f);
        put(fd, BYTES(V2));
        expect_served(f, fd);
        hang_up(f, fd);
    }
    assert_true(wants > 3);
    done(f);
}

/* --- what is logged --- */

/* A check sends some bytes, and ends in order, or by a reset. */
static void check(struct fixture *f, const void *bytes, size_t len, bool resets)
{
    int fd = dial_server(f);
    put(fd, bytes, len);
    turn(f);
    if (resets)
        reset(fd);
    else
        close(fd);
    turn(f);
    events[0] = '\0';
}

static void checks_are_not_logged(void **state)
{
    struct fixture *f = proxied(state, "127.0.0.1:0", &everybody, 0);
    for (int resets = 0; resets < 2; resets++) {
        check(f, "", 0, resets);
        check(f, BYTES(V1), resets);
        check(f, BYTES(V2), resets);
        check(f, BYTES(LOCAL), resets);
        check(f, BYTES(LOCAL "QUIT\n"), resets);
    }
    greets = true;
    check(f, BYTES(LOCAL), true);
    assert_string_equal(logged, "");
    done(f);
}

static void a_reset_of_a_client_that_has_said_something_is_logged(void **state)
{
    struct fixture *f = proxied(state, "127.0.0.1:0", &everybody, 0);
    check(f, BYTES(V2 "x"), true);
    assert_string_equal(logged, "info Connection reset by peer\n");
    logged[0] = '\0';
    check(f, V2, 20, true);
    assert_string_equal(logged, "info Connection reset by peer\n");
    done(f);
}

static void a_wrong_header_is_one_warning_with_its_first_bytes(void **state)
{
    struct fixture *f = proxied(state, "127.0.0.1:0", &everybody, 0);
    come(f, BYTES("GET /a\x1b[2J HTTP/1.1\r\n\r\n xxxxxxxxxxx"),
         "error(EPROXY) close(error)");
    assert_string_equal(logged,
                        "warning the PROXY header is wrong: it begins with "
                        "\"GET /a\\x1b[2J HTTP/1.1\\x0d\\x0a\\x0d\\x0a \"\n");
    logged[0] = '\0';
    come(f, BYTES("PROXY TCP4 192"), "error(EPROXY) close(error)");
    assert_string_equal(logged, "warning the PROXY header is wrong: it begins "
                                "with \"PROXY TCP4 192\"\n");
    done(f);
}

/* --- long headers, and what they say --- */

/* Asks for the header of a connection in `pieces` of that size. */
static void take_long(struct fixture *f, const uint8_t *header, size_t len,
                      size_t piece)
{
    int fd = dial_server(f);
    for (size_t at = 0; at < len; at += piece) {
        put(fd, header + at, piece < len - at ? piece : len - at);
        turn(f);
    }
    expect_served(f, fd);
    struct asynchat_proxy said = {.size = sizeof said};
    assert_int_equal(asynchat_get_proxy(last, &said), 0);
    assert_int_equal(said.tlvs_len, len - 28);
    assert_memory_equal(said.tlvs, header + 28, len - 28);
    hang_up(f, fd);
    events[0] = '\0';
}

static void long_headers_are_taken(void **state)
{
    static const size_t lengths[] = {107, 108, 4096, 16400, 65551};
    static uint8_t header[65551] = BEGIN "\x21\x11\0\0" ADDRESSES "\xe0";
    const struct asynchat_proxy_options limited = {.size = sizeof limited,
                                                   .limit = 107};
    struct fixture *f = proxied(state, "127.0.0.1:0", &everybody, 0);
    for (size_t i = 0; i < COUNT(lengths); i++) {
        size_t len = lengths[i];
        header[14] = (uint8_t)((len - 16) >> 8);
        header[15] = (uint8_t)(len - 16);
        header[29] = (uint8_t)((len - 31) >> 8);
        header[30] = (uint8_t)(len - 31);
        take_long(f, header, len, len);
        take_long(f, header, len, 1000);
    }
    done(f);
    f = proxied(state, "127.0.0.1:0", &limited, 0);
    come(f, header, 16, "error(EPROXY) close(error)");
    done(f);
}

/* How many bytes of the heap a client takes that has sent so much of a header,
 * which says that it is 65,551 bytes long. */
static size_t heap_of_one(struct fixture *f, size_t sends)
{
    int fds[100];
    size_t before = mallinfo2().uordblks;
    for (size_t i = 0; i < COUNT(fds); i++) {
        fds[i] = dial_server(f);
        put(fds[i], BEGIN "\x21\x11\xff\xff", sends);
        turn(f);
    }
    size_t used = mallinfo2().uordblks - before;
    for (size_t i = 0; i < COUNT(fds); i++)
        close(fds[i]);
    for (int i = 0; i < 10; i++)
        turn(f);
    events[0] = logged[0] = '\0';
    return used / COUNT(fds);
}

static void memory_grows_as_bytes_come(void **state)
{
    struct fixture *f = proxied(state, "127.0.0.1:0", &everybody, 0);
    heap_of_one(f, 16); /* what the loop keeps is there now */
    size_t silent = heap_of_one(f, 0), begun = heap_of_one(f, 16);
    assert_true(begun <= silent + 128);
    done(f);
}

static void the_header_can_be_asked_for(void **state)
{
    struct fixture *f = proxied(state, "127.0.0.1:0", &everybody, 0);
    struct asynchat_proxy said = {.size = sizeof said};
    char own[ASYNCHAT_ADDRESS_SIZE];
    uint8_t header[] =
        BEGIN "\x21\x11\0\x50" ADDRESSES "\1\0\2h2\2\0\3abc\5\0\4id\0x"
              "\x20\0\x16\7\0\0\0\0\x21\0\7TLSv1.3\x22\0\4name"
              "\xe0\0\1z\3\0\4\0\0\0\0";
    size_t len = sizeof header - 1;
    header[15] = (uint8_t)(len - 16);
    uint32_t sum = asynchat__crc32c(0, header, len);
    for (int i = 0; i < 4; i++)
        header[len - 4 + (size_t)i] = (uint8_t)(sum >> (24 - 8 * i));
    int fd = dial_server(f);
    put(fd, header, len);
    turn(f);
    expect_events("connect(192.0.2.7:4711)");
    assert_int_equal(asynchat_get_proxy(last, &said), 0);
    assert_int_equal(said.size, sizeof said);
    assert_int_equal(said.version, 2);
    assert_int_equal(said.local, 0);
    assert_int_equal(said.ssl, 7);
    assert_int_equal(said.verified, 1);
    assert_int_equal(said.alpn_len, 2);
    assert_memory_equal(said.alpn, "h2", 2);
    assert_int_equal(said.authority_len, 3);
    assert_memory_equal(said.authority, "abc", 3);
    assert_int_equal(said.unique_id_len, 4);
    assert_memory_equal(said.unique_id, "id\0x", 4);
    assert_int_equal(said.ssl_version_len, 7);
    assert_memory_equal(said.ssl_version, "TLSv1.3", 7);
    assert_int_equal(said.ssl_name_len, 4);
    assert_memory_equal(said.ssl_name, "name", 4);
    assert_int_equal(said.tlvs_len, len - 28);
    assert_string_equal(said.destination, "192.0.2.1:25");
    struct sockaddr_in name;
    socklen_t size = sizeof name;
    getsockname(fd, (struct sockaddr *)&name, &size);
    snprintf(own, sizeof own, "127.0.0.1:%d", ntohs(name.sin_port));
    assert_string_equal(said.balancer, own);
    hang_up(f, fd);
    header[len - 1] ^= 1;
    events[0] = '\0';
    come(f, header, len, "error(EPROXY) close(error)");
    done(f);
}

static void no_header_is_no_answer(void **state)
{
    static const char *const list[] = {"127.0.0.2", NULL};
    const struct asynchat_proxy_options some = {.size = sizeof some,
                                                .from = list};
    struct fixture *f = proxied(state, "127.0.0.1:0", &some, 0);
    struct asynchat_proxy said = {.size = sizeof said};
    int fd = dial_from(f, "127.0.0.1");
    turn(f);
    assert_int_equal(asynchat_get_proxy(last, &said), -ENOENT);
    assert_int_equal(asynchat_get_proxy(NULL, &said), -EINVAL);
    assert_int_equal(asynchat_get_proxy(last, NULL), -EINVAL);
    said.size = 0;
    assert_int_equal(asynchat_get_proxy(last, &said), -EINVAL);
    hang_up(f, fd);
    fd = dial_from(f, "127.0.0.2"); /* here TLVs are not kept */
    put(fd, BYTES(BEGIN "\x21\x11\0\x11" ADDRESSES "\1\0\2h2"));
    turn(f);
    said.size = sizeof said;
    assert_int_equal(asynchat_get_proxy(last, &said), 0);
    assert_int_equal(said.tlvs_len + said.alpn_len, 0);
    assert_string_equal(said.destination, "192.0.2.1:25");
    hang_up(f, fd);
    done(f);
}

/* --- a layer behind the header --- */

static int made;

static int make_toy(struct asynchat_channel *ch, void *arg)
{
    struct toy *toy = toy_new(false);
    int error = asynchat_set_layer(ch, &toy_ops, toy, NULL);
    (void)arg;
    made++;
    assert_int_equal(error, 0);
    return 0;
}

static int make_nothing(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    (void)arg;
    return 0;
}

static int make_error(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    (void)arg;
    return -EPERM;
}

/* A header, and a line as the toy's client seals it. */
static size_t sealed_hello(uint8_t *to, size_t room)
{
    struct toy *toy = toy_new(true);
    size_t len = sizeof V2 - 1, given;
    memcpy(to, V2, len);
    for (int how = ASYNCHAT_LAYER_SAYS; how & ASYNCHAT_LAYER_SAYS;) {
        how = toy_ops.seal(toy, NULL, 0, to + len, room - len, &given);
        assert_true(how >= 0);
        len += given;
    }
    assert_true(toy_ops.seal(toy, "hello\n", 6, to + len, room - len, &given) >=
                0);
    toy_ops.release(toy);
    return len + given;
}

static void what_is_behind_the_header_is_the_layer_s(void **state)
{
    struct fixture *f = proxied(state, "127.0.0.1:0", &everybody, 0);
    static uint8_t stream[65536];
    size_t len = sealed_hello(stream, sizeof stream);
    assert_int_equal(asynchat_server_set_layer(f->server, make_toy, NULL), 0);
    for (size_t cut = 0; cut <= len; cut++) {
        int fd = dial_server(f);
        put(fd, stream, cut);
        turn(f);
        put(fd, stream + cut, len - cut);
        turn(f);
        close(fd);
        turn(f);
        assert_non_null(strstr(events, "connect(192.0.2.7:4711) line(hello)"));
        events[0] = '\0';
    }
    assert_int_equal(toys, 0);
    asynchat_server_set_layer(f->server, make_nothing, NULL);
    come(f, BYTES(V2 "x\n"), "connect(192.0.2.7:4711) line(x) close(EOF)");
    asynchat_server_set_layer(f->server, make_error, NULL);
    come(f, BYTES(V2 "x\n"), "error(Operation not permitted) close(error)");
    done(f);
}

/* A handshake that may last as long as it wants. */
static int make_patient(struct asynchat_channel *ch, void *arg)
{
    const struct asynchat_layer_options options = {.size = sizeof options,
                                                   .time = UINT_MAX};
    struct toy *toy = toy_new(false);
    (void)arg;
    toy->steps = 1;
    return asynchat_set_layer(ch, &toy_ops, toy, &options);
}

static void the_time_of_the_header_is_not_that_of_the_layer(void **state)
{
    struct fixture *f = proxied(state, "127.0.0.1:0", &everybody, 0);
    assert_int_equal(asynchat_server_set_layer(f->server, make_patient, NULL),
                     0);
    int fd = dial_server(f);
    put(fd, V2, 5);
    turn(f);
    put(fd, &(V2)[5], sizeof V2 - 1 - 5);
    turn(f);
    clock_advance(20000);
    turn(f);
    expect_events("");
    hang_up(f, fd);
    assert_non_null(strstr(events, "error("));
    done(f);
}

/* --- ends --- */

static void handle_connect_may_free_the_channel(void **state)
{
    struct fixture *f = proxied(state, "127.0.0.1:0", &everybody, 0);
    frees = true;
    come(f, BYTES(V2 "hello\n"), "connect(192.0.2.7:4711)");
    done(f);
}

static void handle_connect_may_detach_with_what_is_behind(void **state)
{
    char bytes[16] = "";
    struct fixture *f = proxied(state, "127.0.0.1:0", &everybody, 0);
    rest = evbuffer_new();
    come(f, BYTES(V2 "hello\n"), "connect(192.0.2.7:4711)");
    assert_int_equal(evbuffer_remove(rest, bytes, sizeof bytes), 6);
    assert_string_equal(bytes, "hello\n");
    evbuffer_free(rest);
    done(f);
}

static void handle_connect_may_discard_what_is_behind(void **state)
{
    struct fixture *f = proxied(state, "127.0.0.1:0", &everybody, 0);
    discards = true;
    come(f, BYTES(V2 "hello\n"), "connect(192.0.2.7:4711) close(EOF)");
    done(f);
}

/* The header is no input that is waited for, though it had arrived. */
static void a_channel_that_leaves_waits_for_no_header(void **state)
{
    struct fixture *f = proxied(state, "127.0.0.1:0", &everybody, 0);
    int one = dial_server(f), two = dial_server(f);
    turn(f);
    put(one, BYTES(V2));
    put(two, BYTES(V2 "x\n"));
    assert_int_equal(asynchat_server_stop(f->server, 1000, NULL, NULL), 0);
    f->server = NULL;
    turn(f);
    assert_non_null(strstr(events, "line(x)"));
    assert_null(strstr(events, "error"));
    assert_non_null(strstr(events, "close(0) "));
    assert_memory_equal(events + strlen(events) - 8, "close(0)", 8);
    close(one);
    close(two);
}

static void a_server_that_stops_waits_for_headers_until_its_grace_is_over(
    void **state)
{
    struct fixture *f = proxied(state, "127.0.0.1:0", &everybody, 0);
    int one = dial_server(f), two = dial_server(f), three = dial_server(f);
    put(one, V2, 20);
    turn(f);
    assert_int_equal(asynchat_server_stop(f->server, 1000, NULL, NULL), 0);
    turn(f);
    put(one, &(V2 "x\n")[20], sizeof V2 - 1 - 20 + 2);
    turn(f);
    put(two, BYTES(V2 "y\n"));
    turn(f);
    expect_events("connect(192.0.2.7:4711) line(x) close(0) "
                  "connect(192.0.2.7:4711) line(y) close(0)");
    clock_advance(1000);
    turn(f);
    expect_events("error(ESTOPPED) close(error)");
    close(one);
    close(two);
    close(three);
    f->server = NULL;
}

static void a_server_that_is_freed_leaves_its_channels(void **state)
{
    struct fixture *f = proxied(state, "127.0.0.1:0", &everybody, 10);
    int fd = dial_server(f);
    turn(f);
    asynchat_server_free(f->server);
    f->server = NULL;
    put(fd, BYTES(V2));
    expect_served(f, fd);
    hang_up(f, fd);
    expect_events("connect(192.0.2.7:4711) line(hello) close(EOF)");
    f = proxied(state, "127.0.0.1:0", &everybody, 0); /* with a layer */
    assert_int_equal(asynchat_server_set_layer(f->server, make_toy, NULL), 0);
    fd = dial_server(f);
    turn(f);
    made = 0;
    asynchat_server_free(f->server);
    put(fd, BYTES(V2));
    turn(f);
    expect_events("error(ESTOPPED) close(error)");
    assert_int_equal(made, 0);
    close(fd);
    f->server = NULL;
}

/* --- with workers --- */

static _Atomic int served;

static void worker_line(struct asynchat_channel *ch, const void *data,
                        size_t len, void *arg)
{
    char peer[ASYNCHAT_ADDRESS_SIZE];
    (void)arg;
    asynchat_peer_address(ch, peer, sizeof peer);
    asynchat_push(ch, data, len);
    asynchat_push_printf(ch, " %s\n", peer);
    served++;
}

static void worker_connect(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    asynchat_set_terminator(ch, "\n", 1);
}

/* Makes a server whose workers answer lines. */
static struct asynchat_workers *give_to_workers(
    struct fixture *f, const struct asynchat_proxy_options *proxy)
{
    static const struct asynchat_handler answers = {.size = sizeof answers,
                                                    .handle_connect =
                                                        worker_connect,
                                                    .message = worker_line};
    struct asynchat_server_options options = {.size = sizeof options,
                                              .proxy = proxy};
    assert_int_equal(asynchat_workers_new(2, NULL, NULL, &options.workers), 0);
    assert_int_equal(asynchat_server_new(f->base, "127.0.0.1:0", &answers, NULL,
                                         &options, &f->server),
                     0);
    return options.workers;
}

static void take_from_workers(struct fixture *f,
                              struct asynchat_workers *workers)
{
    asynchat_server_free(f->server);
    f->server = NULL;
    asynchat_workers_free(workers);
}

/* Waits for the answer to "x", which names the peer of the header. */
static void expect_worker(int fd)
{
    char got[64];
    for (size_t len = 0; len < 17;) {
        ssize_t n = recv(fd, got + len, sizeof got - len, 0);
        assert_true(n > 0);
        len += (size_t)n;
    }
    assert_memory_equal(got, "x 192.0.2.7:4711\n", 17);
}

static void workers_read_headers_too(void **state)
{
    struct fixture *f = *state;
    struct asynchat_workers *workers = give_to_workers(f, &everybody);
    int fds[4], silent;
    silent = dial_server(f);
    for (size_t i = 0; i < COUNT(fds); i++) {
        fds[i] = dial_server(f);
        put(fds[i], V1, 10 * i);
    }
    turn(f);
    for (size_t i = 0; i < COUNT(fds); i++) {
        put(fds[i], &(V1 "x\n")[10 * i], sizeof V1 + 1 - 10 * i);
        expect_worker(fds[i]);
        close(fds[i]);
    }
    take_from_workers(f, workers);
    close(silent);
}

/* The limit counts connections that a worker has not looked at yet. */
static void workers_share_the_limit_of_headers(void **state)
{
    const struct asynchat_proxy_options two = {.size = sizeof two, .most = 2};
    struct fixture *f = *state;
    struct asynchat_workers *workers = give_to_workers(f, &two);
    char got[8];
    int fds[8];
    for (size_t i = 0; i < COUNT(fds); i++)
        fds[i] = dial_server(f);
    turn(f);
    for (size_t i = 2; i < COUNT(fds); i++)
        assert_int_equal(recv(fds[i], got, 1, MSG_DONTWAIT), 0);
    for (size_t i = 0; i < COUNT(fds); i++) {
        if (i >= 2) { /* those before have made room */
            close(fds[i]);
            fds[i] = dial_server(f);
            turn(f);
        }
        put(fds[i], BYTES(V1 "x\n"));
        expect_worker(fds[i]);
    }
    for (size_t i = 0; i < COUNT(fds); i++)
        close(fds[i]);
    take_from_workers(f, workers);
}

static void a_worker_without_memory_leaves_nobody_counted(void **state)
{
    const struct asynchat_proxy_options one = {.size = sizeof one, .most = 1};
    struct fixture *f = *state;
    struct asynchat_workers *workers = give_to_workers(f, &one);
    char got[8];
    int fd = dial_server(f);
    memory = 1; /* that is for the worker's post, and none for the channel */
    turn(f);
    assert_int_equal(recv(fd, got, 1, 0), 0);
    assert_int_equal(memory, -1);
    close(fd);
    fd = dial_server(f);
    put(fd, BYTES(V1 "x\n"));
    turn(f);
    expect_worker(fd);
    close(fd);
    take_from_workers(f, workers);
}

#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, log_setup, log_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(cuts_make_no_difference),
        TEST(byte_by_byte_is_the_same),
        TEST(a_header_is_read_where_it_is_required_and_nowhere_else),
        TEST(mapped_addresses_are_folded),
        TEST(a_line_of_two_families_is_taken),
        TEST(options_are_checked),
        TEST(local_and_unknown_keep_the_own_address),
        TEST(over_a_unix_socket_the_header_s_address_is_told),
        TEST(the_greeting_comes_after_the_header),
        TEST(a_client_that_waits_is_closed_and_the_log_says_why),
        TEST(dribbling_does_not_help),
        TEST(the_time_ends_with_the_header),
        TEST(silent_clients_hold_nobody_up),
        TEST(the_address_of_the_header_is_counted),
        TEST(headers_without_an_address_are_not_counted),
        TEST(headers_that_are_waited_for_have_a_limit),
        TEST(without_memory_nobody_is_counted_for_ever),
        TEST(checks_are_not_logged),
        TEST(a_reset_of_a_client_that_has_said_something_is_logged),
        TEST(a_wrong_header_is_one_warning_with_its_first_bytes),
        TEST(long_headers_are_taken),
        TEST(memory_grows_as_bytes_come),
        TEST(the_header_can_be_asked_for),
        TEST(no_header_is_no_answer),
        TEST(what_is_behind_the_header_is_the_layer_s),
        TEST(the_time_of_the_header_is_not_that_of_the_layer),
        TEST(handle_connect_may_free_the_channel),
        TEST(handle_connect_may_detach_with_what_is_behind),
        TEST(handle_connect_may_discard_what_is_behind),
        TEST(a_channel_that_leaves_waits_for_no_header),
        TEST(a_server_that_stops_waits_for_headers_until_its_grace_is_over),
        TEST(a_server_that_is_freed_leaves_its_channels),
        TEST(workers_read_headers_too),
        TEST(workers_share_the_limit_of_headers),
        TEST(a_worker_without_memory_leaves_nobody_counted),
    };
    if (asynchat_set_mem_functions(get_memory, realloc, free) != 0)
        return 1;
    return RUN(tests);
}
