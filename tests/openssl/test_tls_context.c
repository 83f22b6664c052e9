/* Contexts: what they are made of, and what is wrong with it.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "talk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

#include <openssl/err.h>

static char folder[] = "/tmp/asynchat_tls_XXXXXX";

/* --- files --- */

static const char *path_of(const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static const char *write_file(const char *name, const char *text)
{
    const char *path = path_of(name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    return path;
}

/* --- what cannot be made --- */

static void refuse(const struct asynchat_tls_options *options, int error,
                   const char *text)
{
    struct asynchat_tls *tls = NULL;
    struct asynchat_tls_options copy = *options;
    copy.size = sizeof copy;
    int got = asynchat_tls_new(&copy, &tls);
    assert_null(tls);
    if (got != error || !strstr(asynchat_tls_get_error(NULL), text))
        fail_msg("%s and \"%s\" in place of %s and \"%s\"",
                 asynchat_strerror(got), asynchat_tls_get_error(NULL),
                 asynchat_strerror(error), text);
    assert_int_equal(ERR_peek_error(), 0);
}

#define SERVER                                                                 \
    .certificate_text = world.identity->certificate,                           \
    .key_text = world.identity->key
#define REFUSE(error, text, ...)                                               \
    refuse(&(struct asynchat_tls_options){__VA_ARGS__}, error, text)

static void options_are_checked(void **state)
{
    struct asynchat_tls *tls;
    struct asynchat_tls_options newer[2];
    char long_name[300];
    const char *many[301] = {NULL};
    (void)state;
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    assert_int_equal(asynchat_tls_new(NULL, &tls), -EINVAL);
    memset(newer, 0, sizeof newer);
    newer[0] = (struct asynchat_tls_options){.size = sizeof newer[0], SERVER};
    assert_int_equal(asynchat_tls_new(newer, NULL), -EINVAL);
    newer[0].size = sizeof newer;
    newer[1].size = 1;
    assert_int_equal(asynchat_tls_new(newer, &tls), -ENOTSUP);
    newer[0].size = 8;
    assert_int_equal(asynchat_tls_new(newer, &tls), -EINVAL);
    REFUSE(-EINVAL, "a server needs a certificate", .flags = 0);
    REFUSE(-EINVAL, "both a file and a text", SERVER, .certificate = "x");
    REFUSE(-EINVAL, "both a file and a text", SERVER, .key = "x");
    REFUSE(-EINVAL, "both a file and a text", SERVER, .trust = "x",
           .trust_text = "y");
    REFUSE(-EINVAL, "a key and no certificate", .flags = ASYNCHAT_TLS_CLIENT,
           .key = "x");
    REFUSE(-EINVAL, "nobody is trusted", SERVER,
           .flags = ASYNCHAT_TLS_ASK_CERTIFICATE);
    REFUSE(-EINVAL, "nobody is trusted", SERVER,
           .flags = ASYNCHAT_TLS_DEMAND_CERTIFICATE);
    REFUSE(-EINVAL, "a flag", SERVER, .flags = ASYNCHAT_TLS_NO_VERIFY);
    REFUSE(-EINVAL, "a flag",
           .flags = ASYNCHAT_TLS_CLIENT | ASYNCHAT_TLS_KNOWN_NAMES);
    REFUSE(-EINVAL, "a flag", SERVER, .flags = 0x4000);
    REFUSE(-EINVAL, "min_version", SERVER, .min_version = TLS1_1_VERSION);
    REFUSE(-EINVAL, "handshake_time", SERVER, .handshake_time = 1u << 31);
    REFUSE(-EINVAL, "alpn", SERVER, .alpn = (const char *const[]){"", NULL});
    REFUSE(-EINVAL, "alpn", SERVER,
           .alpn = (const char *const[]){long_name, NULL});
    long_name[250] = '\0';
    for (int i = 0; i < 300; i++)
        many[i] = long_name;
    REFUSE(-EINVAL, "alpn", SERVER, .alpn = many);
}

static void certificates_and_keys_are_checked(void **state)
{
    (void)state;
    struct identity *other =
        identity_new(world.authority, "DNS:b.example", 86400, "serverAuth");
    char *locked = identity_lock_key(world.identity, "secret");
    char *wrong_order =
        texts_join(world.identity->certificate, other->certificate);
    REFUSE(-ENOENT, "No such file", .certificate = path_of("none"));
    REFUSE(-EISDIR, "directory", .certificate = folder);
    REFUSE(ASYNCHAT_ECERTIFICATE, "no start line", .certificate_text = "");
    REFUSE(ASYNCHAT_ECERTIFICATE, "no start line",
           .certificate_text = "\x30\x82\x01\x02");
    REFUSE(ASYNCHAT_ECERTIFICATE, "certificate: no start line",
           .certificate_text = world.identity->key);
    REFUSE(ASYNCHAT_ECERTIFICATE,
           "key: ", .certificate_text = world.identity->certificate);
    REFUSE(ASYNCHAT_ECERTIFICATE, "key values mismatch",
           .certificate_text = world.identity->certificate,
           .key_text = other->key);
    REFUSE(ASYNCHAT_ECERTIFICATE, "encrypted, and there is no passphrase",
           .certificate_text = world.identity->certificate, .key_text = locked);
    REFUSE(ASYNCHAT_ECERTIFICATE, "not followed by the one of its issuer",
           .certificate_text = wrong_order, .key_text = world.identity->key);
    REFUSE(ASYNCHAT_ECERTIFICATE, "no certificate in it",
           .flags = ASYNCHAT_TLS_CLIENT, .trust_text = "nothing");
    REFUSE(-ENOENT, "No such file", .flags = ASYNCHAT_TLS_CLIENT,
           .trust = path_of("none"));
    struct identity *weak = identity_new_rsa(world.authority, 1024);
    REFUSE(ASYNCHAT_ECERTIFICATE, "certificate: ee key too small",
           .certificate_text = weak->certificate, .key_text = weak->key);
    free(locked);
    free(wrong_order);
    identity_free(weak);
    identity_free(other);
}

/* --- what can --- */

static int give_secret(char *to, size_t room, void *arg)
{
    const char *phrase = arg;
    assert_true(strlen(phrase) <= room);
    memcpy(to, phrase, strlen(phrase));
    return (int)strlen(phrase);
}

static int give_too_much(char *to, size_t room, void *arg)
{
    (void)to;
    (void)arg;
    return (int)room + 1;
}

static int give_none(char *to, size_t room, void *arg)
{
    (void)to;
    (void)room;
    (void)arg;
    return -ENOENT;
}

static void an_encrypted_key_needs_its_passphrase(void **state)
{
    (void)state;
    char *locked = identity_lock_key(world.identity, "secret");
    asynchat_tls_free(context(&(struct asynchat_tls_options){
        .certificate_text = world.identity->certificate,
        .key_text = locked,
        .passphrase = give_secret,
        .arg = "secret"}));
    REFUSE(ASYNCHAT_ECERTIFICATE, "the passphrase does not open it",
           .certificate_text = world.identity->certificate, .key_text = locked,
           .passphrase = give_secret, .arg = "guess");
    REFUSE(ASYNCHAT_ECERTIFICATE, "the passphrase does not open it",
           .certificate_text = world.identity->certificate, .key_text = locked,
           .passphrase = give_too_much);
    REFUSE(ASYNCHAT_ECERTIFICATE, "the passphrase does not open it",
           .certificate_text = world.identity->certificate, .key_text = locked,
           .passphrase = give_none);
    free(locked);
}

/* The text with CRLF at the end of each line. To be freed. */
static char *with_crlf(const char *text)
{
    char *copy = malloc(2 * strlen(text) + 1), *to = copy;
    assert_non_null(copy);
    for (; *text; text++) {
        if (*text == '\n')
            *to++ = '\r';
        *to++ = *text;
    }
    *to = '\0';
    return copy;
}

/* One file has both. Its lines may end with CRLF, and an editor may have put a
 * byte order mark before them. */
static void one_file_may_have_all(void **state)
{
    (void)state;
    char *both = texts_join(world.identity->key, world.identity->certificate);
    char *crlf = with_crlf(both);
    char *marked = texts_join("\xef\xbb\xbf", crlf);
    asynchat_tls_free(context(&(struct asynchat_tls_options){
        .certificate = write_file("both.pem", both)}));
    asynchat_tls_free(context(&(struct asynchat_tls_options){
        .certificate = write_file("both.pem", crlf)}));
    asynchat_tls_free(context(&(struct asynchat_tls_options){
        .certificate = write_file("both.pem", marked)}));
    free(both);
    free(crlf);
    free(marked);
}

static void connect_as(struct asynchat_tls *server, struct asynchat_tls *client,
                       const char *ending)
{
    static struct talk talk;
    talk_tcp(&talk, server, client, "a.example");
    talk_until(&talk, &talk.client, ending);
    talk_end(&talk);
}

static void a_chain_is_sent_whole(void **state)
{
    (void)state;
    struct authority *middle = authority_new("middle", world.authority);
    struct identity *leaf =
        identity_new(middle, "DNS:a.example", 86400, "serverAuth");
    char *chain = texts_join(leaf->certificate, middle->text);
    struct asynchat_tls *server = context(&(struct asynchat_tls_options){
        .certificate = write_file("chain.pem", chain),
        .key = write_file("chain.key", leaf->key)});
    connect_as(server, world.client, "connect");
    assert_int_equal(asynchat_tls_reload(server, NULL), 0);
    connect_as(server, world.client, "connect");
    asynchat_tls_free(server);
    free(chain);
    identity_free(leaf);
    authority_free(middle);
}

static void revocation_lists_hold(void **state)
{
    const struct {
        bool revoked, other;
        long seconds;
        const char *text;
    } lists[] = {
        {true, false, 86400, "certificate revoked (depth 0)"},
        {false, false, -10, "CRL has expired (depth 0)"},
        {false, true, 86400, "unable to get certificate CRL (depth 0)"},
    };
    static struct talk talk;
    (void)state;
    struct authority *other = authority_new("other", NULL);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        char *list = authority_list(
            lists[i].other ? other : world.authority,
            lists[i].revoked ? world.identity->serial : 0, lists[i].seconds);
        char *trust = texts_join(world.authority->text, list);
        struct asynchat_tls *client = context(&(struct asynchat_tls_options){
            .flags = ASYNCHAT_TLS_CLIENT, .trust_text = trust});
        talk_tcp(&talk, world.server, client, "a.example");
        talk_until(&talk, &talk.client, "close(ECERTIFICATE)");
        assert_non_null(strstr(talk.client.text, lists[i].text));
        talk_end(&talk);
        asynchat_tls_free(client);
        free(trust);
        free(list);
    }
    authority_free(other);
}

/* More names than a server can send. */
static void a_server_may_trust_very_many(void **state)
{
    (void)state;
    char *all = strdup(world.authority->text);
    char name[64];
    for (int i = 0; i < 1200; i++) {
        snprintf(name, sizeof name,
                 "authority with a rather long name, number %d", i);
        struct authority *one = authority_new(name, NULL);
        char *more = texts_join(all, one->text);
        free(all);
        all = more;
        authority_free(one);
    }
    struct asynchat_tls *server = context(&(struct asynchat_tls_options){
        SERVER, .flags = ASYNCHAT_TLS_ASK_CERTIFICATE, .trust_text = all});
    connect_as(server, world.client, "connect");
    asynchat_tls_free(server);
    free(all);
}

/* A folder, as c_rehash makes it, and whom the system trusts. */
static void a_folder_may_be_trusted(void **state)
{
    char hash[32];
    (void)state;
    snprintf(hash, sizeof hash, "%08lx.0",
             X509_subject_name_hash(world.authority->certificate));
    write_file(hash, world.authority->text);
    struct asynchat_tls *client = context(&(struct asynchat_tls_options){
        .flags = ASYNCHAT_TLS_CLIENT, .trust = folder});
    connect_as(world.server, client, "connect");
    assert_int_equal(asynchat_tls_reload(client, NULL), 0);
    connect_as(world.server, client, "connect");
    unlink(path_of(hash));
    asynchat_tls_free(client);
    client =
        context(&(struct asynchat_tls_options){.flags = ASYNCHAT_TLS_CLIENT});
    connect_as(world.server, client, "close(ECERTIFICATE)");
    asynchat_tls_free(client);
}

static int expect_1_2(SSL_CTX *ctx, void *arg)
{
    (void)arg;
    return SSL_CTX_get_min_proto_version(ctx) == TLS1_2_VERSION ? 0 : -EINVAL;
}

static void no_time_limit_is_possible(void **state)
{
    (void)state;
    struct asynchat_tls *server = context(&(struct asynchat_tls_options){
        SERVER, .handshake_time = UINT_MAX, .configure = expect_1_2,
        .alpn = (const char *const[]){NULL}});
    connect_as(server, world.client, "connect");
    static struct talk talk;
    talk_tcp(&talk, server, NULL, NULL); /* a handshake that never ends */
    talk_until(&talk, &talk.client, "connect");
    talk_run(&talk);
    talk_end(&talk);
    asynchat_tls_free(server);
}

static void calls_check_their_arguments(void **state)
{
    struct asynchat_tls_stats stats;
    static struct talk talk;
    (void)state;
    asynchat_tls_free(NULL);
    assert_int_equal(asynchat_tls_get_stats(NULL, &stats, sizeof stats),
                     -EINVAL);
    assert_int_equal(asynchat_tls_get_stats(world.server, NULL, 0), -EINVAL);
    assert_int_equal(asynchat_tls_add_name(NULL, "a.example", world.server),
                     -EINVAL);
    assert_int_equal(asynchat_tls_add_name(world.server, NULL, world.server),
                     -EINVAL);
    assert_int_equal(
        asynchat_tls_add_name(world.client, "a.example", world.server),
        -EINVAL);
    assert_int_equal(asynchat_tls_serve(NULL, world.server), -EINVAL);
    talk_tcp(&talk, NULL, NULL, NULL);
    assert_int_equal(asynchat_tls_serve(talk.listener, world.client), -EINVAL);
    assert_non_null(strstr(asynchat_tls_get_error(NULL), "for clients"));
    assert_int_equal(asynchat_tls_get_info(talk.client.ch, NULL, 0), -EINVAL);
    assert_int_equal(asynchat_tls_connect(talk.base, "127.0.0.1:1", 0, NULL,
                                          "a.example", &side_handler, NULL,
                                          &talk.client.ch),
                     -EINVAL);
    assert_int_equal(asynchat_tls_connect(talk.base, "127.0.0.1:1", 0,
                                          world.client, "a.example",
                                          &side_handler, NULL, NULL),
                     -EINVAL);
    talk_end(&talk);
}

/* --- configure and verify --- */

static int one_cipher(SSL_CTX *ctx, void *arg)
{
    int *calls = arg;
    ++*calls;
    return SSL_CTX_set_ciphersuites(ctx, "TLS_CHACHA20_POLY1305_SHA256") ? 0
                                                                         : -1;
}

static void expect_cipher(struct asynchat_tls *server, const char *cipher)
{
    static struct talk talk;
    struct asynchat_tls_info info;
    talk_tcp(&talk, server, world.client, "a.example");
    talk_until(&talk, &talk.client, "connect");
    assert_int_equal(asynchat_tls_get_info(talk.client.ch, &info, sizeof info),
                     0);
    assert_string_equal(info.cipher, cipher);
    talk_end(&talk);
}

static void what_is_configured_holds_after_a_reload(void **state)
{
    int calls = 0;
    (void)state;
    struct asynchat_tls *server = context(&(struct asynchat_tls_options){
        SERVER, .configure = one_cipher, .arg = &calls});
    expect_cipher(server, "TLS_CHACHA20_POLY1305_SHA256");
    assert_int_equal(asynchat_tls_reload(server, NULL), 0);
    expect_cipher(server, "TLS_CHACHA20_POLY1305_SHA256");
    assert_int_equal(calls, 2);
    asynchat_tls_free(server);
}

/* With this mode OpenSSL writes one record of what it is given, and says that
 * all is well. */
static int partial_writes(SSL_CTX *ctx, void *arg)
{
    (void)arg;
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE);
    return SSL_CTX_set_max_send_fragment(ctx, 512) ? 0 : -1;
}

