/* Sessions that are resumed, and those that must not be.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tls/context.h"
#include "tls/sessions.h"

#define FRESH 1
#define RESUMED 2

/* Connects, and exchanges a line in each direction, as the ticket of TLS 1.3
 * comes with the server's first line. Answers how the client connected, or 0 if
 * it did not. */
static int visit(struct asynchat_tls *server, struct asynchat_tls *client,
                 const char *name)
{
    static struct talk talk;
    struct asynchat_tls_info info;
    int how = 0;
    talk_tcp(&talk, server, client, name);
    while (!strstr(talk.client.log, "connect") &&
           !strstr(talk.client.log, "close"))
        talk_run(&talk);
    talk_run(&talk);
    if (talk.server.ch && talk.client.ch &&
        strstr(talk.server.log, "connect")) {
        assert_int_equal(
            asynchat_tls_get_info(talk.client.ch, &info, sizeof info), 0);
        how = info.resumed ? RESUMED : FRESH;
        assert_int_equal(
            asynchat_tls_get_info(talk.server.ch, &info, sizeof info), 0);
        assert_int_equal(info.resumed, how == RESUMED);
        say(&talk.server, "a\n");
        talk_until(&talk, &talk.client, "line(a)");
        say(&talk.client, "b\n");
        talk_until(&talk, &talk.server, "line(b)");
    }
    talk_end(&talk);
    return how;
}

static int only_1_2(SSL_CTX *ctx, void *arg)
{
    (void)arg;
    return SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION) ? 0 : -1;
}

/* Both versions, one after the other. */
static int (*const versions[])(SSL_CTX *, void *) = {NULL, only_1_2};
#define EACH_VERSION(configure)                                                \
    for (unsigned at = 0; at < 2 && ((configure) = versions[at], true); at++)

static struct asynchat_tls *server_of(const struct identity *identity,
                                      unsigned flags, const char *trust,
                                      int (*configure)(SSL_CTX *, void *))
{
    return context(&(struct asynchat_tls_options){.flags = flags,
                                                  .certificate_text =
                                                      identity->certificate,
                                                  .key_text = identity->key,
                                                  .trust_text = trust,
                                                  .configure = configure});
}

static struct asynchat_tls *client_of(const struct identity *identity,
                                      unsigned flags)
{
    return context(&(struct asynchat_tls_options){
        .flags = ASYNCHAT_TLS_CLIENT | flags,
        .certificate_text = identity ? identity->certificate : NULL,
        .key_text = identity ? identity->key : NULL,
        .trust_text = world.authority->text});
}

static void a_client_resumes_its_session(void **state)
{
    int (*configure)(SSL_CTX *, void *);
    (void)state;
    EACH_VERSION(configure)
    {
        struct asynchat_tls *server =
            server_of(world.identity, 0, NULL, configure);
        struct asynchat_tls *client = client_of(NULL, 0);
        assert_int_equal(visit(server, client, "a.example"), FRESH);
        for (int i = 0; i < 3; i++)
            assert_int_equal(visit(server, client, "a.example"), RESUMED);
        assert_int_equal(visit(server, client, "127.0.0.1"), FRESH);
        assert_int_equal(asynchat_tls_reload(server, NULL), 0);
        assert_int_equal(visit(server, client, "a.example"), RESUMED);
        asynchat_tls_free(server);
        asynchat_tls_free(client);
    }
}

/* The keys of tickets are replaced when they are older than a day. */
static void old_keys_are_not_kept(void **state)
{
    (void)state;
    struct asynchat_tls *server = server_of(world.identity, 0, NULL, NULL);
    struct asynchat_tls *client = client_of(NULL, 0);
    assert_int_equal(visit(server, client, "a.example"), FRESH);
    server->version->keys_made -= 86401;
    assert_int_equal(asynchat_tls_reload(server, NULL), 0);
    assert_int_equal(visit(server, client, "a.example"), FRESH);
    assert_int_equal(visit(server, client, "a.example"), RESUMED);
    asynchat_tls_free(server);
    asynchat_tls_free(client);
}

static void without_tickets_nobody_does(void **state)
{
    int (*configure)(SSL_CTX *, void *);
    (void)state;
    EACH_VERSION(configure)
    {
        struct asynchat_tls *server =
            server_of(world.identity, ASYNCHAT_TLS_NO_TICKETS, NULL, configure);
        struct asynchat_tls *client = client_of(NULL, 0);
        struct asynchat_tls *none = client_of(NULL, ASYNCHAT_TLS_NO_TICKETS);
        for (int i = 0; i < 2; i++)
            assert_int_equal(visit(server, client, "a.example"), FRESH);
        for (int i = 0; i < 2; i++)
            assert_int_equal(visit(world.server, none, "a.example"), FRESH);
        asynchat_tls_free(server);
        asynchat_tls_free(client);
        asynchat_tls_free(none);
    }
}

