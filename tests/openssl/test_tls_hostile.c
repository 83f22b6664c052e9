/* Peers that do what they should not, or what few do.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "peer.h"

#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include <openssl/err.h>

#include "tls/codec.h"

static const struct codec *codec_of(const struct asynchat_channel *ch)
{
    return asynchat_get_layer(ch, &asynchat__tls_codec);
}

/* Each request gets an answer, which the peer does not read. */
static void requests_to_renegotiate_take_no_memory(void **state)
{
    static struct talk talk;
    struct peer peer;
    (void)state;
    SSL_CTX *ctx = peer_context(true, world.identity, TLS1_2_VERSION);
    peer_new(&peer, &talk, ctx, false, world.client);
    peer_shake(&peer, &talk);
    size_t most = 0;
    for (int i = 0; i < 100000 && talk.client.ch; i++) {
        SSL_renegotiate(peer.ssl);
        SSL_do_handshake(peer.ssl);
        peer_send(&peer, SIZE_MAX);
        event_base_loop(talk.base, EVLOOP_NONBLOCK);
        const struct codec *codec = codec_of(talk.client.ch);
        if (codec && codec->wire.kept_room > most)
            most = codec->wire.kept_room;
    }
    expect(&talk.client, "connect error(EPROTOCOL) close(EPROTOCOL)");
    assert_string_equal(talk.client.text, "the peer does not read the answers "
                                          "to what it asks for");
    assert_true(most <= 131072);
    peer_free(&peer);
    talk_end(&talk);
    SSL_CTX_free(ctx);
}

/* A server refuses, and the session goes on. */
static void a_client_may_not_renegotiate(void **state)
{
    static struct talk talk;
    struct peer peer;
    char line[16];
    (void)state;
    SSL_CTX *ctx = peer_context(false, NULL, TLS1_2_VERSION);
    peer_new(&peer, &talk, ctx, true, world.server);
    peer_shake(&peer, &talk);
    SSL_renegotiate(peer.ssl);
    SSL_do_handshake(peer.ssl);
    peer_run(&peer, &talk);
    assert_true(SSL_read(peer.ssl, line, sizeof line) <= 0);
    assert_int_equal(ERR_GET_REASON(ERR_get_error()), SSL_R_NO_RENEGOTIATION);
    say(&talk.server, "still here\n");
    talk_run(&talk);
    expect(&talk.server, "connect");
    assert_true(peer_receive(&peer) > 0);
    peer_free(&peer);
    talk_end(&talk);
    SSL_CTX_free(ctx);
    ERR_clear_error();
}

/* The sessions of other servers stay in the client's store. */
static void very_many_tickets_push_out_nobody(void **state)
{
    static struct talk talk;
    struct peer peer;
    (void)state;
    struct asynchat_tls *client = context(&(struct asynchat_tls_options){
        .flags = ASYNCHAT_TLS_CLIENT, .trust_text = world.authority->text});
    SSL_CTX *ctx = peer_context(true, world.identity, TLS1_3_VERSION);
    SSL_CTX_set_num_tickets(ctx, 50);
    peer_new(&peer, &talk, ctx, false, client);
    peer_shake(&peer, &talk);
    peer_run(&peer, &talk);
    assert_int_equal(client->sessions.count, 4);
    peer_free(&peer);
    talk_end(&talk);
    SSL_CTX_free(ctx);
    asynchat_tls_free(client);
}

/* A ticket in two records, the second of which takes its time: OpenSSL writes
 * nothing meanwhile. */
