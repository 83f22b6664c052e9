/* Names of servers: their form, and contexts by name (SNI).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "talk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "tls/names.h"

/* --- the form --- */

static void names_have_one_form(void **state)
{
    static const struct {
        const char *name, *form; /* NULL: it is no name */
    } names[] = {
        {"a.example", "a.example"},
        {"A.Example", "a.example"},
        {"a.example.", "a.example"},
        {"localhost", "localhost"},
        {"_x.a-b.example", "_x.a-b.example"},
        {"xn--bcher-kva.example", "xn--bcher-kva.example"},
        {"", NULL},
        {".", NULL},
        {".example", NULL},
        {"a..example", NULL},
        {"a.example..", NULL},
        {"*.example", NULL},
        {"a b", NULL},
        {"a\n.example", NULL},
        {"b\xc3\xbc"
         "cher.example",
         NULL},
        {"1234567890123456789012345678901234567890123456789012345678901234.x",
         NULL},
    };
    char form[NAME_SIZE], much[400];
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        bool is = asynchat__tls_name_write(form, names[i].name,
                                           strlen(names[i].name));
        if (is != (names[i].form != NULL))
            fail_msg("\"%s\"", names[i].name);
        if (is)
            assert_string_equal(form, names[i].form);
    }
    for (size_t i = 0; i < sizeof much - 1; i++)
        much[i] = i % 2 ? '.' : 'a';
    assert_true(asynchat__tls_name_write(form, much, 253));
    assert_false(asynchat__tls_name_write(form, much, 255));
    assert_true(asynchat__tls_name_write_pattern(form, "*.A.example"));
    assert_string_equal(form, "*.a.example");
    assert_false(asynchat__tls_name_write_pattern(form, "*"));
    assert_false(asynchat__tls_name_write_pattern(form, "*."));
    assert_false(asynchat__tls_name_write_pattern(form, "w*.a.example"));
    assert_false(asynchat__tls_name_write_pattern(form, "a.*.example"));
    memmove(much + 2, much, 253);
    memcpy(much, "*.", 2);
    much[255] = '\0';
    assert_false(asynchat__tls_name_write_pattern(form, much));
}

static void clients_need_a_name(void **state)
{
    static char much[400];
    const char *const wrong[] = {NULL,   "",    ".a.example", "*.example",
                                 "a..b", "a b", "[::1]",      much};
    struct event_base *base = event_base_new();
    struct asynchat_channel *ch;
    (void)state;
    memset(much, 'x', sizeof much - 1);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(asynchat_tls_connect(base, "127.0.0.1:1", 0,
                                              world.client, wrong[i],
                                              &side_handler, NULL, &ch),
                         -EINVAL);
    assert_int_equal(asynchat_tls_connect(base, "127.0.0.1:1", 0, world.server,
                                          "a.example", &side_handler, NULL,
                                          &ch),
                     -EINVAL);
    assert_int_equal(asynchat_tls_connect(base, "nowhere", 0, world.client,
                                          "a.example", &side_handler, NULL,
                                          &ch),
                     ASYNCHAT_EADDRESS);
    event_base_free(base);
}

static void connects(struct asynchat_tls *server, struct asynchat_tls *client,
                     const char *name, const char *ending)
{
    static struct talk talk;
    talk_tcp(&talk, server, client, name);
    talk_until(&talk, &talk.client, ending);
    talk_end(&talk);
}