/* Three times in a row: the second and third are resumed, with the certificate
 * of the first. */
static void a_client_with_a_certificate_resumes_too(void **state)
{
    int (*configure)(SSL_CTX *, void *);
    (void)state;
    struct identity *me =
        identity_new(world.authority, "DNS:me", 86400, "clientAuth");
    EACH_VERSION(configure)
    {
        struct asynchat_tls *server =
            server_of(world.identity, ASYNCHAT_TLS_DEMAND_CERTIFICATE,
                      world.authority->text, configure);
        struct asynchat_tls *client = client_of(me, 0);
        assert_int_equal(visit(server, client, "a.example"), FRESH);
        assert_int_equal(visit(server, client, "a.example"), RESUMED);
        assert_int_equal(visit(server, client, "a.example"), RESUMED);
        asynchat_tls_free(server);
        asynchat_tls_free(client);
    }
    identity_free(me);
}

/* Who is no longer trusted does not get in by a session, be it at the first
 * context or at one of a name. */
static void a_session_ends_with_the_trust(void **state)
{
    int (*configure)(SSL_CTX *, void *);
    (void)state;
    struct authority *other = authority_new("other", NULL);
    struct identity *me =
        identity_new(world.authority, "DNS:me", 86400, "clientAuth");
    EACH_VERSION(configure)
    {
        for (int named = 0; named < 2; named++) {
            struct asynchat_tls *server =
                server_of(world.identity, ASYNCHAT_TLS_DEMAND_CERTIFICATE,
                          world.authority->text, configure);
            struct asynchat_tls *first =
                server_of(world.identity, 0, NULL, configure);
            struct asynchat_tls *client = client_of(me, 0);
            assert_int_equal(asynchat_tls_add_name(first, "a.example", server),
                             0);
            struct asynchat_tls *asked = named ? first : server;
            assert_int_equal(visit(asked, client, "a.example"), FRESH);
            assert_int_equal(visit(asked, client, "a.example"), RESUMED);
            assert_int_equal(
                asynchat_tls_reload(
                    server,
                    &(struct asynchat_tls_options){
                        .size = sizeof(struct asynchat_tls_options),
                        .flags = ASYNCHAT_TLS_DEMAND_CERTIFICATE,
                        .certificate_text = world.identity->certificate,
                        .key_text = world.identity->key,
                        .trust_text = other->text,
                        .configure = configure}),
                0);
            assert_int_equal(visit(asked, client, "a.example"), 0);
            asynchat_tls_free(server);
            asynchat_tls_free(first);
            asynchat_tls_free(client);
        }
    }
    identity_free(me);
    authority_free(other);
}

static void reload(struct asynchat_tls *tls,
                   const struct asynchat_tls_options *options)
{
    struct asynchat_tls_options copy = *options;
    copy.size = sizeof copy;
    assert_int_equal(asynchat_tls_reload(tls, &copy), 0);
}

/* A server that begins to demand certificates does not let in who has none, by
 * a session of before. It trusts the same as before. */
static void a_session_ends_with_the_demand(void **state)
{
    int (*configure)(SSL_CTX *, void *);
    (void)state;
    EACH_VERSION(configure)
    {
        struct asynchat_tls *server =
            server_of(world.identity, 0, world.authority->text, configure);
        struct asynchat_tls *client = client_of(NULL, 0);
        assert_int_equal(visit(server, client, "a.example"), FRESH);
        assert_int_equal(visit(server, client, "a.example"), RESUMED);
        reload(server, &(struct asynchat_tls_options){
                           .flags = ASYNCHAT_TLS_DEMAND_CERTIFICATE,
                           .certificate_text = world.identity->certificate,
                           .key_text = world.identity->key,
                           .trust_text = world.authority->text,
                           .configure = configure});
        assert_int_equal(visit(server, client, "a.example"), 0);
        asynchat_tls_free(server);
        asynchat_tls_free(client);
    }
}

/* A client that trusts others than before verifies all servers anew. The first
 * handshake after the change is as good as any. */
