/* Sessions between two channels: how they begin, carry bytes, and end.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "talk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <event2/bufferevent.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

/* Runs a test over each kind of connection. */
static void (*const kinds[])(struct talk *, struct asynchat_tls *,
                             struct asynchat_tls *,
                             const char *) = {talk_pair, talk_tcp};

#define EACH_KIND(talk)                                                        \
    for (unsigned kind = 0; kind < 2; talk_end(&(talk)), kind++)               \
        if (kinds[kind](&(talk), world.server, world.client, "a.example"), 1)

static void lines_go_both_ways(void **state)
{
    static struct talk talk;
    (void)state;
    EACH_KIND(talk)
    {
        talk_until(&talk, &talk.server, "connect");
        talk_until(&talk, &talk.client, "connect");
        say(&talk.client, "hello\nand");
        say(&talk.server, "welcome\n");
        say(&talk.client, " more\n");
        talk_run(&talk);
        expect(&talk.server, "connect line(hello) line(and more)");
        expect(&talk.client, "connect line(welcome)");
    }
}

static void greet(struct side *side)
{
    say(side, "welcome\n");
}

static void who_connects_may_speak_at_once(void **state)
{
    static struct talk talk;
    (void)state;
    EACH_KIND(talk)
    {
        talk.server.on_connect = greet;
        say(&talk.client, "before the connection is up\n");
        talk_until(&talk, &talk.client, "line(welcome)");
        talk_until(&talk, &talk.server, "is up)");
        expect(&talk.server, "connect line(before the connection is up)");
        expect(&talk.client, "connect line(welcome)");
    }
}

static void long_messages_arrive(void **state)
{
    static struct talk talk;
    size_t size = 1000000;
    char *line = malloc(size + 1);
    (void)state;
    memset(line, 'x', size);
    line[size] = '\n';
    EACH_KIND(talk)
    {
        connect_both(&talk);
        assert_int_equal(asynchat_push(talk.client.ch, line, size + 1), 0);
        assert_int_equal(
            asynchat_push_reference(talk.server.ch, line, size + 1, NULL, NULL),
            0);
        talk_until(&talk, &talk.server, "line(1000000)");
        talk_until(&talk, &talk.client, "line(1000000)");
    }
    free(line);
}

/* What lies in OpenSSL's error queue, which belongs to the thread, is not the
 * session's. */
static void leave_errors(struct side *side, const char *line, size_t len)
{
    (void)line;
    (void)len;
    ERR_raise(ERR_LIB_SSL, SSL_R_HTTP_REQUEST);
    if (side->arg)
        say(side, "b\n");
}

static void errors_of_others_do_no_harm(void **state)
{
    static struct talk talk;
    (void)state;
    EACH_KIND(talk)
    {
        ERR_raise(ERR_LIB_SSL, SSL_R_HTTP_REQUEST);
        connect_both(&talk);
        talk.server.on_line = talk.client.on_line = leave_errors;
        talk.server.arg = &talk;
        /* so that records come in parts, and OpenSSL asks for more */
        assert_int_equal(asynchat_set_in_buffer_size(talk.server.ch, 7), 0);
        for (int i = 0; i < 3; i++) {
            say(&talk.client, "a\n");
            talk_run(&talk);
        }
        expect(&talk.server, "line(a) line(a) line(a)");
        expect(&talk.client, "line(b) line(b) line(b)");
        ERR_clear_error();
    }
}

/* --- ending --- */

static void who_closes_says_so(void **state)
{
    static struct talk talk;
    (void)state;
    EACH_KIND(talk)
    {
        connect_both(&talk);
        say(&talk.server, "bye\n");
        asynchat_close_when_done(talk.server.ch);
        talk_until(&talk, &talk.client, "close(EOF)");
        talk_until(&talk, &talk.server, "close(0)");
        expect(&talk.client, "line(bye) eof close(EOF)");
        expect(&talk.server, "close(0)");
    }
}