static void names_are_verified(void **state)
{
    static const struct {
        const char *names, *name;
        bool good;
    } cases[] = {
        {"DNS:a.example", "A.EXAMPLE", true},
        {"DNS:a.example", "a.example.", true},
        {"DNS:*.w.example", "x.w.example", true},
        {"DNS:*.example", "a.example", false},
        {"DNS:*.w.example", "x.y.w.example", false},
        {"DNS:a*.w.example", "a1.w.example", false},
        {"DNS:*.a.example", "a.example", false},
        {"IP:127.0.0.1", "127.0.0.1", true},
        {"IP:::1", "::1", true},
        {"IP:::1", "0:0:0:0:0:0:0:1", true},
        {"DNS:127.0.0.1", "127.0.0.1", false},
        {NULL, "somebody", false}, /* a subject is not a name (RFC 9525, 2) */
        {"email:a@b.example", "somebody", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct identity *one =
            identity_new(world.authority, cases[i].names, 86400, "serverAuth");
        struct asynchat_tls *server = context(&(struct asynchat_tls_options){
            .certificate_text = one->certificate, .key_text = one->key});
        connects(server, world.client, cases[i].name,
                 cases[i].good ? "connect" : "close(ECERTIFICATE)");
        asynchat_tls_free(server);
        identity_free(one);
    }
}

static void a_client_may_verify_nobody(void **state)
{
    (void)state;
    struct asynchat_tls *any = context(&(struct asynchat_tls_options){
        .flags = ASYNCHAT_TLS_CLIENT | ASYNCHAT_TLS_NO_VERIFY});
    static struct talk talk;
    struct asynchat_tls_info info;
    talk_tcp(&talk, world.server, any, NULL);
    talk_until(&talk, &talk.client, "connect");
    assert_int_equal(asynchat_tls_get_info(talk.client.ch, &info, sizeof info),
                     0);
    assert_int_equal(info.verified, 0);
    assert_null(info.server_name);
    talk_end(&talk);
    connects(world.server, any, "b.example", "connect");
    connects(world.server, any, "127.0.0.2", "connect");
    asynchat_tls_free(any);
}

/* --- contexts by name --- */

static struct asynchat_tls *named(const char *name, unsigned flags,
                                  int min_version)
{
    struct identity *one =
        identity_new(world.authority, name, 86400, "serverAuth");
    struct asynchat_tls *tls = context(&(struct asynchat_tls_options){
        .flags = flags,
        .min_version = min_version,
        .certificate_text = one->certificate,
        .key_text = one->key,
        .trust_text = flags ? world.authority->text : NULL,
        .alpn = (const char *const[]){name, NULL}});
    identity_free(one);
    return tls;
}

static void a_name_chooses_a_whole_context(void **state)
{
    static struct talk talk;
    struct asynchat_tls_info info;
    (void)state;
    struct asynchat_tls *first = named("DNS:a.example", 0, 0);
    struct asynchat_tls *b = named("DNS:b.example", 0, TLS1_3_VERSION);
    struct asynchat_tls *w = named("DNS:*.w.example", 0, 0);
    struct asynchat_tls *strict =
        named("DNS:s.example", ASYNCHAT_TLS_DEMAND_CERTIFICATE, 0);
    struct asynchat_tls *client = context(&(struct asynchat_tls_options){
        .flags = ASYNCHAT_TLS_CLIENT,
        .trust_text = world.authority->text,
        .alpn =
            (const char *const[]){"DNS:a.example", "DNS:b.example",
                                  "DNS:*.w.example", "DNS:s.example", NULL}});
    static const struct {
        const char *name, *alpn;
    } cases[] = {{"a.example", "DNS:a.example"},
                 {"b.example", "DNS:b.example"},
                 {"B.Example.", "DNS:b.example"},
                 {"x.w.example", "DNS:*.w.example"}};
    assert_int_equal(asynchat_tls_add_name(first, "B.example", b), 0);
    assert_int_equal(asynchat_tls_add_name(first, "*.w.example", w), 0);
    assert_int_equal(asynchat_tls_add_name(first, "s.example", strict), 0);
    asynchat_tls_free(w); /* the name has a share */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        talk_tcp(&talk, first, client, cases[i].name);
        talk_until(&talk, &talk.server, "connect");
        assert_int_equal(
            asynchat_tls_get_info(talk.server.ch, &info, sizeof info), 0);
        assert_string_equal(info.alpn, cases[i].alpn);
        talk_end(&talk);
    }
    connects(first, client, "s.example", "close(ECERTIFICATE)");
    connects(first, client, "x.y.w.example", "close(ECERTIFICATE)");
    assert_int_equal(asynchat_tls_add_name(first, "b.example", NULL), 0);
    assert_int_equal(asynchat_tls_add_name(first, "b.example", NULL), -ENOENT);
    connects(first, client, "b.example", "close(ECERTIFICATE)");
    assert_int_equal(asynchat_tls_add_name(first, "a b", strict), -EINVAL);
    assert_int_equal(asynchat_tls_add_name(first, "c.example", client),
                     -EINVAL);
    asynchat_tls_free(first);
    asynchat_tls_free(b);
    asynchat_tls_free(strict);
    asynchat_tls_free(client);
}