static void a_session_ends_with_the_clients_trust(void **state)
{
    int (*configure)(SSL_CTX *, void *);
    (void)state;
    struct authority *other = authority_new("other", NULL);
    char *both = texts_join(world.authority->text, other->text);
    EACH_VERSION(configure)
    {
        struct asynchat_tls *server =
            server_of(world.identity, 0, NULL, configure);
        struct asynchat_tls *client = client_of(NULL, ASYNCHAT_TLS_NO_VERIFY);
        assert_int_equal(visit(server, client, "a.example"), FRESH);
        assert_int_equal(visit(server, client, "a.example"), RESUMED);
        reload(client, &(struct asynchat_tls_options){
                           .flags = ASYNCHAT_TLS_CLIENT,
                           .trust_text = world.authority->text});
        assert_int_equal(visit(server, client, "a.example"), FRESH);
        assert_int_equal(visit(server, client, "a.example"), RESUMED);
        reload(client, &(struct asynchat_tls_options){
                           .flags = ASYNCHAT_TLS_CLIENT, .trust_text = both});
        assert_int_equal(visit(server, client, "a.example"), FRESH);
        assert_int_equal(visit(server, client, "a.example"), RESUMED);
        reload(client,
               &(struct asynchat_tls_options){.flags = ASYNCHAT_TLS_CLIENT,
                                              .trust_text = other->text});
        assert_int_equal(visit(server, client, "a.example"), 0);
        asynchat_tls_free(server);
        asynchat_tls_free(client);
    }
    free(both);
    authority_free(other);
}

/* Two names that want different things of their clients: the session of the one
 * is nothing at the other, and the client gets to know the other's rules. */
static void a_session_of_one_name_is_nothing_at_another(void **state)
{
    int (*configure)(SSL_CTX *, void *);
    (void)state;
    struct identity *both = identity_new(
        world.authority, "DNS:a.example,DNS:b.example", 86400, "serverAuth");
    EACH_VERSION(configure)
    {
        struct asynchat_tls *a = server_of(both, 0, NULL, configure);
        struct asynchat_tls *b =
            server_of(both, ASYNCHAT_TLS_DEMAND_CERTIFICATE,
                      world.authority->text, configure);
        struct asynchat_tls *client = client_of(NULL, 0);
        assert_int_equal(asynchat_tls_add_name(a, "b.example", b), 0);
        assert_int_equal(visit(a, client, "a.example"), FRESH);
        assert_int_equal(visit(a, client, "a.example"), RESUMED);
        assert_int_equal(visit(a, client, "b.example"), 0);
        asynchat_tls_free(a);
        asynchat_tls_free(b);
        asynchat_tls_free(client);
    }
    identity_free(both);
}

/* The server's certificate is good for two seconds, and then the client's. */
static void a_session_ends_with_the_certificate(void **state)
{
    int (*configure)(SSL_CTX *, void *);
    (void)state;
    EACH_VERSION(configure)
    {
        struct identity *soon =
            identity_new(world.authority, "DNS:a.example", 2, "serverAuth");
        struct identity *me =
            identity_new(world.authority, "DNS:me", 2, "clientAuth");
        struct asynchat_tls *server = server_of(soon, 0, NULL, configure);
        struct asynchat_tls *asks =
            server_of(world.identity, ASYNCHAT_TLS_DEMAND_CERTIFICATE,
                      world.authority->text, configure);
        struct asynchat_tls *client = client_of(NULL, 0);
        struct asynchat_tls *client_me = client_of(me, 0);
        assert_int_equal(visit(server, client, "a.example"), FRESH);
        assert_int_equal(visit(asks, client_me, "a.example"), FRESH);
        sleep(3);
        assert_int_equal(visit(server, client, "a.example"), 0);
        assert_int_equal(visit(asks, client_me, "a.example"), 0);
        asynchat_tls_free(server);
        asynchat_tls_free(asks);
        asynchat_tls_free(client);
        asynchat_tls_free(client_me);
        identity_free(soon);
        identity_free(me);
    }
}

/* Until when the session that the client would offer next is good. */
static time_t kept_until(struct asynchat_tls *client)
{
    time_t until = 0;
    SSL_SESSION *session =
        asynchat__tls_sessions_take(&client->sessions, "a.example", 0, &until);
    assert_non_null(session);
    asynchat__tls_sessions_put(&client->sessions, 100, "a.example", session,
                               until);
    SSL_SESSION_free(session);
    return until;
}

/* A renewal does not make a session younger. */
static void a_session_is_as_old_as_its_full_handshake(void **state)
{
    int (*configure)(SSL_CTX *, void *);
    (void)state;
    EACH_VERSION(configure)
    {
        struct asynchat_tls *server =
            server_of(world.identity, 0, NULL, configure);
        struct asynchat_tls *client = context(
            &(struct asynchat_tls_options){.flags = ASYNCHAT_TLS_CLIENT,
                                           .trust_text = world.authority->text,
                                           .session_time = 3600});
        time_t before = time(NULL);
        assert_int_equal(visit(server, client, "a.example"), FRESH);
        time_t until = kept_until(client);
        assert_in_range(until, before + 3600, time(NULL) + 3600);
        sleep(1);
        assert_int_equal(visit(server, client, "a.example"), RESUMED);
        assert_int_equal(kept_until(client), until);
        asynchat_tls_free(server);
        asynchat_tls_free(client);
    }
}

