/* STARTTLS, on both sides: what leaves in plain text, what goes into TLS, and
 * what is never delivered. SPDX-License-Identifier: BSD-3-Clause */
#include "hand.h"
#include "peer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <sys/socket.h>
#include <unistd.h>

static void secure(struct asynchat_channel *ch, void *arg)
{
    struct side *side = arg;
    (void)ch;
    if (side->on_secure)
        side->on_secure(side);
}

/* --- a server and a client of ours --- */

static unsigned flags;

static void server_line(struct side *side, const char *line, size_t len)
{
    if (len == 8 && memcmp(line, "STARTTLS", 8) == 0) {
        say(side, "220 go\n");
        assert_int_equal(
            asynchat_tls_start(side->ch, world.server, NULL, flags, secure), 0);
        say(side, "secret welcome\n");
    }
}

static void client_line(struct side *side, const char *line, size_t len)
{
    if (len == 6 && memcmp(line, "220 go", 6) == 0) {
        assert_int_equal(asynchat_tls_start(side->ch, world.client, "a.example",
                                            flags, secure),
                         0);
        say(side, "secret hello\n");
    }
}

static void ask(struct side *side)
{
    say(side, "EHLO\nSTARTTLS\n");
}

static void both_sides_start(void **state)
{
    static struct talk talk;
    struct asynchat_tls_info info;
    (void)state;
    for (int tcp = 0; tcp < 2; tcp++) {
        (tcp ? talk_tcp : talk_pair)(&talk, NULL, NULL, NULL);
        talk.server.on_line = server_line;
        talk.client.on_line = client_line;
        talk.client.on_connect = ask;
        talk_until(&talk, &talk.server, "line(secret hello)");
        talk_until(&talk, &talk.client, "line(secret welcome)");
        assert_int_equal(
            asynchat_tls_get_info(talk.server.ch, &info, sizeof info), 0);
        expect(&talk.server,
               "connect line(EHLO) line(STARTTLS) line(secret hello)");
        expect(&talk.client, "connect line(220 go) line(secret welcome)");
        assert_int_equal(
            asynchat_tls_start(talk.server.ch, world.server, NULL, 0, NULL),
            -EBUSY);
        talk_end(&talk);
    }
}

static void calls_are_checked(void **state)
{
    static struct talk talk;
    struct bufferevent *both[2];
    struct asynchat_channel *own;
    (void)state;
    talk_pair(&talk, NULL, NULL, NULL);
    struct asynchat_channel *ch = talk.client.ch;
    assert_int_equal(asynchat_tls_start(NULL, world.server, NULL, 0, NULL),
                     -EINVAL);
    assert_int_equal(asynchat_tls_start(ch, NULL, NULL, 0, NULL), -EINVAL);
    assert_int_equal(asynchat_tls_start(ch, world.server, "a.example", 0, NULL),
                     -EINVAL);
    assert_int_equal(asynchat_tls_start(ch, world.client, NULL, 0, NULL),
                     -EINVAL);
    assert_int_equal(asynchat_tls_start(ch, world.server, NULL, 2, NULL),
                     -EINVAL);
    assert_int_equal(bufferevent_pair_new(talk.base, 0, both), 0);
    assert_int_equal(
        asynchat_channel_new(both[0], 0, &side_handler, NULL, &own), 0);
    assert_int_equal(asynchat_tls_start(own, world.server, NULL, 0, NULL),
                     -ENOTSUP);
    asynchat_channel_free(own);
    bufferevent_free(both[1]);
    talk_end(&talk);
}

static void start_with_a_deadline(struct side *side, const char *line,
                                  size_t len)
{
    (void)line;
    (void)len;
    say(side, "220 go\n");
    assert_int_equal(asynchat_tls_start(side->ch, world.server, NULL, 0, NULL),
                     0);
    assert_int_equal(asynchat_set_deadline(side->ch, 20), 0);
}

static void apologize(struct side *side)
{
    side->on_end = NULL;
    assert_int_equal(asynchat_push(side->ch, "421 sorry\n", 10),
                     ASYNCHAT_ECLOSED);
}

/* A goodbye would have to wait for the handshake. */
static void an_error_in_the_handshake_ends_the_channel_at_once(void **state)
{
    static struct talk talk;
    (void)state;
    talk_pair(&talk, NULL, NULL, NULL);
    talk.server.on_line = start_with_a_deadline;
    talk.server.on_end = apologize;
    say(&talk.client, "STARTTLS\n");
    talk_until(&talk, &talk.client, "line(220 go)");
    while (!strstr(talk.server.log, "error"))
        event_base_loop(talk.base, EVLOOP_ONCE);
    talk_run(&talk);
    expect(&talk.server,
           "connect line(STARTTLS) error(EDEADLINE) close(EDEADLINE)");
    talk_end(&talk);
}

/* --- early bytes --- */

/* What a client sends behind its command. */
static const char *behind;

static void ask_early(struct side *side)
{
    char text[256];
    snprintf(text, sizeof text, "STARTTLS\n%s", behind);
    say(side, text);
}