static void in_stages_as_well(void **state)
{
    static struct talk talk;
    (void)state;
    talk_tcp(&talk, world.server, world.client, "a.example");
    connect_both(&talk);
    say(&talk.server, "bye\n");
    asynchat_close_in_stages(talk.server.ch);
    say(&talk.client, "still sending\n");
    talk_until(&talk, &talk.client, "close(EOF)");
    expect(&talk.client, "line(bye) eof close(EOF)");
    talk_end(&talk);
}

static void close_says_so_if_nothing_is_dropped(void **state)
{
    static struct talk talk;
    (void)state;
    EACH_KIND(talk)
    {
        connect_both(&talk);
        asynchat_close(talk.client.ch);
        talk_until(&talk, &talk.server, "close(EOF)");
        expect(&talk.server, "eof close(EOF)");
        expect(&talk.client, "close(0)");
    }
}

/* A server that stops ends its channels in order. */
static void a_server_that_stops_says_so(void **state)
{
    static struct talk talk;
    (void)state;
    talk_tcp(&talk, world.server, world.client, "a.example");
    connect_both(&talk);
    assert_int_equal(asynchat_server_stop(talk.listener, 20000, NULL, NULL), 0);
    talk.listener = NULL;
    talk_until(&talk, &talk.client, "close(EOF)");
    expect(&talk.client, "eof close(EOF)");
    talk_until(&talk, &talk.server, "close(0)");
    talk_end(&talk);
}

/* The peer has to know that something is missing. */
static void close_is_silent_if_something_is_dropped(void **state)
{
    static struct talk talk;
    char *much = calloc(1, 8 << 20);
    (void)state;
    EACH_KIND(talk)
    {
        connect_both(&talk);
        asynchat_push(talk.client.ch, much, 8 << 20);
        asynchat_close(talk.client.ch);
        talk_until(&talk, &talk.server, ")");
        assert_null(strstr(talk.server.log, "eof"));
        assert_non_null(strstr(talk.server.log, "error("));
        expect(&talk.client, "close(0)");
    }
    free(much);
}

/* The same if a time is over, or the output is more than its limit. */
static void so_is_an_end_by_a_time_or_a_limit(void **state)
{
    static struct talk talk;
    struct asynchat_timeouts times = {.size = sizeof times, .write_idle = 200};
    char *much = calloc(1, 8 << 20);
    (void)state;
    for (int full = 0; full < 2; full++) {
        talk_tcp(&talk, world.server, world.client, "a.example");
        connect_both(&talk);
        asynchat_pause_reading(talk.client.ch);
        assert_int_equal(asynchat_set_timeouts(talk.server.ch, &times), 0);
        assert_int_equal(asynchat_push(talk.server.ch, much, 8 << 20), 0);
        talk_run(&talk);
        if (full) {
            assert_int_equal(asynchat_set_output_limit(talk.server.ch, 1000),
                             0);
            assert_int_equal(asynchat_push(talk.server.ch, "more\n", 5),
                             ASYNCHAT_EFULL);
        }
        talk_until(&talk, &talk.server,
                   full ? "close(EFULL)" : "close(ESTALLED)");
        asynchat_resume_reading(talk.client.ch);
        talk_until(&talk, &talk.client, ")");
        assert_null(strstr(talk.client.log, "eof"));
        assert_non_null(strstr(talk.client.log, "error("));
        talk_end(&talk);
    }
    free(much);
}

static void abort_is_silent(void **state)
{
    static struct talk talk;
    (void)state;
    EACH_KIND(talk)
    {
        connect_both(&talk);
        asynchat_abort(talk.server.ch);
        talk_until(&talk, &talk.client, "close(ECONNRESET)");
        expect(&talk.client, "error(ECONNRESET) close(ECONNRESET)");
        expect(&talk.server, "close(0)");
    }
}

static void answer(struct side *side)
{
    say(side, "you said bye\n");
    asynchat_close_when_done(side->ch);
}

