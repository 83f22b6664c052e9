/* Each call of the program in each callback: nothing is used after it was
 * freed, and the numbers of the statistics fit together at each moment.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "peer.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>
#include <openssl/err.h>

/* Where the call is made. */
enum place {
    AT_CONFIGURE, /* while the context is read again, by the first line */
    AT_PASSPHRASE,
    AT_VERIFY,
    AT_VERIFY_REFUSED, /* the same, but the callback refuses the peer */
    AT_CONNECT,        /* or in `done` */
    AT_LINE,
    AT_EOF,
    AT_ERROR,
    AT_CLOSE,
    PLACES
};

static const char *const place_names[] = {
    "configure", "passphrase", "verify", "verify that refuses",
    "connect",   "line",       "eof",    "error",
    "close"};

/* How the two sides come to TLS. */
enum kind { PAIR, TCP, KINDS };

/* One run. `own` is the context of the side that makes the call. */
static struct play {
    struct talk talk;
    struct asynchat_tls *server, *client;
    enum place place;
    enum kind kind;
    bool by_server;
    bool freed; /* the context of that side */
    int called;
    void (*call)(struct side *side);
    const char *name;
} play;

static struct side *caller(void)
{
    return play.by_server ? &play.talk.server : &play.talk.client;
}

static struct asynchat_tls **own(void)
{
    return play.by_server ? &play.server : &play.client;
}

/* --- what holds at each moment --- */

static void check_stats(const struct asynchat_tls *tls)
{
    struct asynchat_tls_stats s;
    if (!tls)
        return;
    assert_int_equal(asynchat_tls_get_stats(tls, &s, sizeof s), 0);
    assert_int_equal(s.begun, s.done + s.failed + s.silent + s.shaking);
    assert_true(s.waiting <= s.shaking && s.resumed <= s.done);
}

static void check_all(void)
{
    check_stats(play.server);
    check_stats(play.client);
    assert_int_equal(ERR_peek_error(), 0);
}

static void check_over(const struct asynchat_tls *tls)
{
    struct asynchat_tls_stats s;
    if (!tls)
        return;
    assert_int_equal(asynchat_tls_get_stats(tls, &s, sizeof s), 0);
    assert_int_equal(s.shaking, 0);
    assert_int_equal(s.waiting, 0);
}

static void at(enum place place, struct side *side)
{
    check_all();
    if (place != play.place || side != caller() || play.called++ > 0)
        return;
    play.call(side);
    check_all();
}

/* --- the calls --- */

static void call_close(struct side *side)
{
    asynchat_close(side->ch);
}

static void call_close_when_done(struct side *side)
{
    asynchat_push(side->ch, "bye\n", 4);
    asynchat_close_when_done(side->ch);
}

static void call_abort(struct side *side)
{
    asynchat_abort(side->ch);
}

static void call_shutdown(struct side *side)
{
    asynchat_shutdown_write(side->ch);
}

static void call_discard(struct side *side)
{
    asynchat_push(side->ch, "bye\n", 4);
    asynchat_discard_buffers(side->ch);
}

static void call_push(struct side *side)
{
    static char much[300000];
    asynchat_push(side->ch, much, sizeof much);
    asynchat_push(side->ch, "bye\n", 4);
}

/* `verify` must not free the channel. */
static void call_free(struct side *side)
{
    if (play.place == AT_VERIFY || play.place == AT_VERIFY_REFUSED)
        return;
    asynchat_channel_free(side->ch);
    side->ch = NULL;
}

static void call_tls_reload(struct side *side)
{
    (void)side;
    assert_int_equal(asynchat_tls_reload(*own(), NULL), 0);
    check_all();
}

static void call_tls_free(struct side *side)
{
    (void)side;
    if (play.by_server && play.talk.listener)
        asynchat_tls_serve(play.talk.listener, NULL);
    asynchat_tls_free(*own());
    *own() = NULL;
}