static void half_a_ticket_is_named_as_the_reason(void **state)
{
    static struct talk talk;
    struct peer peer;
    (void)state;
    struct identity *me =
        identity_new(world.authority, "DNS:me", 86400, "clientAuth");
    struct asynchat_tls *client = context(
        &(struct asynchat_tls_options){.flags = ASYNCHAT_TLS_CLIENT,
                                       .certificate_text = me->certificate,
                                       .key_text = me->key,
                                       .trust_text = world.authority->text});
    SSL_CTX *ctx = peer_context(true, world.identity, TLS1_3_VERSION);
    SSL_CTX_set_num_tickets(ctx, 0);
    SSL_CTX_set_max_send_fragment(ctx, 512);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx),
                        world.authority->certificate);
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"x", 1);
    peer_new(&peer, &talk, ctx, false, client);
    peer_shake(&peer, &talk);
    assert_int_equal(SSL_new_session_ticket(peer.ssl), 1);
    assert_int_equal(SSL_do_handshake(peer.ssl), 1);
    char *bytes;
    long len = BIO_get_mem_data(peer.out, &bytes);
    size_t first =
        5 + (size_t)((unsigned char)bytes[3] << 8 | (unsigned char)bytes[4]);
    assert_true(first < (size_t)len);
    peer_send(&peer, first);
    talk_run(&talk);
    say(&talk.client, "hello\n");
    talk_run(&talk);
    expect(&talk.client, "connect error(EPROTOCOL) close(EPROTOCOL)");
    assert_string_equal(talk.client.text,
                        "the peer has sent a ticket or a key update by half");
    peer_free(&peer);
    talk_end(&talk);
    SSL_CTX_free(ctx);
    asynchat_tls_free(client);
    identity_free(me);
}

/* --- the first bytes --- */

/* Writes the ClientHello of the peer again, as records of `size` bytes. */
static size_t cut_hello(struct peer *peer, size_t size, uint8_t *to)
{
    uint8_t *from;
    size_t len = (size_t)BIO_get_mem_data(peer->out, &from), n = 0;
    for (size_t at = 5; at < len; at += size) {
        size_t part = len - at < size ? len - at : size;
        memcpy(to + n, from, 3);
        to[n + 3] = (uint8_t)(part >> 8);
        to[n + 4] = (uint8_t)part;
        memcpy(to + n + 5, from + at, part);
        n += 5 + part;
    }
    BIO_reset(peer->out);
    return n;
}

static void check_over(const struct asynchat_tls *tls, unsigned done,
                       unsigned failed)
{
    struct asynchat_tls_stats s;
    assert_int_equal(asynchat_tls_get_stats(tls, &s, sizeof s), 0);
    assert_int_equal(s.begun, done + failed + s.silent);
    assert_int_equal(s.done, done);
    assert_int_equal(s.failed, failed);
    assert_int_equal(s.shaking + s.waiting, 0);
}

/* A ClientHello in records of `size` bytes, `cut` bytes of which come first;
 * if `cut` is SIZE_MAX, one byte comes at a time. */
static void play_hello(struct asynchat_tls *tls, SSL_CTX *ctx, size_t size,
                       size_t cut)
{
    static struct talk talk;
    static uint8_t hello[65536];
    struct peer peer;
    peer_new(&peer, &talk, ctx, true, tls);
    assert_int_equal(SSL_do_handshake(peer.ssl), -1);
    size_t len = cut_hello(&peer, size, hello);
    size_t n = cut == SIZE_MAX ? 1 : cut < len ? cut : len;
    for (size_t at = 0; at < len; at += n, n = cut == SIZE_MAX ? 1 : len - at) {
        BIO_write(peer.out, hello + at, (int)n);
        peer_send(&peer, SIZE_MAX);
        event_base_loop(talk.base, EVLOOP_NONBLOCK);
    }
    peer_receive(&peer);
    peer_shake(&peer, &talk);
    expect(&talk.server, "connect");
    peer_free(&peer);
    talk_end(&talk);
}

/* By the first context, and by that of a name. A group that the server does not
 * like makes it ask for another ClientHello. */
static void a_client_hello_may_come_in_any_cut(void **state)
{
    (void)state;
    for (int named = 0; named < 2; named++) {
        unsigned done = 0;
        struct asynchat_tls *tls = context(&(struct asynchat_tls_options){
            .certificate_text = world.identity->certificate,
            .key_text = world.identity->key});
        if (named)
            asynchat_tls_add_name(tls, "a.example", world.server);
        SSL_CTX *ctx = peer_context(false, NULL, 0);
        assert_int_equal(SSL_CTX_set1_groups_list(ctx, "P-521:X25519"), 1);
        for (size_t cut = 1; cut < 300; cut += 7, done++)
            play_hello(tls, ctx, 16384, cut);
        for (size_t size = 1; size < 300; size = size * 2 + 3, done++)
            play_hello(tls, ctx, size, SIZE_MAX);
        for (size_t size = 1; size < 300; size = size * 2 + 3, done++)
            play_hello(tls, ctx, size, 5 + size);
        check_over(tls, done, 0);
        SSL_CTX_free(ctx);
        asynchat_tls_free(tls);
    }
}