/* One direction ends, the other goes on. */
static void half_of_it_may_end(void **state)
{
    static struct talk talk;
    (void)state;
    EACH_KIND(talk)
    {
        connect_both(&talk);
        say(&talk.client, "bye\n");
        assert_int_equal(asynchat_shutdown_write(talk.client.ch), 0);
        talk_until(&talk, &talk.client, "close(EOF)");
        talk_until(&talk, &talk.server, "close(EOF)");
        expect(&talk.server, "line(bye) eof close(EOF)");
        expect(&talk.client, "eof close(EOF)");
    }
}

static void keep(struct side *side)
{
    side->on_end = NULL;
    asynchat_keep_open(side->ch);
}

static void what_was_kept_open_still_answers(void **state)
{
    static struct talk talk;
    (void)state;
    EACH_KIND(talk)
    {
        connect_both(&talk);
        talk.server.on_end = keep;
        asynchat_shutdown_write(talk.client.ch);
        talk_until(&talk, &talk.server, "eof");
        talk_run(&talk);
        answer(&talk.server);
        talk_until(&talk, &talk.client, "close(EOF)");
        talk_until(&talk, &talk.server, "close(EOF)");
        expect(&talk.client, "line(you said bye) eof close(EOF)");
        expect(&talk.server, "eof close(EOF)");
    }
}

/* The connection ends below TLS. */
static void without_close_notify_it_is_cut_off(void **state)
{
    static struct talk talk;
    (void)state;
    talk_tcp(&talk, world.server, world.client, "a.example");
    connect_both(&talk);
    say(&talk.client, "the last line\n");
    talk_run(&talk);
    shutdown(bufferevent_getfd(asynchat_get_bufferevent(talk.client.ch)),
             SHUT_WR);
    talk_until(&talk, &talk.server, "close(ECUTOFF)");
    expect(&talk.server, "line(the last line) error(ECUTOFF) close(ECUTOFF)");
    assert_string_equal(talk.server.text,
                        "the connection ended without a close_notify");
    talk_end(&talk);
}

static void a_context_may_take_that_for_the_end(void **state)
{
    static struct talk talk;
    (void)state;
    struct asynchat_tls *tls = context(&(struct asynchat_tls_options){
        .flags = ASYNCHAT_TLS_CUT_OFF_IS_EOF,
        .certificate_text = world.identity->certificate,
        .key_text = world.identity->key});
    talk_tcp(&talk, tls, world.client, "a.example");
    connect_both(&talk);
    shutdown(bufferevent_getfd(asynchat_get_bufferevent(talk.client.ch)),
             SHUT_WR);
    talk_until(&talk, &talk.server, "close(EOF)");
    expect(&talk.server, "eof close(EOF)");
    talk_end(&talk);
    asynchat_tls_free(tls);
}

/* --- questions --- */

static void what_was_agreed_is_known(void **state)
{
    static struct talk talk;
    struct asynchat_tls_info info;
    (void)state;
    EACH_KIND(talk)
    {
        assert_int_equal(
            asynchat_tls_get_info(talk.client.ch, &info, sizeof info),
            -ENOTCONN);
        connect_both(&talk);
        assert_int_equal(
            asynchat_tls_get_info(talk.server.ch, &info, sizeof info), 0);
        assert_string_equal(info.version, "TLSv1.3");
        assert_string_equal(info.server_name, "a.example");
        assert_null(info.alpn);
        assert_int_equal(info.verified, 0);
        assert_int_equal(
            asynchat_tls_get_info(talk.client.ch, &info, sizeof info), 0);
        assert_string_equal(info.cipher, "TLS_AES_256_GCM_SHA384");
        assert_int_equal(info.verified, 1);
        assert_int_equal(info.resumed, 0);
        assert_non_null(asynchat_tls_get_ssl(talk.server.ch));
        assert_string_equal(asynchat_tls_get_error(talk.server.ch), "");
    }
    assert_int_equal(asynchat_tls_get_info(NULL, &info, sizeof info), -EINVAL);
}

