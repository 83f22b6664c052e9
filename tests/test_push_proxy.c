/* A PROXY header that is sent: before everything else, in one system call, with
 * a layer behind it, and what it tells.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "clock.h"
#include "serving.h"
#include "toy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <event2/bufferevent.h>
#include <event2/event.h>

#include "base/address.h"
#include "framer/proxy.h"

#define BEGIN "\r\n\r\n\0\r\nQUIT\n"
#define UNKNOWN "PROXY UNKNOWN\r\n"
#define LOCAL BEGIN "\x20\0\0\0"

/* --- the system --- */

static size_t sent[64]; /* what each write took */
static unsigned writes;
static bool counting;

static ssize_t count(ssize_t n)
{
    if (counting && n >= 0 && writes < COUNT(sent))
        sent[writes++] = (size_t)n;
    return n;
}

ssize_t send(int fd, const void *data, size_t len, int flags)
{
    return count(syscall(SYS_sendto, fd, data, len, flags, NULL, 0));
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    return count(syscall(SYS_sendmsg, fd, message, flags));
}

/* --- a channel that connects, and what its peer gets --- */

static int listening;
static char address[64];

/* `first` is pushed before, `in_time` in handle_connect. */
static const char *in_time;
static int in_time_error;

static void on_connect(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    if (in_time)
        in_time_error = asynchat_push_proxy(ch, 1, NULL, NULL);
    if (in_time)
        asynchat_push(ch, in_time, strlen(in_time));
}

static const struct asynchat_handler handler = {.size = sizeof handler,
                                                .handle_connect = on_connect};

static int setup(void **state)
{
    in_time = NULL;
    counting = false;
    writes = 0;
    listening = -1;
    return fixture_setup(state);
}

static int teardown(void **state)
{
    if (listening >= 0)
        close(listening);
    unlink(unix_path());
    return fixture_teardown(state);
}

static void listen_on(const char *text)
{
    struct address at;
    assert_int_equal(asynchat__address_parse(&at, text), 0);
    listening = socket(at.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listening, (struct sockaddr *)&at.storage, at.len),
                     0);
    assert_int_equal(listen(listening, 10), 0);
    assert_int_equal(asynchat__address_of(listening, getsockname, &at), 0);
    assert_int_equal(asynchat__address_format(&at, address, sizeof address), 0);
}

static struct asynchat_channel *begin(struct fixture *f)
{
    struct asynchat_channel *ch;
    if (listening < 0)
        listen_on("127.0.0.1:0");
    assert_int_equal(asynchat_connect(f->base, address, 0, &handler, f, &ch),
                     0);
    counting = true;
    return ch;
}

/* The peer gets these bytes, and no others; the first write had at least the
 * first `first` of them. */
static void expect_bytes(struct fixture *f, struct asynchat_channel *ch,
                         const void *bytes, size_t len, size_t first)
{
    char got[4096];
    size_t have = 0;
    turn(f);
    int fd = accept(listening, NULL, NULL);
    assert_true(fd >= 0);
    for (ssize_t n = 1; n > 0;) {
        turn(f);
        n = recv(fd, got + have, sizeof got - have, MSG_DONTWAIT);
        have += n > 0 ? (size_t)n : 0;
    }
    assert_int_equal(have, len);
    assert_memory_equal(got, bytes, len);
    assert_true(writes > 0 && sent[0] >= first);
    counting = false;
    writes = 0;
    close(fd);
    asynchat_channel_free(ch);
    turn(f);
}

#define EXPECT(ch, first, rest)                                                \
    expect_bytes(f, ch, first rest, sizeof(first rest) - 1, sizeof(first) - 1)

static int push(struct asynchat_channel *ch, const char *text)
{
    return asynchat_push(ch, text, strlen(text));
}

/* --- before everything else --- */