static void call_tls_start(struct side *side)
{
    assert_int_not_equal(asynchat_tls_start(side->ch, *own(),
                                            play.by_server ? NULL : "a.example",
                                            0, NULL),
                         0);
}

static void call_add_name(struct side *side)
{
    (void)side;
    int expected = play.by_server ? 0 : -EINVAL;
    assert_int_equal(asynchat_tls_add_name(*own(), "a.example", world.server),
                     expected);
    assert_int_equal(asynchat_tls_add_name(*own(), "a.example", NULL),
                     expected);
}

static void call_server_free(struct side *side)
{
    (void)side;
    asynchat_server_free(play.talk.listener);
    play.talk.listener = NULL;
}

/* The server is gone. */
static void stopped(void *arg)
{
    (void)arg;
    play.talk.listener = NULL;
}

static void call_server_stop(struct side *side)
{
    (void)side;
    if (play.talk.listener)
        asynchat_server_stop(play.talk.listener, 0, stopped, NULL);
}

static void call_questions(struct side *side)
{
    struct asynchat_tls_info info;
    asynchat_tls_get_info(side->ch, &info, sizeof info);
    assert_non_null(asynchat_tls_get_error(side->ch));
    asynchat_tls_get_ssl(side->ch);
}

static const struct {
    const char *name;
    void (*call)(struct side *side);
} calls[] = {
    {"asynchat_close", call_close},
    {"asynchat_close_when_done", call_close_when_done},
    {"asynchat_abort", call_abort},
    {"asynchat_shutdown_write", call_shutdown},
    {"asynchat_discard_buffers", call_discard},
    {"asynchat_push", call_push},
    {"asynchat_channel_free", call_free},
    {"asynchat_tls_reload", call_tls_reload},
    {"asynchat_tls_free", call_tls_free},
    {"asynchat_tls_start", call_tls_start},
    {"asynchat_tls_add_name", call_add_name},
    {"asynchat_server_free", call_server_free},
    {"asynchat_server_stop", call_server_stop},
    {"questions", call_questions},
};

/* --- the two sides --- */

static void on_connect(struct side *side)
{
    at(AT_CONNECT, side);
    if (side->ch)
        asynchat_push(side->ch, "hello\n", 6);
}

/* The caller's context is read again at its first line, if the call is made
 * there. */
static void on_line(struct side *side, const char *line, size_t len)
{
    (void)line;
    (void)len;
    at(AT_LINE, side);
    if (side == caller() && play.place <= AT_PASSPHRASE && *own())
        asynchat_tls_reload(*own(), NULL);
    if (side->ch && (play.place != AT_EOF || side != caller()))
        asynchat_close_when_done(side->ch);
}

static void on_end(struct side *side)
{
    size_t len = side->len;
    if (len >= 3 && strcmp(side->log + len - 3, "eof") == 0)
        at(AT_EOF, side);
    else if (strstr(side->log, "close("))
        at(AT_CLOSE, side);
    else
        at(AT_ERROR, side);
}

static int configure(SSL_CTX *ctx, void *arg)
{
    (void)ctx;
    if (caller()->ch)
        at(AT_CONFIGURE, arg);
    return 0;
}

static int passphrase(char *to, size_t room, void *arg)
{
    (void)room;
    if (caller()->ch)
        at(AT_PASSPHRASE, arg);
    memcpy(to, "secret", 6);
    return 6;
}

static int verify(struct asynchat_channel *ch, SSL *ssl, void *arg)
{
    struct side *side = arg;
    (void)ssl;
    side->ch = ch;
    at(AT_VERIFY, side);
    at(AT_VERIFY_REFUSED, side);
    return side == caller() && play.place == AT_VERIFY_REFUSED
               ? ASYNCHAT_EPROTOCOL
               : 0;
}

/* --- runs --- */