static void early_plain_text_is_never_delivered(void **state)
{
    static const char *const texts[] = {"MAIL\n", "MAIL", "M", "\n\n\n",
                                        "MAIL FROM:<a@b>\nRCPT TO:<c@d>\n"};
    static struct talk talk;
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        behind = texts[i];
        talk_tcp(&talk, NULL, NULL, NULL);
        talk.server.on_line = server_line;
        talk.client.on_connect = ask_early;
        talk_until(&talk, &talk.server, "close(EPROTOCOL)");
        expect(&talk.server, "connect line(STARTTLS) error(EPROTOCOL) "
                             "close(EPROTOCOL)");
        talk_end(&talk);
    }
}

static void with_the_flag_it_ends_the_channel_at_once(void **state)
{
    static struct talk talk;
    (void)state;
    flags = ASYNCHAT_TLS_REFUSE_EARLY;
    behind = "\x16\x03\x01";
    talk_tcp(&talk, NULL, NULL, NULL);
    talk.server.on_line = server_line;
    talk.client.on_connect = ask_early;
    talk_until(&talk, &talk.server, "close(EPROTOCOL)");
    expect(&talk.server,
           "connect line(STARTTLS) error(EPROTOCOL) close(EPROTOCOL)");
    talk_end(&talk);
    talk_tcp(&talk, NULL, NULL, NULL);
    talk.server.on_line = server_line;
    talk.client.on_line = client_line;
    talk.client.on_connect = ask;
    talk_until(&talk, &talk.server, "line(secret hello)");
    talk_end(&talk);
    flags = 0;
}

/* The same for a client: "250-" is the beginning of a line that the server ends
 * in TLS. */
static void early_server_line(struct side *side, const char *line, size_t len)
{
    (void)line;
    (void)len;
    say(side, "220 go\n250-");
    assert_int_equal(
        asynchat_tls_start(side->ch, world.server, NULL, 0, secure), 0);
    say(side, "x\n");
}

static void ask_alone(struct side *side)
{
    assert_int_equal(asynchat_set_message_limit(side->ch, SIZE_MAX), 0);
    say(side, "STARTTLS\n");
}

static void early_words_of_a_server_are_never_delivered(void **state)
{
    static struct talk talk;
    (void)state;
    for (int i = 0; i < 2; i++) {
        flags = i ? ASYNCHAT_TLS_REFUSE_EARLY : 0;
        talk_tcp(&talk, NULL, NULL, NULL);
        talk.server.on_line = early_server_line;
        talk.client.on_line = client_line;
        talk.client.on_connect = ask_alone;
        talk_until(&talk, &talk.client, "close(EPROTOCOL)");
        assert_null(strstr(talk.client.log, "250"));
        talk_end(&talk);
    }
    flags = 0;
}

static void set_line(struct asynchat_channel *ch)
{
    assert_int_equal(asynchat_set_terminator(ch, "\n", 1), 0);
}

static void set_number(struct asynchat_channel *ch)
{
    asynchat_set_terminator_length(ch, 4);
}

/* What a message is like that has begun in plain text, and what comes in TLS. */
struct begun {
    void (*set)(struct asynchat_channel *ch);
    const char *plain, *secret, *log;
};

static void set_again(struct asynchat_channel *ch, void *arg)
{
    struct side *side = arg;
    const struct begun *begun = side->arg;
    begun->set(ch);
}

/* A message that has begun in plain text is forgotten, on either side. A number
 * counts from the beginning again if `done` sets it. */
static void what_has_begun_in_plain_text_is_forgotten(void **state)
{
    static const struct begun cases[] = {
        {set_line, "250-", "x\n", "line(x)"},
        {set_number, "250", "wxyz", "line(wxyz)"}};
    static struct talk talk;
    struct peer peer;
    (void)state;
    for (int i = 0; i < 4; i++) {
        int server = i % 2, at = i / 2;
        struct side *side = server ? &talk.server : &talk.client;
        SSL_CTX *ctx = peer_context(!server, world.identity, 0);
        memset(&talk, 0, sizeof talk);
        talk.base = event_base_new();
        assert_int_equal(asynchat_channel_new_socket(
                             talk.base, peer_connect(&peer, ctx, server),
                             &side_handler, side, &side->ch),
                         0);
        talk_until(&talk, side, "connect");
        cases[at].set(side->ch);
        side->arg = (void *)&cases[at];
        send(peer.fd, cases[at].plain, strlen(cases[at].plain), 0);
        talk_run(&talk);
        assert_int_equal(
            asynchat_tls_start(side->ch, server ? world.server : world.client,
                               server ? NULL : "a.example", 0, set_again),
            0);
        expect(side, "connect");
        peer_shake(&peer, &talk);
        SSL_write(peer.ssl, cases[at].secret, (int)strlen(cases[at].secret));
        peer_run(&peer, &talk);
        expect(side, cases[at].log);
        peer_free(&peer);
        SSL_CTX_free(ctx);
        talk_end(&talk);
    }
}

/* --- a ClientHello at every cut --- */

/* Sends what OpenSSL has to send: behind `before`, in pieces of `cut` bytes and
 * then the rest, while the loop of the other side runs. */
