/* Names, several addresses, and TLS: whose handshake decides, and what goes to
 * whom. SPDX-License-Identifier: BSD-3-Clause */
#include "talk.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include <event2/event.h>

#include <asynchat/resolver.h>

/* The servers of one name. */
#define SERVERS 3

static struct asynchat_server *servers[SERVERS];
static struct side sides[SERVERS];
static int count;
static int mute; /* which of them speaks no TLS, counted from 1; or 0 */

static int begin_lookup(struct asynchat_lookup *lookup, const char *host,
                        const char *service, void *arg)
{
    int error = 0;
    (void)arg;
    assert_string_equal(host, "a.example");
    assert_string_equal(service, "465");
    for (int i = 0; i < count && !error; i++) {
        struct sockaddr_in at = {
            .sin_family = AF_INET,
            .sin_port = htons((uint16_t)asynchat_server_port(servers[i])),
            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        error = asynchat_lookup_add(lookup, (struct sockaddr *)&at, sizeof at);
    }
    asynchat_lookup_done(lookup, 0);
    return error;
}

static void cancel_lookup(struct asynchat_lookup *lookup, void *arg)
{
    (void)lookup, (void)arg;
}

static const struct asynchat_resolver resolver = {
    .size = sizeof resolver, .begin = begin_lookup, .cancel = cancel_lookup};

static void talk_new(struct talk *talk)
{
    memset(talk, 0, sizeof *talk);
    memset(sides, 0, sizeof sides);
    count = mute = 0;
    talk->base = event_base_new();
    assert_non_null(talk->base);
    assert_int_equal(asynchat_set_resolver(talk->base, &resolver, NULL), 0);
}

/* Another server of the name. If `tls` is NULL, it speaks in plain text. */
static struct side *serve(struct talk *talk, struct asynchat_tls *tls)
{
    struct side *side = &sides[count];
    assert_int_equal(asynchat_server_new(talk->base, "127.0.0.1:0",
                                         &side_handler, side, NULL,
                                         &servers[count]),
                     0);
    if (tls)
        assert_int_equal(asynchat_tls_serve(servers[count], tls), 0);
    count++;
    if (!tls)
        mute = count;
    return side;
}

static void talk_over(struct talk *talk)
{
    for (int i = 0; i < count; i++) {
        asynchat_channel_free(sides[i].ch);
        asynchat_server_free(servers[i]);
    }
    asynchat_channel_free(talk->client.ch);
    assert_int_equal(asynchat_set_resolver(talk->base, NULL, NULL), 0);
    event_base_loop(talk->base, EVLOOP_NONBLOCK);
    event_base_free(talk->base);
}

static int candidates;
static struct asynchat_tls *hasty; /* does not wait long for a handshake */

static int set_up(void **state)
{
    int error = world_setup(state);
    hasty = context(&(struct asynchat_tls_options){
        .size = sizeof(struct asynchat_tls_options),
        .flags = ASYNCHAT_TLS_CLIENT,
        .trust_text = world.authority->text,
        .handshake_time = 1000});
    return error;
}

static int tear_down(void **state)
{
    asynchat_tls_free(hasty);
    return world_teardown(state);
}

/* Only a server that speaks no TLS is left soon: valgrind makes handshakes
 * slow. */
static int start(struct asynchat_channel *ch, void *arg)
{
    struct side *side = arg;
    struct asynchat_tls *tls = ++candidates == mute ? hasty : world.client;
    assert_string_equal(side->log, "");
    return asynchat_tls_start(ch, tls, "a.example", 0, NULL);
}

static void dial(struct talk *talk, unsigned flags)
{
    const struct asynchat_connect_options options = {
        .size = sizeof options, .flags = flags, .candidate = start};
    candidates = 0;
    assert_int_equal(asynchat_connect_name(talk->base, "a.example", "465",
                                           &options, &side_handler,
                                           &talk->client, &talk->client.ch),
                     0);
    assert_int_equal(asynchat_push(talk->client.ch, "secret\n", 7), 0);
}

static struct asynchat_tls *for_another_name(void)
{
    struct identity *other =
        identity_new(world.authority, "DNS:b.example", 1000, "serverAuth");
    struct asynchat_tls *tls = context(&(struct asynchat_tls_options){
        .size = sizeof(struct asynchat_tls_options),
        .certificate_text = other->certificate,
        .key_text = other->key});
    identity_free(other);
    return tls;
}

/* What is said to a server that is refused is for that server alone. */
static void a_server_that_is_refused_hears_why(void **state)
{
    static struct talk talk;
    struct asynchat_tls *other = for_another_name();
    (void)state;
    talk_new(&talk);
    struct side *wrong = serve(&talk, other),
                *right = serve(&talk, world.server);
    dial(&talk, ASYNCHAT_CONNECT_HANDSHAKE);
    talk_until(&talk, right, "line(secret)");
    assert_int_equal(candidates, 2);
    expect(&talk.client, "connect");
    assert_non_null(strstr(wrong->log, "close("));
    assert_non_null(strstr(wrong->text, "alert"));
    talk_over(&talk);
    asynchat_tls_free(other);
}

static void of_the_only_address_the_reason_is_told(void **state)
{
    static struct talk talk;
    struct asynchat_tls *other = for_another_name();
    (void)state;
    talk_new(&talk);
    serve(&talk, other);
    dial(&talk, ASYNCHAT_CONNECT_HANDSHAKE);
    talk_until(&talk, &talk.client, "close(ECERTIFICATE)");
    expect(&talk.client, "error(ECERTIFICATE) close(ECERTIFICATE)");
    assert_non_null(strstr(talk.client.text, "ostname mismatch"));
    talk_over(&talk);
    asynchat_tls_free(other);
}

/* The first server is another, the second speaks no TLS. */
static void the_first_whose_handshake_is_good_wins(void **state)
{
    static struct talk talk;
    struct asynchat_tls *other = for_another_name();
    (void)state;
    talk_new(&talk);
    struct side *wrong = serve(&talk, other), *plain = serve(&talk, NULL),
                *right = serve(&talk, world.server);
    dial(&talk, ASYNCHAT_CONNECT_HANDSHAKE);
    talk_until(&talk, right, "line(secret)");
    assert_int_equal(candidates, 3);
    expect(&talk.client, "connect");
    assert_null(strstr(wrong->log, "connect"));
    assert_null(strstr(plain->log, "secret"));
    say(right, "welcome\n");
    talk_until(&talk, &talk.client, "line(welcome)");
    talk_over(&talk);
    asynchat_tls_free(other);
}

static void without_the_flag_the_first_connection_decides(void **state)
{
    static struct talk talk;
    struct asynchat_tls *other = for_another_name();
    (void)state;
    talk_new(&talk);
    serve(&talk, other);
    serve(&talk, world.server);
    dial(&talk, 0);
    talk_until(&talk, &talk.client, "close(ECERTIFICATE)");
    expect(&talk.client, "error(ECERTIFICATE) close(ECERTIFICATE)");
    assert_int_equal(candidates, 1);
    talk_over(&talk);
    asynchat_tls_free(other);
}

static void when_no_handshake_is_good_the_first_error_is_told(void **state)
{
    static struct talk talk;
    struct asynchat_tls *other = for_another_name();
    (void)state;
    talk_new(&talk);
    serve(&talk, other);
    serve(&talk, NULL);
    dial(&talk, ASYNCHAT_CONNECT_HANDSHAKE);
    talk_until(&talk, &talk.client, "close(ECERTIFICATE)");
    expect(&talk.client, "error(ECERTIFICATE) close(ECERTIFICATE)");
    assert_int_equal(candidates, 2);
    talk_over(&talk);
    asynchat_tls_free(other);
}

static void tls_connect_takes_a_name(void **state)
{
    static struct talk talk;
    (void)state;
    talk_new(&talk);
    struct side *side = serve(&talk, world.server);
    assert_int_equal(asynchat_tls_connect(talk.base, "a.example:465", 5000,
                                          world.client, "a.example",
                                          &side_handler, &talk.client,
                                          &talk.client.ch),
                     0);
    assert_int_equal(asynchat_push(talk.client.ch, "secret\n", 7), 0);
    talk_until(&talk, side, "line(secret)");
    talk_over(&talk);
}

/* --- a client that comes back --- */

static int failures, ups, downs;
static unsigned waits[8];

static void came_up(struct asynchat_client *c, struct asynchat_channel *ch,
                    void *arg)
{
    struct asynchat_tls_info info;
    (void)c;
    (void)arg;
    ups++;
    assert_int_equal(asynchat_tls_get_info(ch, &info, sizeof info), 0);
    assert_int_equal(asynchat_push(ch, "secret\n", 7), 0);
}

static void went_down(struct asynchat_client *c, int reason, unsigned wait,
                      void *arg)
{
    (void)c;
    (void)reason;
    (void)arg;
    waits[failures + downs++] = wait;
}

static void did_not_come(struct asynchat_client *c, int reason, unsigned wait,
                         void *arg)
{
    (void)c;
    (void)arg;
    assert_int_equal(reason, ASYNCHAT_ECERTIFICATE);
    waits[downs + failures++] = wait;
}

static int begin_tls(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    return asynchat_tls_start(ch, world.client, "a.example", 0, NULL);
}

static struct asynchat_client *keep_with(
    struct talk *talk, unsigned flags,
    int (*candidate)(struct asynchat_channel *ch, void *arg))
{
    struct asynchat_client *c;
    const struct asynchat_connect_options connecting = {
        .size = sizeof connecting, .flags = flags, .candidate = candidate};
    const struct asynchat_client_options options = {.size = sizeof options,
                                                    .connect = &connecting,
                                                    .first_delay = 1,
                                                    .most_delay = 64,
                                                    .up = came_up,
                                                    .down = went_down,
                                                    .failed = did_not_come};
    failures = ups = downs = 0;
    memset(waits, 0, sizeof waits);
    assert_int_equal(asynchat_client_new(talk->base, "a.example", "465",
                                         &side_handler, &talk->client, &options,
                                         &c),
                     0);
    return c;
}

static struct asynchat_client *keep(struct talk *talk, unsigned flags)
{
    return keep_with(talk, flags, begin_tls);
}

/* The client frees its channel too. */
static void keep_over(struct talk *talk, struct asynchat_client *c)
{
    asynchat_client_free(c);
    talk->client.ch = NULL;
    talk_over(talk);
}

static void run_until(struct talk *talk, const int *count, int enough)
{
    while (*count < enough)
        event_base_loop(talk->base, EVLOOP_ONCE);
}

/* Handshakes fail, and the server is another one then. The program's handler
 * hears of neither. */
static void up_is_after_the_handshake(void **state, unsigned flags)
{
    static struct talk talk;
    struct asynchat_tls *other = for_another_name();
    (void)state;
    talk_new(&talk);
    struct side *side = serve(&talk, other);
    struct asynchat_client *c = keep(&talk, flags);
    run_until(&talk, &failures, 4);
    assert_int_equal(ups, 0);
    for (int i = 0; i < 4; i++)
        assert_true(waits[i] <= 1u << i);
    expect(&talk.client, "");
    assert_int_equal(asynchat_tls_serve(servers[0], world.server), 0);
    talk_until(&talk, side, "line(secret)");
    assert_int_equal(ups, 1);
    expect(&talk.client, "connect");
    keep_over(&talk, c);
    asynchat_tls_free(other);
}

static void a_client_is_up_after_the_handshake(void **state)
{
    up_is_after_the_handshake(state, ASYNCHAT_CONNECT_HANDSHAKE);
}

static void a_client_is_up_after_the_handshake_of_the_first(void **state)
{
    up_is_after_the_handshake(state, 0);
}

static int begin_tls_and_push(struct asynchat_channel *ch, void *arg)
{
    int error = begin_tls(ch, arg);
    return error ? error : asynchat_push(ch, "once\n", 5);
}

/* The first server's handshake fails, so what was pushed there is dropped. */
static void what_a_candidate_pushes_is_for_its_connection(void **state)
{
    static struct talk talk;
    struct asynchat_tls *other = for_another_name();
    (void)state;
    talk_new(&talk);
    serve(&talk, other);
    struct side *right = serve(&talk, world.server);
    struct asynchat_client *c =
        keep_with(&talk, ASYNCHAT_CONNECT_HANDSHAKE, begin_tls_and_push);
    talk_until(&talk, right, "line(secret)");
    expect(right, "connect line(once) line(secret)");
    assert_int_equal(ups, 1);
    keep_over(&talk, c);
    asynchat_tls_free(other);
}

static void drop(struct side *side)
{
    asynchat_close(side->ch);
}

/* A server that shakes hands and closes does not make the window small. */
static void a_client_comes_back_with_tls(void **state)
{
    static struct talk talk;
    (void)state;
    talk_new(&talk);
    serve(&talk, world.server)->on_connect = drop;
    struct asynchat_client *c = keep(&talk, ASYNCHAT_CONNECT_HANDSHAKE);
    run_until(&talk, &downs, 4);
    assert_int_equal(ups, 4);
    for (int i = 0; i < 4; i++)
        assert_true(waits[i] <= 1u << i);
    keep_over(&talk, c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_whose_handshake_is_good_wins),
        cmocka_unit_test(a_server_that_is_refused_hears_why),
        cmocka_unit_test(of_the_only_address_the_reason_is_told),
        cmocka_unit_test(without_the_flag_the_first_connection_decides),
        cmocka_unit_test(when_no_handshake_is_good_the_first_error_is_told),
        cmocka_unit_test(tls_connect_takes_a_name),
        cmocka_unit_test(a_client_is_up_after_the_handshake),
        cmocka_unit_test(a_client_is_up_after_the_handshake_of_the_first),
        cmocka_unit_test(a_client_comes_back_with_tls),
        cmocka_unit_test(what_a_candidate_pushes_is_for_its_connection),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