static void a_header_goes_before_what_was_pushed(void **state)
{
    struct fixture *f = *state;
    struct asynchat_channel *ch = begin(f);
    assert_int_equal(push(ch, "first\n"), 0);
    assert_int_equal(asynchat_push_proxy(ch, 1, NULL, NULL), 0);
    assert_int_equal(push(ch, "second\n"), 0);
    EXPECT(ch, UNKNOWN, "first\nsecond\n");
    ch = begin(f);
    assert_int_equal(asynchat_push_proxy(ch, 2, NULL, NULL), 0);
    assert_int_equal(push(ch, "first\n"), 0);
    EXPECT(ch, LOCAL, "first\n");
    ch = begin(f); /* alone */
    assert_int_equal(asynchat_push_proxy(ch, 2, NULL, NULL), 0);
    EXPECT(ch, LOCAL, "");
}

static void header_and_pushes_leave_in_one_write(void **state)
{
    struct fixture *f = *state;
    struct asynchat_channel *ch = begin(f);
    assert_int_equal(push(ch, "first\n"), 0);
    assert_int_equal(asynchat_push_proxy(ch, 1, NULL, NULL), 0);
    EXPECT(ch, UNKNOWN "first\n", "");
}

static void handle_connect_may_push_it(void **state)
{
    struct fixture *f = *state;
    struct asynchat_channel *ch = begin(f);
    assert_int_equal(push(ch, "first\n"), 0);
    in_time = "second\n";
    EXPECT(ch, UNKNOWN, "first\nsecond\n");
    assert_int_equal(in_time_error, 0);
}

/* Also a block that lies where it is, and pushes that lie in the loop. */
static void a_connection_that_has_sent_nothing_takes_it(void **state)
{
    struct fixture *f = *state;
    struct asynchat_channel *ch = begin(f);
    struct asynchat_block *block = asynchat_block_new("block\n", 6);
    turn(f);
    assert_int_equal(asynchat_push_shared(ch, block), 0);
    assert_int_equal(asynchat_push_proxy(ch, 1, NULL, NULL), 0);
    assert_int_equal(push(ch, "second\n"), 0);
    EXPECT(ch, UNKNOWN, "block\nsecond\n");
    ch = begin(f);
    turn(f);
    assert_int_equal(asynchat_push_shared(ch, block), 0);
    assert_int_equal(asynchat_push_proxy(ch, 1, NULL, NULL), 0);
    EXPECT(ch, UNKNOWN, "block\n");
    asynchat_block_free(block);
    ch = begin(f);
    turn(f);
    assert_int_equal(asynchat_push_proxy(ch, 2, NULL, NULL), 0);
    EXPECT(ch, LOCAL, "");
    ch = begin(f);
    turn(f);
    assert_int_equal(push(ch, "first\n"), 0);
    assert_int_equal(asynchat_push_proxy(ch, 2, NULL, NULL), 0);
    EXPECT(ch, LOCAL, "first\n");
}

/* Receivers take no header in two pieces. */
static void sizes_and_rates_do_not_divide_it(void **state)
{
    static const struct asynchat_rates rates = {
        .size = sizeof rates, .write = 4, .write_burst = 4};
    struct fixture *f = *state;
    struct asynchat_channel *ch = begin(f);
    asynchat_set_out_buffer_size(ch, 1);
    assert_int_equal(asynchat_push_proxy(ch, 1, NULL, NULL), 0);
    assert_int_equal(push(ch, "ab"), 0);
    EXPECT(ch, UNKNOWN, "ab");
    ch = begin(f);
    turn(f);
    asynchat_set_out_buffer_size(ch, 1);
    assert_int_equal(asynchat_push_proxy(ch, 1, NULL, NULL), 0);
    EXPECT(ch, UNKNOWN, "");
    ch = begin(f);
    assert_int_equal(asynchat_set_rates(ch, &rates), 0);
    assert_int_equal(asynchat_push_proxy(ch, 2, NULL, NULL), 0);
    EXPECT(ch, LOCAL, "");
}

static void discarding_before_the_connection_is_up_keeps_it(void **state)
{
    struct fixture *f = *state;
    struct asynchat_channel *ch = begin(f);
    assert_int_equal(asynchat_push_proxy(ch, 1, NULL, NULL), 0);
    assert_int_equal(push(ch, "first\n"), 0);
    asynchat_discard_buffers(ch);
    assert_int_equal(push(ch, "second\n"), 0);
    EXPECT(ch, UNKNOWN, "second\n");
}