/* A list that has the number of the client's certificate by now. */
static void a_session_ends_with_a_revocation(void **state)
{
    int (*configure)(SSL_CTX *, void *);
    (void)state;
    struct identity *me =
        identity_new(world.authority, "DNS:me", 86400, "clientAuth");
    char *none = authority_list(world.authority, 0, 86400);
    char *list = authority_list(world.authority, me->serial, 86400);
    char *before = texts_join(world.authority->text, none);
    char *after = texts_join(world.authority->text, list);
    EACH_VERSION(configure)
    {
        struct asynchat_tls *server = server_of(
            world.identity, ASYNCHAT_TLS_DEMAND_CERTIFICATE, before, configure);
        struct asynchat_tls *client = client_of(me, 0);
        assert_int_equal(visit(server, client, "a.example"), FRESH);
        assert_int_equal(visit(server, client, "a.example"), RESUMED);
        reload(server, &(struct asynchat_tls_options){
                           .flags = ASYNCHAT_TLS_DEMAND_CERTIFICATE,
                           .certificate_text = world.identity->certificate,
                           .key_text = world.identity->key,
                           .trust_text = after,
                           .configure = configure});
        assert_int_equal(visit(server, client, "a.example"), 0);
        asynchat_tls_free(server);
        asynchat_tls_free(client);
    }
    free(none);
    free(list);
    free(before);
    free(after);
    identity_free(me);
}

/* What `verify` sees, and what it answers. */
struct judge {
    int calls, chains, answer;
};

static int judge_peer(struct asynchat_channel *ch, SSL *ssl, void *arg)
{
    struct judge *judge = arg;
    (void)ch;
    assert_non_null(SSL_get0_peer_certificate(ssl));
    judge->calls++;
    judge->chains += SSL_get0_verified_chain(ssl) != NULL;
    return judge->answer;
}

/* On a session that is resumed there is the certificate, and no chain. */
static void verify_is_asked_about_a_resumed_session_too(void **state)
{
    int (*configure)(SSL_CTX *, void *);
    (void)state;
    struct identity *me =
        identity_new(world.authority, "DNS:me", 86400, "clientAuth");
    EACH_VERSION(configure)
    {
        struct judge judge = {0};
        struct asynchat_tls *server = context(&(struct asynchat_tls_options){
            .flags = ASYNCHAT_TLS_DEMAND_CERTIFICATE,
            .certificate_text = world.identity->certificate,
            .key_text = world.identity->key,
            .trust_text = world.authority->text,
            .configure = configure,
            .verify = judge_peer,
            .arg = &judge});
        struct asynchat_tls *client = client_of(me, 0);
        assert_int_equal(visit(server, client, "a.example"), FRESH);
        assert_int_equal(judge.chains, 1);
        assert_int_equal(visit(server, client, "a.example"), RESUMED);
        assert_int_equal(judge.chains, 1);
        judge.answer = -EACCES;
        assert_int_equal(visit(server, client, "a.example"), 0);
        assert_int_equal(judge.calls, 3);
        asynchat_tls_free(server);
        asynchat_tls_free(client);
    }
    identity_free(me);
}

/* One handshake of a client with a server of OpenSSL alone, and one line from
 * the server. Answers what visit() does. */
static int visit_peer(SSL_CTX *ctx, struct asynchat_tls *client)
{
    static struct talk talk;
    struct peer peer;
    peer_new(&peer, &talk, ctx, false, client);
    for (int i = 0; i < 10; i++) {
        SSL_do_handshake(peer.ssl);
        peer_run(&peer, &talk);
    }
    int how = SSL_session_reused(peer.ssl) ? RESUMED : FRESH;
    if (!SSL_is_init_finished(peer.ssl) || SSL_write(peer.ssl, "a\n", 2) != 2)
        how = 0;
    peer_run(&peer, &talk);
    if (how && strcmp(talk.client.log, "connect line(a)") != 0)
        how = 0;
    peer_free(&peer);
    talk_end(&talk);
    return how;
}

/* A server that gives sessions, and then ends the handshake in which one is
 * offered: the next handshake is a full one. */