static void nothing_is_lost_in_a_mode_of_the_program_s(void **state)
{
    static struct talk talk;
    static char line[100001];
    (void)state;
    struct asynchat_tls *server = context(
        &(struct asynchat_tls_options){SERVER, .configure = partial_writes});
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = '\n';
    talk_tcp(&talk, server, world.client, "a.example");
    connect_both(&talk);
    assert_int_equal(asynchat_push(talk.server.ch, line, sizeof line), 0);
    talk_until(&talk, &talk.client, "line(100000)");
    talk_end(&talk);
    asynchat_tls_free(server);
}

static int fail_later(SSL_CTX *ctx, void *arg)
{
    int *calls = arg;
    (void)ctx;
    return (*calls)++ > 0 ? -EPERM : 0;
}

static void a_reload_is_all_or_nothing(void **state)
{
    int calls = 0;
    (void)state;
    struct identity *next =
        identity_new(world.authority, "DNS:a.example", 86400, "serverAuth");
    const char *certificate = write_file("a.pem", world.identity->certificate);
    const char *key = write_file("a.key", world.identity->key);
    struct asynchat_tls *server = context(
        &(struct asynchat_tls_options){.certificate = certificate, .key = key});
    write_file("a.pem", next->certificate);
    for (int i = 0; i < 100; i++)
        assert_int_equal(asynchat_tls_reload(server, NULL),
                         ASYNCHAT_ECERTIFICATE);
    assert_non_null(strstr(asynchat_tls_get_error(NULL), "mismatch"));
    connect_as(server, world.client, "connect");
    write_file("a.key", next->key);
    assert_int_equal(asynchat_tls_reload(server, NULL), 0);
    connect_as(server, world.client, "connect");
    asynchat_tls_free(server);
    server = context(&(struct asynchat_tls_options){
        SERVER, .configure = fail_later, .arg = &calls});
    assert_int_equal(asynchat_tls_reload(server, NULL), -EPERM);
    connect_as(server, world.client, "connect");
    assert_int_equal(
        asynchat_tls_reload(
            world.client,
            &(struct asynchat_tls_options){
                .size = sizeof(struct asynchat_tls_options), SERVER}),
        -EINVAL);
    assert_int_equal(asynchat_tls_reload(NULL, NULL), -EINVAL);
    asynchat_tls_free(server);
    identity_free(next);
}