static void a_producer_comes_behind_it(void **state)
{
    struct fixture *f = *state;
    struct asynchat_channel *ch = begin(f);
    assert_int_equal(asynchat_push_producer(
                         ch, asynchat_producer_simple("simple\n", 7, 512)),
                     0);
    assert_int_equal(asynchat_push_proxy(ch, 1, NULL, NULL), 0);
    assert_int_equal(asynchat_close_when_done(ch), 0);
    turn(f);
    int fd = accept(listening, NULL, NULL);
    char got[64];
    turn(f);
    assert_int_equal(recv(fd, got, sizeof got, MSG_DONTWAIT), 22);
    assert_memory_equal(got, UNKNOWN "simple\n", 22);
    close(fd);
    turn(f);
}

/* --- what is refused --- */

static void errors_change_nothing(void **state)
{
    static const struct asynchat_proxy_tlv tlvs[] = {{0xe0, 1, "x"},
                                                     {0, 0, NULL}};
    static const uint8_t zeroes[65000];
    const struct asynchat_proxy_tlv many[] = {{0xe0, 64999, zeroes},
                                              {0, 0, NULL}};
    struct fixture *f = *state;
    struct asynchat_channel *ch = begin(f);
    assert_int_equal(asynchat_push_proxy(NULL, 1, NULL, NULL), -EINVAL);
    assert_int_equal(asynchat_push_proxy(ch, 0, NULL, NULL), -EINVAL);
    assert_int_equal(asynchat_push_proxy(ch, 3, NULL, NULL), -EINVAL);
    assert_int_equal(asynchat_push_proxy(ch, 1, NULL, tlvs), -EINVAL);
    assert_int_equal(asynchat_push_proxy(ch, 2, NULL, many), -EMSGSIZE);
    assert_int_equal(asynchat_push_proxy(ch, 1, NULL, &tlvs[1]), 0);
    assert_int_equal(asynchat_push_proxy(ch, 1, NULL, NULL), -EBUSY);
    turn(f);
    assert_int_equal(asynchat_push_proxy(ch, 1, NULL, NULL), -EBUSY);
    EXPECT(ch, UNKNOWN, "");
    ch = begin(f);
    push(ch, "x");
    turn(f);
    assert_int_equal(asynchat_push_proxy(ch, 1, NULL, NULL), -EBUSY);
    EXPECT(ch, "x", "");
    ch = begin(f);
    turn(f); /* it is connected */
    assert_int_equal(asynchat_close_when_done(ch), 0);
    assert_int_equal(asynchat_push_proxy(ch, 1, NULL, NULL), ASYNCHAT_ECLOSED);
    asynchat_channel_free(ch);
}

/* A header behind the beginning of a layer would be sealed. */
static void a_layer_comes_after_it(void **state)
{
    struct fixture *f = *state;
    struct asynchat_channel *ch = begin(f);
    struct toy *toy = toy_new(true);
    assert_int_equal(asynchat_set_layer(ch, &toy_ops, toy, NULL), 0);
    assert_int_equal(asynchat_push_proxy(ch, 1, NULL, NULL), -EBUSY);
    asynchat_channel_free(ch);
    assert_int_equal(toys, 0);
}

/* --- with a layer --- */

/* The peer gets the header as it is, in a write of its own, and then what the
 * toy says. */
static void expect_sealed(struct fixture *f, struct asynchat_channel *ch)
{
    char got[256];
    turn(f);
    int fd = accept(listening, NULL, NULL);
    turn(f);
    ssize_t n = recv(fd, got, sizeof got, MSG_DONTWAIT);
    assert_true(n > 15 + 12);
    assert_memory_equal(got, UNKNOWN, 15);
    assert_null(memmem(got, (size_t)n, "secret", 6));
    assert_int_equal(sent[0], 15);
    counting = false;
    writes = 0;
    close(fd);
    asynchat_channel_free(ch);
    turn(f);
    assert_int_equal(toys, 0);
}

static void the_header_goes_before_a_layer(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 4; i++) {
        bool pushes = i % 2;
        if (i == 2) { /* here the connection is up at once */
            close(listening);
            listen_on(unix_address());
        }
        struct asynchat_channel *ch = begin(f);
        if (pushes)
            push(ch, "secret");
        assert_int_equal(asynchat_push_proxy(ch, 1, NULL, NULL), 0);
        assert_int_equal(asynchat_set_layer(ch, &toy_ops, toy_new(true), NULL),
                         0);
        push(ch, "secret");
        if (pushes)
            asynchat_discard_buffers(ch);
        push(ch, "secret");
        expect_sealed(f, ch);
    }
}