/* The session of the first context goes when the name is known. */
static void a_session_that_may_go_is_not_lent(void **state)
{
    static struct talk talk;
    static uint8_t hello[65536];
    struct peer peer;
    (void)state;
    struct asynchat_tls *tls = context(&(struct asynchat_tls_options){
        .certificate_text = world.identity->certificate,
        .key_text = world.identity->key});
    asynchat_tls_add_name(tls, "a.example", world.server);
    SSL_CTX *ctx = peer_context(false, NULL, 0);
    peer_new(&peer, &talk, ctx, true, tls);
    assert_int_equal(SSL_do_handshake(peer.ssl), -1);
    size_t len = cut_hello(&peer, 100, hello);
    BIO_write(peer.out, hello, 105);
    peer_send(&peer, SIZE_MAX);
    talk_run(&talk);
    assert_non_null(codec_of(talk.server.ch)->ssl);
    assert_null(asynchat_tls_get_ssl(talk.server.ch));
    BIO_write(peer.out, hello + 105, (int)len - 105);
    peer_shake(&peer, &talk);
    assert_non_null(asynchat_tls_get_ssl(talk.server.ch));
    peer_free(&peer);
    talk_end(&talk);
    SSL_CTX_free(ctx);
    asynchat_tls_free(tls);
}

/* A ClientHello that says that it is long, in records of one byte. */
static void a_long_client_hello_takes_no_memory(void **state)
{
    static struct talk talk;
    struct peer peer;
    uint8_t first[] = {22, 3, 1, 0, 4, 1, 1, 255, 255}, next[6 * 100];
    size_t most = 0;
    (void)state;
    SSL_CTX *ctx = peer_context(false, NULL, 0);
    peer_new(&peer, &talk, ctx, true, world.server);
    BIO_write(peer.out, first, sizeof first);
    for (size_t i = 0; i < sizeof next; i += 6)
        memcpy(next + i, (uint8_t[]){22, 3, 1, 0, 1, 0}, 6);
    for (int i = 0; i < 1500 && talk.server.ch; i++) {
        BIO_write(peer.out, next, sizeof next);
        peer_send(&peer, SIZE_MAX);
        event_base_loop(talk.base, EVLOOP_NONBLOCK);
        const struct codec *codec = codec_of(talk.server.ch);
        if (codec && codec->hello.len > most)
            most = codec->hello.len;
    }
    assert_true(most <= 131072);
    expect(&talk.server, "error(EPROTOCOL) close(EPROTOCOL)");
    assert_string_equal(talk.server.text, "the ClientHello is too long");
    peer_free(&peer);
    talk_end(&talk);
    SSL_CTX_free(ctx);
}

/* --- what may not come --- */

/* Sends these bytes after a handshake, or in place of one. */
static void send_raw(const void *bytes, size_t len, bool server, bool shaken,
                     const char *log, const char *text)
{
    static struct talk talk;
    struct peer peer;
    SSL_CTX *ctx = peer_context(!server, world.identity, TLS1_2_VERSION);
    peer_new(&peer, &talk, ctx, server, server ? world.server : world.client);
    if (shaken)
        peer_shake(&peer, &talk);
    BIO_write(peer.out, bytes, (int)len);
    struct side *side = server ? &talk.server : &talk.client;
    peer_run(&peer, &talk);
    talk_run(&talk);
    if (!strstr(side->text, text))
        fail_msg("%s: \"%s\"", side->log, side->text);
    expect(side, log);
    peer_free(&peer);
    talk_end(&talk);
    SSL_CTX_free(ctx);
}

#define RAW(server, shaken, log, text, ...)                                    \
    do {                                                                       \
        const uint8_t raw[] = {__VA_ARGS__};                                   \
        send_raw(raw, sizeof raw, server, shaken, log, text);                  \
    } while (0)

#define PROTOCOL "error(EPROTOCOL) close(EPROTOCOL)"
#define HANDSHAKE "error(EHANDSHAKE) close(EHANDSHAKE)"
#define UP "connect "