static void make_contexts(const char *key)
{
    bool fails = play.place == AT_ERROR;
    play.server = context(&(struct asynchat_tls_options){
        .certificate_text = world.identity->certificate,
        .key_text = key,
        .passphrase = passphrase,
        .configure = configure,
        .verify = verify,
        .arg = &play.talk.server});
    play.client = context(&(struct asynchat_tls_options){
        .flags = ASYNCHAT_TLS_CLIENT,
        .certificate_text = world.identity->certificate,
        .key_text = key,
        .trust_text = fails ? NULL : world.authority->text,
        .passphrase = passphrase,
        .configure = configure,
        .verify = verify,
        .arg = &play.talk.client});
}

static void set_up(struct side *side)
{
    side->on_connect = on_connect;
    side->on_secure = on_connect;
    side->on_line = on_line;
    side->on_end = on_end;
}

static void run_loop(void)
{
    struct talk *talk = &play.talk;
    size_t before = SIZE_MAX;
    for (int quiet = 0; quiet < 20; quiet++) {
        event_base_loop(talk->base, EVLOOP_NONBLOCK);
        check_all();
        if (talk->server.len + talk->client.len != before)
            quiet = 0;
        before = talk->server.len + talk->client.len;
    }
}

static void run(const char *key)
{
    make_contexts(key);
    (play.kind == TCP ? talk_tcp : talk_pair)(&play.talk, play.server,
                                              play.client, "a.example");
    set_up(&play.talk.server);
    set_up(&play.talk.client);
    run_loop();
    talk_end(&play.talk);
    check_all();
    check_over(play.server);
    check_over(play.client);
    asynchat_tls_free(play.server);
    asynchat_tls_free(play.client);
    play.server = play.client = NULL;
}

/* Each place and each call, on each side. */
static void each_call_may_be_made_in_each_callback(void **state)
{
    unsigned made = 0, runs = 0;
    (void)state;
    char *locked = identity_lock_key(world.identity, "secret");
    for (int kind = 0; kind < KINDS; kind++)
        for (int place = 0; place < PLACES; place++)
            for (size_t i = 0; i < 2 * sizeof calls / sizeof *calls; i++) {
                play = (struct play){.place = place,
                                     .kind = kind,
                                     .by_server = i % 2,
                                     .call = calls[i / 2].call,
                                     .name = calls[i / 2].name};
                run(place == AT_PASSPHRASE ? locked : world.identity->key);
                if (play.called == 0)
                    print_message("not reached: %s, %s, %s\n",
                                  place_names[place], play.name,
                                  i % 2 ? "server" : "client");
                made += play.called > 0;
                runs++;
            }
    free(locked);
    assert_int_equal(made, runs);
}

/* --- handshakes that wait --- */

#define WAITERS 6

static struct asynchat_tls_stats stats_of(const struct asynchat_tls *tls)
{
    struct asynchat_tls_stats s;
    assert_int_equal(asynchat_tls_get_stats(tls, &s, sizeof s), 0);
    check_stats(tls);
    return s;
}

/* The ways in which a handshake ends that has not begun in earnest. */
static void end_waiter(struct talk *talk, struct peer *peer, int how)
{
    switch (how) {
    case 0:
        asynchat_close(talk->server.ch);
        break;
    case 1:
        asynchat_abort(talk->server.ch);
        break;
    case 2:
        asynchat_channel_free(talk->server.ch);
        talk->server.ch = NULL;
        break;
    case 3: /* the peer goes */
        shutdown(peer->fd, SHUT_RDWR);
        break;
    default: /* by the time for a handshake */
        break;
    }
}