static void layers_meet_behind_the_header(void **state)
{
    static const struct asynchat_proxy_options everybody = {
        .size = sizeof everybody};
    const struct asynchat_server_options options = {.size = sizeof options,
                                                    .proxy = &everybody};
    struct fixture *f = serve_with(state, "127.0.0.1:0", &options);
    struct asynchat_channel *ch;
    assert_int_equal(
        asynchat_server_address(f->server, address, sizeof address), 0);
    assert_int_equal(asynchat_connect(f->base, address, 0, &handler, f, &ch),
                     0);
    assert_int_equal(asynchat_push_proxy(ch, 2, NULL, NULL), 0);
    turn(f);
    assert_int_equal(connected, 1);
    asynchat_channel_free(ch);
    turn(f);
}

/* --- over other transports --- */

static void it_goes_first(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(push(f->ch, "x"), 0);
    assert_int_equal(asynchat_push_proxy(f->ch, 1, NULL, NULL), 0);
    settle(f);
    expect_got(f, UNKNOWN "x");
    close_connection(f);
}

/* --- what it tells --- */

static struct asynchat_channel *accepted; /* by the server of this test */

static void keep_accepted(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    accepted = ch;
}

static void forget_accepted(struct asynchat_channel *ch, int status, void *arg)
{
    (void)ch;
    (void)status;
    (void)arg;
    accepted = NULL;
}

static const struct asynchat_handler keeper = {.size = sizeof keeper,
                                               .handle_connect = keep_accepted,
                                               .handle_close = forget_accepted};

/* A connection comes to a server at `to` with these bytes, and is told of by a
 * header of version 1. Answers the client's descriptor. */
static int tell(struct fixture *f, const char *to, const char *bytes,
                bool proxied, char line[128])
{
    static const struct asynchat_proxy_options everybody = {
        .size = sizeof everybody};
    const struct asynchat_server_options options = {
        .size = sizeof options, .proxy = proxied ? &everybody : NULL};
    assert_int_equal(
        asynchat_server_new(f->base, to, &keeper, f, &options, &f->server), 0);
    char at[ASYNCHAT_ADDRESS_SIZE];
    asynchat_server_address(f->server, at, sizeof at);
    int client = strncmp(at, "[::]:", 5) == 0 ? -1 : dial(at);
    if (client < 0) {
        snprintf(at, sizeof at, "127.0.0.1:%d",
                 asynchat_server_port(f->server));
        client = dial(at);
    }
    assert_true(client >= 0);
    send(client, bytes, strlen(bytes), 0);
    turn(f);
    assert_non_null(accepted);
    struct asynchat_channel *ch = begin(f);
    assert_int_equal(asynchat_push_proxy(ch, 1, accepted, NULL), 0);
    turn(f);
    int fd = accept(listening, NULL, NULL);
    ssize_t n = recv(fd, line, 127, 0);
    assert_true(n > 0);
    line[n] = '\0';
    close(fd);
    asynchat_channel_free(ch);
    asynchat_server_free(f->server);
    f->server = NULL;
    return client;
}

/* The line that is expected of a client of IPv4 or IPv6. */
static void own_line(int client, char line[128])
{
    struct address own, peer;
    struct peer_address from, to;
    uint8_t bytes[128];
    asynchat__address_of(client, getsockname, &own);
    asynchat__address_of(client, getpeername, &peer);
    asynchat__address_keep(&from, &own);
    asynchat__address_keep(&to, &peer);
    size_t len = asynchat__proxy_write(bytes, 1, from, to, NULL);
    memcpy(line, bytes, len);
    line[len] = '\0';
}

static void expect_told(struct fixture *f, const char *to, const char *bytes,
                        bool proxied, const char *expected)
{
    char line[128], own[128];
    int client = tell(f, to, bytes, proxied, line);
    own_line(client, own);
    assert_string_equal(line, expected ? expected : own);
    close(client);
    turn(f);
}