static void only_known_names_may_be_demanded(void **state)
{
    (void)state;
    struct asynchat_tls *any = context(&(struct asynchat_tls_options){
        .flags = ASYNCHAT_TLS_CLIENT | ASYNCHAT_TLS_NO_VERIFY});
    struct asynchat_tls *first = context(&(struct asynchat_tls_options){
        .flags = ASYNCHAT_TLS_KNOWN_NAMES,
        .certificate_text = world.identity->certificate,
        .key_text = world.identity->key});
    assert_int_equal(asynchat_tls_add_name(first, "a.example", world.server),
                     0);
    connects(first, any, "a.example", "connect");
    connects(first, any, "b.example", "close(EHANDSHAKE)");
    connects(first, any, NULL, "close(EHANDSHAKE)");
    asynchat_tls_free(first);
    asynchat_tls_free(any);
}

/* So that only its own names are known. Nothing is left of it afterwards. */
static void a_context_may_be_that_of_its_own_names(void **state)
{
    (void)state;
    struct asynchat_tls *own = context(&(struct asynchat_tls_options){
        .flags = ASYNCHAT_TLS_KNOWN_NAMES,
        .certificate_text = world.identity->certificate,
        .key_text = world.identity->key});
    assert_int_equal(asynchat_tls_add_name(own, "a.example", own), 0);
    assert_int_equal(asynchat_tls_add_name(own, "a.example", own), 0);
    assert_int_equal(asynchat_tls_add_name(own, "*.w.example", own), 0);
    assert_int_equal(asynchat_tls_add_name(own, "*.w.example", NULL), 0);
    assert_int_equal(asynchat_tls_add_name(own, "b.example", world.server), 0);
    assert_int_equal(asynchat_tls_add_name(own, "b.example", own), 0);
    connects(own, world.client, "a.example", "connect");
    connects(own, world.client, "127.0.0.1", "close(EHANDSHAKE)");
    asynchat_tls_free(own);
}

static void very_many_names_are_found(void **state)
{
    struct names names = {0};
    struct asynchat_tls *before;
    char name[64];
    (void)state;
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "%d.example", i * 7919 % 2000);
        assert_int_equal(
            asynchat__tls_names_add(&names, name, world.server, &before), 0);
        assert_null(before);
    }
    assert_int_equal(names.count, 2000);
    for (int i = 0; i < 2000; i += 2) {
        snprintf(name, sizeof name, "%d.example", i);
        assert_ptr_equal(asynchat__tls_names_remove(&names, name),
                         world.server);
    }
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "%d.example", i);
        assert_ptr_equal(asynchat__tls_names_find(&names, name),
                         i % 2 ? world.server : NULL);
    }
    asynchat__tls_names_free(&names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_have_one_form),
        cmocka_unit_test(clients_need_a_name),
        cmocka_unit_test(names_are_verified),
        cmocka_unit_test(a_client_may_verify_nobody),
        cmocka_unit_test(a_name_chooses_a_whole_context),
        cmocka_unit_test(only_known_names_may_be_demanded),
        cmocka_unit_test(a_context_may_be_that_of_its_own_names),
        cmocka_unit_test(very_many_names_are_found),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