/* Both sides can make the same secret of a session (RFC 5705, RFC 9266). */
static void keys_can_be_exported(void **state)
{
    static struct talk talk;
    static const char label[] = "EXPORTER-Channel-Binding";
    unsigned char keys[2][32];
    (void)state;
    EACH_KIND(talk)
    {
        connect_both(&talk);
        struct asynchat_channel *const both[] = {talk.server.ch,
                                                 talk.client.ch};
        for (int i = 0; i < 2; i++)
            assert_int_equal(
                SSL_export_keying_material(asynchat_tls_get_ssl(both[i]),
                                           keys[i], sizeof keys[i], label,
                                           sizeof label - 1, NULL, 0, 0),
                1);
        assert_memory_equal(keys[0], keys[1], sizeof keys[0]);
    }
}

/* An address is verified, and not sent as a name (RFC 6066, 3). */
static void an_address_is_not_sent(void **state)
{
    static struct talk talk;
    struct asynchat_tls_info info;
    (void)state;
    talk_tcp(&talk, world.server, world.client, "127.0.0.1");
    connect_both(&talk);
    assert_int_equal(asynchat_tls_get_info(talk.server.ch, &info, sizeof info),
                     0);
    assert_null(info.server_name);
    talk_end(&talk);
}

static void a_plain_channel_has_no_session(void **state)
{
    static struct talk talk;
    struct asynchat_tls_info info;
    (void)state;
    talk_pair(&talk, NULL, NULL, NULL);
    assert_int_equal(asynchat_tls_get_info(talk.client.ch, &info, sizeof info),
                     -ENOTSUP);
    assert_null(asynchat_tls_get_ssl(talk.client.ch));
    assert_string_equal(asynchat_tls_get_error(talk.client.ch), "");
    talk_end(&talk);
}

static void handshakes_are_counted(void **state)
{
    static struct talk talk;
    struct world own;
    struct asynchat_tls_stats stats;
    (void)state;
    world_new(&own);
    talk_tcp(&talk, own.server, own.client, "a.example");
    talk_until(&talk, &talk.server, "connect");
    assert_int_equal(asynchat_tls_get_stats(own.server, &stats, sizeof stats),
                     0);
    assert_int_equal(stats.begun, 1);
    assert_int_equal(stats.done, 1);
    assert_int_equal(stats.failed, 0);
    assert_int_equal(stats.shaking, 0);
    asynchat_abort(talk.client.ch);
    talk_until(&talk, &talk.server, "close(ECONNRESET)");
    asynchat_tls_get_stats(own.server, &stats, sizeof stats);
    assert_int_equal(stats.cut_off, 0);
    talk_end(&talk);
    world_free(&own);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_go_both_ways),
        cmocka_unit_test(who_connects_may_speak_at_once),
        cmocka_unit_test(long_messages_arrive),
        cmocka_unit_test(errors_of_others_do_no_harm),
        cmocka_unit_test(who_closes_says_so),
        cmocka_unit_test(in_stages_as_well),
        cmocka_unit_test(close_says_so_if_nothing_is_dropped),
        cmocka_unit_test(a_server_that_stops_says_so),
        cmocka_unit_test(close_is_silent_if_something_is_dropped),
        cmocka_unit_test(so_is_an_end_by_a_time_or_a_limit),
        cmocka_unit_test(abort_is_silent),
        cmocka_unit_test(half_of_it_may_end),
        cmocka_unit_test(what_was_kept_open_still_answers),
        cmocka_unit_test(without_close_notify_it_is_cut_off),
        cmocka_unit_test(a_context_may_take_that_for_the_end),
        cmocka_unit_test(what_was_agreed_is_known),
        cmocka_unit_test(keys_can_be_exported),
        cmocka_unit_test(an_address_is_not_sent),
        cmocka_unit_test(a_plain_channel_has_no_session),
        cmocka_unit_test(handshakes_are_counted),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