static void a_session_that_fails_is_not_offered_again(void **state)
{
    static const int numbers[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    (void)state;
    struct identity *me =
        identity_new(world.authority, "DNS:me", 86400, "clientAuth");
    for (int i = 0; i < 2; i++) {
        struct asynchat_tls *client = client_of(me, 0);
        SSL_CTX *ctx = peer_context(true, world.identity, numbers[i]);
        assert_int_equal(visit_peer(ctx, client), FRESH);
        assert_int_equal(visit_peer(ctx, client), RESUMED);
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
        X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx),
                            world.authority->certificate);
        assert_int_equal(visit_peer(ctx, client), 0);
        assert_int_equal(visit_peer(ctx, client), FRESH);
        SSL_CTX_free(ctx);
        asynchat_tls_free(client);
    }
    identity_free(me);
}

/* A client that does not say whom it talks to. */
static void without_a_name_no_session_is_kept(void **state)
{
    (void)state;
    struct asynchat_tls *client = context(&(struct asynchat_tls_options){
        .flags = ASYNCHAT_TLS_CLIENT | ASYNCHAT_TLS_NO_VERIFY});
    for (int i = 0; i < 2; i++)
        assert_int_equal(visit(world.server, client, NULL), FRESH);
    assert_int_equal(visit(world.server, client, "a.example"), FRESH);
    assert_int_equal(visit(world.server, client, "a.example"), RESUMED);
    asynchat_tls_free(client);
}

/* Nobody verifies the server, whose certificate is over. */
static void no_session_is_kept_with_an_old_certificate(void **state)
{
    (void)state;
    struct identity *old =
        identity_new(world.authority, "DNS:a.example", -5, "serverAuth");
    struct asynchat_tls *server = server_of(old, 0, NULL, NULL);
    struct asynchat_tls *client = context(&(struct asynchat_tls_options){
        .flags = ASYNCHAT_TLS_CLIENT | ASYNCHAT_TLS_NO_VERIFY});
    for (int i = 0; i < 2; i++)
        assert_int_equal(visit(server, client, "a.example"), FRESH);
    asynchat_tls_free(server);
    asynchat_tls_free(client);
    identity_free(old);
}

/* --- the store --- */

static void the_store_is_bounded(void **state)
{
    struct sessions store;
    time_t until;
    SSL_SESSION *all[4];
    (void)state;
    asynchat__tls_sessions_init(&store);
    for (int i = 0; i < 4; i++)
        all[i] = SSL_SESSION_new();
    asynchat__tls_sessions_put(&store, 3, "a", all[0], 100);
    asynchat__tls_sessions_put(&store, 3, "b", all[1], 100);
    asynchat__tls_sessions_put(&store, 3, "a", all[2], 50);
    asynchat__tls_sessions_put(&store, 3, "c", all[3], 100);
    assert_int_equal(store.count, 3);
    asynchat__tls_sessions_put(&store, 4, "a", all[3], 5); /* is over at 10 */
    assert_ptr_equal(asynchat__tls_sessions_take(&store, "a", 10, &until),
                     all[2]);
    assert_int_equal(until, 50);
    assert_null(asynchat__tls_sessions_take(&store, "a", 10, &until));
    assert_null(asynchat__tls_sessions_take(&store, "b", 100, &until));
    assert_int_equal(store.count, 1);
    asynchat__tls_sessions_drop(&store, "b");
    asynchat__tls_sessions_drop(&store, "c");
    assert_int_equal(store.count, 0);
    SSL_SESSION_free(all[2]); /* the share that was taken */
    for (int i = 0; i < 4; i++)
        SSL_SESSION_free(all[i]);
    asynchat__tls_sessions_free(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_resumes_its_session),
        cmocka_unit_test(old_keys_are_not_kept),
        cmocka_unit_test(without_tickets_nobody_does),
        cmocka_unit_test(a_client_with_a_certificate_resumes_too),
        cmocka_unit_test(a_session_ends_with_the_trust),
        cmocka_unit_test(a_session_ends_with_the_demand),
        cmocka_unit_test(a_session_ends_with_the_clients_trust),
        cmocka_unit_test(a_session_of_one_name_is_nothing_at_another),
        cmocka_unit_test(a_session_ends_with_the_certificate),
        cmocka_unit_test(a_session_is_as_old_as_its_full_handshake),
        cmocka_unit_test(a_session_ends_with_a_revocation),
        cmocka_unit_test(verify_is_asked_about_a_resumed_session_too),
        cmocka_unit_test(a_session_that_fails_is_not_offered_again),
        cmocka_unit_test(without_a_name_no_session_is_kept),
        cmocka_unit_test(no_session_is_kept_with_an_old_certificate),
        cmocka_unit_test(the_store_is_bounded),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
