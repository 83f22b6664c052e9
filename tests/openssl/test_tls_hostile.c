/* Peers that do what they should not, or what few do.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "peer.h"

#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "tls/codec.h"

static struct world world;

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

static int setup(void **state)
{
    (void)state;
    world_new(&world);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_free(&world);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_to_renegotiate_take_no_memory),
        cmocka_unit_test(half_a_ticket_is_named_as_the_reason),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