static void hand_send(struct hand *hand, struct talk *talk, const char *before,
                      size_t cut)
{
    char bytes[65536];
    size_t len = strlen(before);
    memcpy(bytes, before, len);
    int n = BIO_read(hand->out, bytes + len, (int)(sizeof bytes - len));
    len += n > 0 ? (size_t)n : 0;
    for (size_t at = 0; at < len;) {
        size_t part = at == 0 && cut < len ? cut : len - at;
        assert_int_equal(send(hand->fd, bytes + at, part, MSG_NOSIGNAL), part);
        at += part;
        event_base_loop(talk->base, EVLOOP_NONBLOCK);
        event_base_loop(talk->base, EVLOOP_NONBLOCK);
    }
}

/* Receives for OpenSSL. Plain text before TLS goes to `plain`, and ends with
 * `border`. */
static void hand_receive(struct hand *hand, char *plain, const char *border)
{
    char bytes[65536];
    ssize_t n = recv(hand->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    size_t skip = 0;
    for (; n > (ssize_t)skip && !strstr(plain, border); skip++)
        strncat(plain, bytes + skip, 1);
    if (n > (ssize_t)skip)
        BIO_write(hand->in, bytes + skip, (int)n - (int)skip);
}

static void hand_shakes(size_t cut, bool early)
{
    static struct talk talk;
    struct hand hand;
    int fds[2];
    char plain[64] = "", line[64];
    talk_pair(&talk, NULL, NULL, NULL);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    asynchat_channel_free(talk.server.ch);
    assert_int_equal(asynchat_channel_new_socket(talk.base, fds[0],
                                                 &side_handler, &talk.server,
                                                 &talk.server.ch),
                     0);
    talk.server.on_line = server_line;
    hand_new(&hand, fds[1]);
    event_base_loop(talk.base, EVLOOP_NONBLOCK);
    if (early)
        SSL_do_handshake(hand.ssl);
    hand_send(&hand, &talk, "STARTTLS\n", cut);
    for (int i = 0; i < 20 && SSL_do_handshake(hand.ssl) != 1; i++) {
        if (strstr(plain, "go\n") || early)
            hand_send(&hand, &talk, "", cut);
        event_base_loop(talk.base, EVLOOP_NONBLOCK);
        hand_receive(&hand, plain, "go\n");
    }
    assert_true(SSL_is_init_finished(hand.ssl));
    assert_int_equal(SSL_write(hand.ssl, "hello\n", 6), 6);
    hand_send(&hand, &talk, "", cut);
    talk_until(&talk, &talk.server, "line(hello)");
    expect(&talk.server, "connect line(STARTTLS) line(hello)");
    assert_string_equal(plain, "220 go\n");
    event_base_loop(talk.base, EVLOOP_NONBLOCK);
    hand_receive(&hand, plain, "go\n");
    assert_int_equal(SSL_read(hand.ssl, line, sizeof line), 15);
    assert_memory_equal(line, "secret welcome\n", 15);
    hand_free(&hand);
    talk_end(&talk);
}

static void a_client_hello_may_come_early_and_in_any_cut(void **state)
{
    (void)state;
    for (size_t cut = 1; cut < 400; cut += cut < 30 ? 1 : 23) {
        hand_shakes(cut, true);
        hand_shakes(cut, false);
    }
}

/* --- what was pushed before --- */

static void big_answer(struct side *side, const char *line, size_t len)
{
    size_t size = 4 << 20;
    if (len != 8 || memcmp(line, "STARTTLS", 8) != 0)
        return;
    char *much = malloc(size + 1);
    memset(much, 'x', size);
    much[size] = '\n';
    assert_int_equal(asynchat_push(side->ch, much, size + 1), 0);
    free(much);
    say(side, "220 go\n");
    assert_int_equal(
        asynchat_tls_start(side->ch, world.server, NULL, 0, secure), 0);
    say(side, "secret welcome\n");
}

static void what_was_pushed_before_leaves_in_plain_text(void **state)
{
    static struct talk talk;
    (void)state;
    talk_tcp(&talk, NULL, NULL, NULL);
    talk.server.on_line = big_answer;
    talk.client.on_line = client_line;
    talk.client.on_connect = ask_alone;
    talk_until(&talk, &talk.client, "line(secret welcome)");
    expect(&talk.client,
           "connect line(4194304) line(220 go) line(secret welcome)");
    talk_end(&talk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_sides_start),
        cmocka_unit_test(calls_are_checked),
        cmocka_unit_test(an_error_in_the_handshake_ends_the_channel_at_once),
        cmocka_unit_test(early_plain_text_is_never_delivered),
        cmocka_unit_test(with_the_flag_it_ends_the_channel_at_once),
        cmocka_unit_test(early_words_of_a_server_are_never_delivered),
        cmocka_unit_test(what_has_begun_in_plain_text_is_forgotten),
        cmocka_unit_test(a_client_hello_may_come_early_and_in_any_cut),
        cmocka_unit_test(what_was_pushed_before_leaves_in_plain_text),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