static void a_header_tells_of_the_peer(void **state)
{
    struct fixture *f = *state;
    expect_told(f, "127.0.0.1:0", "", false, NULL);
    expect_told(f, "[::1]:0", "", false, NULL);
    expect_told(f, "[::]:0", "", false, NULL); /* mapped, and told as IPv4 */
    expect_told(f, unix_address(), "", false, UNKNOWN);
}

static void a_header_that_came_is_passed_on(void **state)
{
    struct fixture *f = *state;
    const char *line = "PROXY TCP4 192.0.2.7 192.0.2.1 4711 25\r\n";
    expect_told(f, "127.0.0.1:0", line, true, line);
    expect_told(f, unix_address(), line, true, line);
    expect_told(f, "127.0.0.1:0",
                "PROXY TCP6 2001:db8::1 127.0.0.1 5555 22012\r\n", true,
                "PROXY TCP6 2001:db8::1 ::ffff:127.0.0.1 5555 22012\r\n");
    expect_told(f, "127.0.0.1:0",
                "PROXY TCP6 ::ffff:192.0.2.7 ::ffff:192.0.2.1 4711 25\r\n",
                true, line);
    expect_told(f, "127.0.0.1:0", UNKNOWN, true, NULL);
    expect_told(f, unix_address(), UNKNOWN, true, UNKNOWN);
}

static void tlvs_are_sent(void **state)
{
    static const struct asynchat_proxy_tlv tlvs[] = {
        {ASYNCHAT_PROXY_ALPN, 2, "h2"},
        {ASYNCHAT_PROXY_CRC32C, 0, NULL},
        {0, 0, NULL}};
    struct fixture *f = *state;
    struct proxy p = {.limit = PROXY_MOST};
    uint8_t got[128];
    size_t used;
    assert_int_equal(asynchat_server_new(f->base, "127.0.0.1:0", &keeper, f,
                                         NULL, &f->server),
                     0);
    int client = dial_server(f);
    turn(f);
    struct asynchat_channel *ch = begin(f);
    assert_int_equal(asynchat_push_proxy(ch, 2, accepted, tlvs), 0);
    turn(f);
    int fd = accept(listening, NULL, NULL);
    ssize_t n = recv(fd, got, sizeof got, 0);
    assert_int_equal(n, 28 + 5 + 7);
    assert_int_equal(asynchat__proxy_take(&p, got, (size_t)n, &used), 1);
    assert_int_equal(used, n);
    assert_memory_equal(got + 28, "\1\0\2h2\3\0\4", 8);
    close(fd);
    asynchat_channel_free(ch);
    close(client);
    turn(f);
}

/* A header that came says that there can be no other. */
static void a_connection_with_a_header_sends_none(void **state)
{
    static const struct asynchat_proxy_options everybody = {
        .size = sizeof everybody};
    const struct asynchat_server_options options = {.size = sizeof options,
                                                    .proxy = &everybody};
    struct fixture *f = *state;
    assert_int_equal(asynchat_server_new(f->base, "127.0.0.1:0", &keeper, f,
                                         &options, &f->server),
                     0);
    int client = dial_server(f);
    send(client, UNKNOWN, 15, 0);
    turn(f);
    assert_int_equal(asynchat_push_proxy(accepted, 1, NULL, NULL), -EBUSY);
    close(client);
    turn(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_header_goes_before_what_was_pushed),
        TEST(header_and_pushes_leave_in_one_write),
        TEST(handle_connect_may_push_it),
        TEST(a_connection_that_has_sent_nothing_takes_it),
        TEST(sizes_and_rates_do_not_divide_it),
        TEST(discarding_before_the_connection_is_up_keeps_it),
        TEST(a_producer_comes_behind_it),
        TEST(errors_change_nothing),
        TEST(a_layer_comes_after_it),
        TEST(the_header_goes_before_a_layer),
        TEST(layers_meet_behind_the_header),
        OVER_ALL(it_goes_first),
        TEST(a_header_tells_of_the_peer),
        TEST(a_header_that_came_is_passed_on),
        TEST(tlvs_are_sent),
        TEST(a_connection_with_a_header_sends_none),
    };
    return RUN(tests);
}