static void closes_at_once(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    asynchat_close(ch);
}

/* What the log has said, as "WARNING TLS: text". */
static char said[512];

static void note_record(const struct asynchat_log_record *r, void *arg)
{
    (void)arg;
    if (r->event == ASYNCHAT_LOG_RELOAD)
        snprintf(said, sizeof said, "%s %s: %s%s",
                 r->level == ASYNCHAT_LOG_WARNING ? "WARNING" : "INFO", r->peer,
                 r->text, r->code == ASYNCHAT_ECERTIFICATE ? " (bad)" : "");
}

static void raise_and_run(struct event_base *base)
{
    said[0] = '\0';
    raise(SIGWINCH);
    event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static void a_signal_reloads_it(void **state)
{
    static const struct asynchat_handler handler = {
        .size = sizeof handler, .handle_connect = closes_at_once};
    struct event_base *base = event_base_new();
    struct asynchat_server *server;
    (void)state;
    struct identity *next =
        identity_new(world.authority, "DNS:a.example", 86400, "serverAuth");
    struct asynchat_tls *tls = context(&(struct asynchat_tls_options){
        .certificate = write_file("a.pem", world.identity->certificate),
        .key = write_file("a.key", world.identity->key)});
    assert_int_equal(
        asynchat_server_new(base, "127.0.0.1:0", &handler, NULL, NULL, &server),
        0);
    assert_int_equal(asynchat_tls_reload_on_signal(server, SIGWINCH, NULL),
                     -EINVAL);
    assert_int_equal(asynchat_tls_reload_on_signal(server, SIGKILL, tls),
                     -EINVAL);
    assert_non_null(strstr(asynchat_tls_get_error(NULL), "signal 9: "));
    assert_int_equal(asynchat_tls_reload_on_signal(server, SIGWINCH, tls), 0);
    asynchat_set_log(ASYNCHAT_LOG_INFO, note_record, NULL);
    raise_and_run(base);
    assert_string_equal(said, "INFO TLS: reads its files again");
    write_file("a.pem", next->certificate);
    raise_and_run(base);
    assert_ptr_equal(strstr(said, "WARNING TLS: the old certificate stays: "),
                     said);
    assert_non_null(strstr(said, "mismatch"));
    assert_non_null(strstr(said, " (bad)"));
    connect_as(tls, world.client, "connect");
    write_file("a.key", next->key);
    raise_and_run(base);
    assert_string_equal(said, "INFO TLS: reads its files again");
    connect_as(tls, world.client, "connect");
    asynchat_set_log(ASYNCHAT_LOG_INFO, NULL, NULL);
    asynchat_server_free(server);
    event_base_free(base);
    asynchat_tls_free(tls);
    identity_free(next);
}

static void a_reload_may_bring_other_options(void **state)
{
    (void)state;
    struct authority *other = authority_new("other", NULL);
    struct identity *next =
        identity_new(other, "DNS:a.example", 86400, "serverAuth");
    struct asynchat_tls *server =
        context(&(struct asynchat_tls_options){SERVER});
    struct asynchat_tls *client = context(&(struct asynchat_tls_options){
        .flags = ASYNCHAT_TLS_CLIENT, .trust_text = other->text});
    connect_as(server, client, "close(ECERTIFICATE)");
    assert_int_equal(
        asynchat_tls_reload(server,
                            &(struct asynchat_tls_options){
                                .size = sizeof(struct asynchat_tls_options),
                                .certificate_text = next->certificate,
                                .key_text = next->key}),
        0);
    connect_as(server, client, "connect");
    asynchat_tls_free(server);
    asynchat_tls_free(client);
    identity_free(next);
    authority_free(other);
}

static int refuse_all(struct asynchat_channel *ch, SSL *ssl, void *arg)
{
    (void)arg;
    assert_non_null(ch);
    assert_true(SSL_is_init_finished(ssl));
    return -EACCES;
}

static void verify_has_the_last_word(void **state)
{
    static struct talk talk;
    (void)state;
    struct asynchat_tls *server =
        context(&(struct asynchat_tls_options){SERVER, .verify = refuse_all});
    talk_tcp(&talk, server, world.client, "a.example");
    talk_until(&talk, &talk.server, "close(-13)");
    expect(&talk.server, "error(-13) close(-13)");
    assert_string_equal(talk.server.text, "Permission denied");
    talk_end(&talk);
    asynchat_tls_free(server);
}

static int expect_1_3(SSL_CTX *ctx, void *arg)
{
    (void)arg;
    return SSL_CTX_get_min_proto_version(ctx) == TLS1_3_VERSION ? 0 : -EINVAL;
}

/* The program does not ask for less. */
static void under_a_higher_version(void)
{
    asynchat_tls_free(context(&(struct asynchat_tls_options){
        .flags = ASYNCHAT_TLS_CLIENT | ASYNCHAT_TLS_NO_VERIFY,
        .configure = expect_1_3}));
}

static int expect_level_3(SSL_CTX *ctx, void *arg)
{
    (void)arg;
    return SSL_CTX_get_security_level(ctx) == 3 ? 0 : -EINVAL;
}

static void under_a_level_and_a_group(void)
{
    static struct talk talk;
    world_new(&world);
    struct asynchat_tls *server = context(
        &(struct asynchat_tls_options){SERVER, .configure = expect_level_3});
    talk_tcp(&talk, server, world.client, "a.example");
    connect_both(&talk);
    assert_int_equal(
        SSL_get_shared_group(asynchat_tls_get_ssl(talk.server.ch), 0),
        NID_secp384r1);
    talk_end(&talk);
    asynchat_tls_free(server);
    world_free(&world);
}

/* Nothing is there that could be used. */
static void without_algorithms(void)
{
    REFUSE(-EIO, "random numbers: ",
           .flags = ASYNCHAT_TLS_CLIENT | ASYNCHAT_TLS_NO_VERIFY);
}

static const struct {
    const char *lines; /* of openssl.cnf */
    void (*child)(void);
} systems[] = {
    {"[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\n"
     "MinProtocol = TLSv1.3\n",
     under_a_higher_version},
    {"[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\n"
     "CipherString = DEFAULT@SECLEVEL=3\nGroups = P-384\n",
     under_a_level_and_a_group},
    {"[a]\nalg_section = b\n[b]\ndefault_properties = fips=yes\n",
     without_algorithms},
};
#define SYSTEMS (sizeof systems / sizeof *systems)

static const char *program; /* its path */

/* OpenSSL reads the file once, so children do this: the program again, with the
 * number of a system. */
static void the_system_may_demand_more(void **state)
{
    int status;
    char number[2] = "0";
    (void)state;
    for (size_t i = 0; i < SYSTEMS; i++, number[0]++) {
        char *text = texts_join("openssl_conf = a\n", systems[i].lines);
        const char *path = write_file("openssl.cnf", text);
        pid_t child = fork();
        if (child == 0) {
            setenv("OPENSSL_CONF", path, 1);
            execl(program, program, number, (char *)NULL);
            _exit(2);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        unlink(path);
        free(text);
    }
}

static void as_a_child(void **state)
{
    systems[*(size_t *)*state].child();
}

static int run_as_a_child(size_t number)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(as_a_child, &number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A list in the file of a server holds for its clients. */
static void a_server_has_lists_too(void **state)
{
    (void)state;
    struct identity *me =
        identity_new(world.authority, "DNS:me", 86400, "clientAuth");
    for (int revoked = 0; revoked < 2; revoked++) {
        char *list =
            authority_list(world.authority, revoked ? me->serial : 0, 86400);
        char *trust = texts_join(world.authority->text, list);
        struct asynchat_tls *server = context(&(struct asynchat_tls_options){
            SERVER, .flags = ASYNCHAT_TLS_DEMAND_CERTIFICATE,
            .trust_text = trust});
        struct asynchat_tls *client = context(&(struct asynchat_tls_options){
            .flags = ASYNCHAT_TLS_CLIENT,
            .certificate_text = me->certificate,
            .key_text = me->key,
            .trust_text = world.authority->text});
        static struct talk talk;
        talk_tcp(&talk, server, client, "a.example");
        talk_until(&talk, &talk.server,
                   revoked ? "close(ECERTIFICATE)" : "connect");
        talk_end(&talk);
        asynchat_tls_free(server);
        asynchat_tls_free(client);
        free(trust);
        free(list);
    }
    identity_free(me);
}

static int setup(void **state)
{
    (void)state;
    world_new(&world);
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    world_free(&world);
    for (const char *const *name =
             (const char *const[]){"both.pem", "chain.pem", "chain.key",
                                   "a.pem", "a.key", NULL};
         *name; name++)
        unlink(path_of(*name));
    return rmdir(folder);
}

int main(int argc, char **argv)
{
    program = argv[0];
    if (argc > 1)
        return run_as_a_child((size_t)atoi(argv[1]));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(certificates_and_keys_are_checked),
        cmocka_unit_test(an_encrypted_key_needs_its_passphrase),
        cmocka_unit_test(one_file_may_have_all),
        cmocka_unit_test(a_chain_is_sent_whole),
        cmocka_unit_test(revocation_lists_hold),
        cmocka_unit_test(a_server_may_trust_very_many),
        cmocka_unit_test(a_folder_may_be_trusted),
        cmocka_unit_test(no_time_limit_is_possible),
        cmocka_unit_test(calls_check_their_arguments),
        cmocka_unit_test(what_is_configured_holds_after_a_reload),
        cmocka_unit_test(nothing_is_lost_in_a_mode_of_the_program_s),
        cmocka_unit_test(a_reload_is_all_or_nothing),
        cmocka_unit_test(a_signal_reloads_it),
        cmocka_unit_test(a_reload_may_bring_other_options),
        cmocka_unit_test(verify_has_the_last_word),
        cmocka_unit_test(the_system_may_demand_more),
        cmocka_unit_test(a_server_has_lists_too),
    };
    cmocka_set_skip_filter(getenv("LEAVE_OUT"));
    return cmocka_run_group_tests(tests, setup, teardown);
}