static void words_out_of_place_end_it(void **state)
{
    (void)state;
    RAW(true, false, PROTOCOL, "does not speak TLS", 'G', 'E', 'T', ' ', '/');
    RAW(true, false, PROTOCOL, "does not speak TLS", 21, 3, 1, 0, 2, 1, 0);
    RAW(true, false, PROTOCOL, "does not speak TLS", 22, 3, 1, 255, 255);
    RAW(true, false, HANDSHAKE, "", 22, 3, 1, 0, 0, 21, 3, 1, 0, 2, 1, 0);
    RAW(true, false, HANDSHAKE, "", 22, 3, 1, 0, 1, 1, 23, 3, 3, 0, 1, 0);
    RAW(false, false, HANDSHAKE, "close_notify", 21, 3, 3, 0, 2, 1, 0);
    RAW(false, false, HANDSHAKE, "handshake failure", 21, 3, 3, 0, 2, 2, 40);
    RAW(false, false, PROTOCOL, "", 'H', 'T', 'T', 'P', '/', '1', '.', '1');
    RAW(true, true, UP PROTOCOL, "", 23, 3, 3, 0, 1, 0);
    RAW(true, true, UP PROTOCOL, "", 21, 3, 3, 0, 2, 1, 0);
    RAW(false, true, UP PROTOCOL, "", 'x', 'y', 'z', 0, 0, 0);
}

/* Each of 20,000 costs more than a record of data. */
static void key_updates_are_limited(void **state)
{
    static struct talk talk;
    struct peer peer;
    struct asynchat_tls_stats before, after;
    (void)state;
    SSL_CTX *ctx = peer_context(false, NULL, TLS1_3_VERSION);
    peer_new(&peer, &talk, ctx, true, world.server);
    peer_shake(&peer, &talk);
    asynchat_tls_get_stats(world.server, &before, sizeof before);
    for (int i = 0; i < 20000 && talk.server.ch; i++) {
        SSL_key_update(peer.ssl, SSL_KEY_UPDATE_REQUESTED);
        SSL_do_handshake(peer.ssl);
        peer_send(&peer, SIZE_MAX);
        if (i % 50 == 0)
            event_base_loop(talk.base, EVLOOP_NONBLOCK);
    }
    expect(&talk.server, UP PROTOCOL);
    assert_string_equal(talk.server.text, "the peer updates its key too often");
    asynchat_tls_get_stats(world.server, &after, sizeof after);
    assert_true(after.key_updates - before.key_updates <= 201);
    peer_free(&peer);
    talk_end(&talk);
    SSL_CTX_free(ctx);
}

/* Empty records, of which OpenSSL takes some. */
static void empty_records_are_limited(void **state)
{
    static struct talk talk;
    struct peer peer;
    (void)state;
    SSL_CTX *ctx = peer_context(false, NULL, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(ctx, "AES128-SHA:ECDHE-ECDSA-AES128-SHA");
    SSL_CTX_clear_options(ctx, SSL_OP_DONT_INSERT_EMPTY_FRAGMENTS);
    peer_new(&peer, &talk, ctx, true, world.server);
    peer_shake(&peer, &talk);
    for (int i = 0; i < 1000 && talk.server.ch; i++) {
        size_t n;
        SSL_write_ex(peer.ssl, "", 0, &n);
        SSL_write(peer.ssl, "x\n", 2);
        peer_send(&peer, SIZE_MAX);
        event_base_loop(talk.base, EVLOOP_NONBLOCK);
    }
    assert_non_null(talk.server.ch);
    peer_free(&peer);
    talk_end(&talk);
    SSL_CTX_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_to_renegotiate_take_no_memory),
        cmocka_unit_test(a_client_may_not_renegotiate),
        cmocka_unit_test(very_many_tickets_push_out_nobody),
        cmocka_unit_test(half_a_ticket_is_named_as_the_reason),
        cmocka_unit_test(a_client_hello_may_come_in_any_cut),
        cmocka_unit_test(a_session_that_may_go_is_not_lent),
        cmocka_unit_test(a_long_client_hello_takes_no_memory),
        cmocka_unit_test(words_out_of_place_end_it),
        cmocka_unit_test(key_updates_are_limited),
        cmocka_unit_test(empty_records_are_limited),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