/* Only one of the handshakes may begin. Each of them is ended in each way. */
static void who_waits_is_counted_whatever_ends_it(void **state)
{
    static struct talk talks[WAITERS];
    struct peer peers[WAITERS];
    (void)state;
    SSL_CTX *ctx = peer_context(false, NULL, 0);
    for (int how = 0; how < 5; how++) {
        struct asynchat_tls *tls = context(&(struct asynchat_tls_options){
            .certificate_text = world.identity->certificate,
            .key_text = world.identity->key,
            .max_handshakes = 1,
            .handshake_time = how == 4 ? 100 : 10000});
        for (int i = 0; i < WAITERS; i++) {
            peer_new(&peers[i], &talks[i], ctx, true, tls);
            SSL_do_handshake(peers[i].ssl);
            peer_send(&peers[i], SIZE_MAX);
            talk_run(&talks[i]);
        }
        assert_int_equal(stats_of(tls).shaking, WAITERS);
        assert_int_equal(stats_of(tls).waiting, WAITERS - 1);
        for (int i = 0; i < WAITERS; i++) {
            end_waiter(&talks[i], &peers[i], how);
            if (how >= 3)
                talk_until(&talks[i], &talks[i].server,
                           how == 3 ? "close(EHANDSHAKE)" : "close(ELATE)");
            talk_run(&talks[i]);
            assert_int_equal(stats_of(tls).failed, i + 1);
        }
        for (int i = 0; i < WAITERS; i++) {
            peer_free(&peers[i]);
            talk_end(&talks[i]);
        }
        assert_int_equal(stats_of(tls).shaking + stats_of(tls).waiting, 0);
        assert_int_equal(stats_of(tls).late, how == 4 ? WAITERS : 0);
        peer_new(&peers[0], &talks[0], ctx, true, tls);
        peer_shake(&peers[0], &talks[0]);
        assert_int_equal(stats_of(tls).done, 1);
        peer_free(&peers[0]);
        talk_end(&talks[0]);
        asynchat_tls_free(tls);
    }
    SSL_CTX_free(ctx);
}

/* --- a child after fork(2) --- */

/* The child frees what it has inherited, also a handshake that is under way,
 * and says nothing to the parent's peers. */
static void a_child_says_nothing(void **state)
{
    static struct talk talk, shaking;
    struct peer peer;
    int status;
    (void)state;
    SSL_CTX *ctx = peer_context(false, NULL, 0);
    talk_tcp(&talk, world.server, world.client, "a.example");
    talk_until(&talk, &talk.server, "connect");
    talk_until(&talk, &talk.client, "connect");
    peer_new(&peer, &shaking, ctx, true, world.server);
    SSL_do_handshake(peer.ssl);
    peer_send(&peer, SIZE_MAX);
    talk_run(&shaking);
    pid_t child = fork();
    if (child == 0) {
        asynchat_close(talk.server.ch);
        talk_end(&talk);
        talk_end(&shaking);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    talk_run(&talk);
    expect(&talk.server, "connect");
    expect(&talk.client, "connect");
    for (int i = 0; i < 1000; i++) {
        say(&talk.server, "a\n");
        say(&talk.client, "b\n");
        event_base_loop(talk.base, EVLOOP_NONBLOCK);
    }
    talk_run(&talk);
    assert_int_equal(talk.server.len, 1000 * strlen(" line(b)") - 1);
    assert_int_equal(talk.client.len, 1000 * strlen(" line(a)") - 1);
    peer_shake(&peer, &shaking);
    peer_free(&peer);
    talk_end(&shaking);
    talk_end(&talk);
    SSL_CTX_free(ctx);
}

/* --- without a channel --- */

static struct asynchat_tls *reloaded;

static int configure_and_free(SSL_CTX *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    asynchat_tls_free(reloaded);
    reloaded = NULL;
    return 0;
}

static void a_context_may_be_freed_while_it_is_read_again(void **state)
{
    (void)state;
    reloaded = context(&(struct asynchat_tls_options){
        .certificate_text = world.identity->certificate,
        .key_text = world.identity->key});
    assert_int_equal(
        asynchat_tls_reload(reloaded,
                            &(struct asynchat_tls_options){
                                .size = sizeof(struct asynchat_tls_options),
                                .certificate_text = world.identity->certificate,
                                .key_text = world.identity->key,
                                .configure = configure_and_free}),
        0);
    assert_null(reloaded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_call_may_be_made_in_each_callback),
        cmocka_unit_test(who_waits_is_counted_whatever_ends_it),
        cmocka_unit_test(a_child_says_nothing),
        cmocka_unit_test(a_context_may_be_freed_while_it_is_read_again),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
