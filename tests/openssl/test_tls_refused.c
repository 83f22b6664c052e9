/* Handshakes that fail: which code and which text each side gets.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "talk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "tls/fault.h"

/* Both sides over TCP, until both have ended. */
static void expect_ends(struct asynchat_tls *server,
                        struct asynchat_tls *client, const char *name,
                        const char *server_log, const char *server_text,
                        const char *client_log, const char *client_text)
{
    static struct talk talk;
    talk_tcp(&talk, server, client, name);
    talk_until(&talk, &talk.client, ")");
    talk_until(&talk, &talk.server, ")");
    talk_run(&talk);
    if (!strstr(talk.server.text, server_text))
        fail_msg("server: %s: \"%s\"", talk.server.log, talk.server.text);
    if (!strstr(talk.client.text, client_text))
        fail_msg("client: %s: \"%s\"", talk.client.log, talk.client.text);
    expect(&talk.server, server_log);
    expect(&talk.client, client_log);
    talk_end(&talk);
}

#define SERVER_REFUSED "error(ECERTIFICATE) close(ECERTIFICATE)"
#define CLIENT_REFUSES SERVER_REFUSED
#define FAILED "error(EHANDSHAKE) close(EHANDSHAKE)"

static void another_name_is_refused(void **state)
{
    (void)state;
    expect_ends(world.server, world.client, "b.example", SERVER_REFUSED,
                "alert", CLIENT_REFUSES,
                "hostname mismatch (depth 0); it is for DNS:a.example, IP "
                "Address:127.0.0.1");
    expect_ends(world.server, world.client, "127.0.0.2", SERVER_REFUSED,
                "alert", CLIENT_REFUSES, "IP address mismatch");
}

/* Nor is a certificate without names a certificate for its subject. */
static void a_subject_is_no_name(void **state)
{
    (void)state;
    struct identity *one =
        identity_new(world.authority, NULL, 86400, "serverAuth");
    struct asynchat_tls *server = context(&(struct asynchat_tls_options){
        .certificate_text = one->certificate, .key_text = one->key});
    expect_ends(server, world.client, "somebody", SERVER_REFUSED, "alert",
                CLIENT_REFUSES,
                "hostname mismatch (depth 0); it has no subjectAltName");
    asynchat_tls_free(server);
    identity_free(one);
}

/* A peer has chosen the names, and an operator reads them. */
static void strange_names_are_shown_as_they_can_be(void **state)
{
    (void)state;
    struct identity *one = identity_new_raw(
        world.authority, "x\n12:00 root logged in\x1b[2J.example\xff");
    struct asynchat_tls *server = context(&(struct asynchat_tls_options){
        .certificate_text = one->certificate, .key_text = one->key});
    expect_ends(server, world.client, "b.example", SERVER_REFUSED, "alert",
                CLIENT_REFUSES, "DNS:x");
    static struct talk talk;
    talk_tcp(&talk, server, world.client, "b.example");
    talk_until(&talk, &talk.client, "close(ECERTIFICATE)");
    for (const char *at = talk.client.text; *at; at++)
        assert_true(*at >= ' ' && *at <= '~');
    talk_end(&talk);
    asynchat_tls_free(server);
    identity_free(one);
}

/* The certificate is longer than what is sent at once. */
static void a_long_certificate_is_sent_whole(void **state)
{
    static char names[150000] = "DNS:a.example";
    size_t at = strlen(names);
    (void)state;
    for (int i = 0; i < 5000; i++)
        at += (size_t)snprintf(names + at, sizeof names - at,
                               ",DNS:n%d.of.example", i);
    struct identity *one =
        identity_new(world.authority, names, 86400, "serverAuth");
    assert_true(strlen(one->certificate) > 115000);
    struct asynchat_tls *server = context(&(struct asynchat_tls_options){
        .certificate_text = one->certificate, .key_text = one->key});
    static struct talk talk;
    talk_tcp(&talk, server, world.client, "a.example");
    talk_until(&talk, &talk.client, "connect");
    talk_end(&talk);
    talk_pair(&talk, server, world.client, "n4999.of.example");
    talk_until(&talk, &talk.client, "connect");
    talk_end(&talk);
    expect_ends(server, world.client, "b.example", SERVER_REFUSED, "alert",
                CLIENT_REFUSES, "it is for DNS:a.example, DNS:n0.of.example");
    asynchat_tls_free(server);
    identity_free(one);
}

/* Each library of OpenSSL has reasons of its own: the number that means another
 * protocol in TLS means something else in the others. */
static void only_an_error_of_tls_is_about_the_protocol(void **state)
{
    static const struct {
        int library, error;
        bool other;
    } cases[] = {{ERR_LIB_SSL, ASYNCHAT_EPROTOCOL, true},
                 {ERR_LIB_EVP, ASYNCHAT_EHANDSHAKE, false}};
    static const int reasons[] = {SSL_R_HTTP_REQUEST,
                                  SSL_R_WRONG_VERSION_NUMBER,
                                  SSL_R_PACKET_LENGTH_TOO_LONG};
    char text[FAULT_TEXT];
    (void)state;
    for (size_t i = 0; i < 2; i++)
        for (size_t j = 0; j < 3; j++) {
            ERR_raise(cases[i].library, reasons[j]);
            assert_int_equal(
                asynchat__tls_session_fault(&(struct refusal){0}, 1, text),
                cases[i].error);
            assert_int_equal(strstr(text, "does not speak TLS") != NULL,
                             cases[i].other);
        }
    ERR_raise(ERR_LIB_EVP, SSL_R_CERTIFICATE_VERIFY_FAILED);
    assert_int_equal(asynchat__tls_session_fault(&(struct refusal){0}, 1, text),
                     ASYNCHAT_EHANDSHAKE);
}

static void an_unknown_authority_is_refused(void **state)
{
    (void)state;
    struct authority *other = authority_new("other", NULL);
    struct asynchat_tls *client = context(&(struct asynchat_tls_options){
        .flags = ASYNCHAT_TLS_CLIENT, .trust_text = other->text});
    expect_ends(world.server, client, "a.example", SERVER_REFUSED, "unknown ca",
                CLIENT_REFUSES, "unable to get local issuer certificate");
    asynchat_tls_free(client);
    authority_free(other);
}

static void a_certificate_that_is_over_is_refused(void **state)
{
    (void)state;
    struct identity *old =
        identity_new(world.authority, "DNS:a.example", -5, "serverAuth");
    struct asynchat_tls *server = context(&(struct asynchat_tls_options){
        .certificate_text = old->certificate, .key_text = old->key});
    expect_ends(server, world.client, "a.example", SERVER_REFUSED,
                "certificate expired", CLIENT_REFUSES,
                "certificate has expired (depth 0)");
    asynchat_tls_free(server);
    identity_free(old);
}

/* Certificates of clients, and of servers shown by clients. */
static void clients_certificates_are_verified(void **state)
{
    static struct talk talk;
    struct asynchat_tls_info info;
    (void)state;
    struct identity *good =
        identity_new(world.authority, "DNS:me", 86400, "clientAuth");
    struct asynchat_tls *server = context(&(struct asynchat_tls_options){
        .flags = ASYNCHAT_TLS_DEMAND_CERTIFICATE,
        .certificate_text = world.identity->certificate,
        .key_text = world.identity->key,
        .trust_text = world.authority->text});
    struct asynchat_tls *client = context(
        &(struct asynchat_tls_options){.flags = ASYNCHAT_TLS_CLIENT,
                                       .certificate_text = good->certificate,
                                       .key_text = good->key,
                                       .trust_text = world.authority->text});
    struct asynchat_tls *wrong = context(&(struct asynchat_tls_options){
        .flags = ASYNCHAT_TLS_CLIENT,
        .certificate_text = world.identity->certificate,
        .key_text = world.identity->key,
        .trust_text = world.authority->text});
    talk_tcp(&talk, server, client, "a.example");
    talk_until(&talk, &talk.server, "connect");
    assert_int_equal(asynchat_tls_get_info(talk.server.ch, &info, sizeof info),
                     0);
    assert_int_equal(info.verified, 1);
    talk_end(&talk);
    expect_ends(server, world.client, "a.example", FAILED,
                "peer did not return a certificate",
                "connect error(ECERTIFICATE) close(ECERTIFICATE)",
                "certificate required");
    expect_ends(server, wrong, "a.example", SERVER_REFUSED,
                "unsuitable certificate purpose",
                "connect error(ECERTIFICATE) close(ECERTIFICATE)",
                "unsupported certificate");
    asynchat_tls_free(server);
    asynchat_tls_free(client);
    asynchat_tls_free(wrong);
    identity_free(good);
}

static int any_purpose(SSL_CTX *ctx, void *arg)
{
    (void)arg;
    return X509_VERIFY_PARAM_set_purpose(SSL_CTX_get0_param(ctx),
                                         X509_PURPOSE_ANY)
               ? 0
               : -1;
}

/* Public authorities issue nothing else any more. */
static void a_server_s_certificate_may_do_for_a_client(void **state)
{
    static struct talk talk;
    (void)state;
    struct asynchat_tls *server = context(&(struct asynchat_tls_options){
        .flags = ASYNCHAT_TLS_DEMAND_CERTIFICATE,
        .certificate_text = world.identity->certificate,
        .key_text = world.identity->key,
        .trust_text = world.authority->text,
        .configure = any_purpose});
    struct asynchat_tls *client = context(&(struct asynchat_tls_options){
        .flags = ASYNCHAT_TLS_CLIENT,
        .certificate_text = world.identity->certificate,
        .key_text = world.identity->key,
        .trust_text = world.authority->text});
    talk_tcp(&talk, server, client, "a.example");
    connect_both(&talk);
    talk_end(&talk);
    asynchat_tls_free(server);
    asynchat_tls_free(client);
}

/* What a client pushes at once is not the reason for the end. */
static void push_much(struct side *side)
{
    static char much[1 << 20];
    assert_int_equal(asynchat_push(side->ch, much, sizeof much), 0);
}

static void an_alert_beats_the_error_of_sending(void **state)
{
    static struct talk talk;
    (void)state;
    struct asynchat_tls *server = context(&(struct asynchat_tls_options){
        .flags = ASYNCHAT_TLS_DEMAND_CERTIFICATE,
        .certificate_text = world.identity->certificate,
        .key_text = world.identity->key,
        .trust_text = world.authority->text});
    for (int i = 0; i < 40; i++) {
        talk_tcp(&talk, server, world.client, "a.example");
        talk.client.on_connect = push_much;
        talk_until(&talk, &talk.client, "close(ECERTIFICATE)");
        expect(&talk.client, "connect error(ECERTIFICATE) close(ECERTIFICATE)");
        assert_non_null(strstr(talk.client.text, "certificate required"));
        talk_end(&talk);
    }
    asynchat_tls_free(server);
}

static void protocols_are_agreed_on(void **state)
{
    static struct talk talk;
    struct asynchat_tls_info info;
    (void)state;
    struct asynchat_tls *server = context(&(struct asynchat_tls_options){
        .certificate_text = world.identity->certificate,
        .key_text = world.identity->key,
        .alpn = (const char *const[]){"one", "two", NULL}});
    struct asynchat_tls *client = context(&(struct asynchat_tls_options){
        .flags = ASYNCHAT_TLS_CLIENT,
        .trust_text = world.authority->text,
        .alpn = (const char *const[]){"three", "two", NULL}});
    struct asynchat_tls *other = context(&(struct asynchat_tls_options){
        .flags = ASYNCHAT_TLS_CLIENT,
        .trust_text = world.authority->text,
        .alpn = (const char *const[]){"three", NULL}});
    talk_tcp(&talk, server, client, "a.example");
    talk_until(&talk, &talk.server, "connect");
    talk_until(&talk, &talk.client, "connect");
    asynchat_tls_get_info(talk.server.ch, &info, sizeof info);
    assert_string_equal(info.alpn, "two");
    asynchat_tls_get_info(talk.client.ch, &info, sizeof info);
    assert_string_equal(info.alpn, "two");
    talk_end(&talk);
    expect_ends(server, other, "a.example", FAILED, "no application protocol",
                FAILED, "no application protocol");
    asynchat_tls_free(server);
    asynchat_tls_free(client);
    asynchat_tls_free(other);
}

/* --- peers that speak no TLS --- */

static const char *plain;
static size_t plain_len;

static void speak_plain(struct side *side)
{
    assert_int_equal(asynchat_push(side->ch, plain, plain_len), 0);
}

static void plain_text_is_no_tls(void **state)
{
    /* the last two are a record of SSL 5 and one that is too long */
    static const char *const texts[] = {"GET / HTTP/1.1\r\n\r\n", "x",
                                        "\x16\x05\x01\x01\x01",
                                        "\x16\x03\x01\xff\xff"};
    static struct talk talk;
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        plain = texts[i];
        plain_len = strlen(plain);
        talk_tcp(&talk, world.server, NULL, NULL);
        talk.client.on_connect = speak_plain;
        talk_until(&talk, &talk.server, "close(EPROTOCOL)");
        expect(&talk.server, "error(EPROTOCOL) close(EPROTOCOL)");
        assert_string_equal(talk.server.text, "the peer does not speak TLS");
        talk_end(&talk);
    }
}

static void a_plain_server_is_no_tls(void **state)
{
    static struct talk talk;
    (void)state;
    plain = "220 ready\r\n";
    plain_len = strlen(plain);
    talk_tcp(&talk, NULL, world.client, "a.example");
    talk.server.on_connect = speak_plain;
    talk_until(&talk, &talk.client, "close(EPROTOCOL)");
    expect(&talk.client, "error(EPROTOCOL) close(EPROTOCOL)");
    talk_end(&talk);
}

static void hang_up(struct side *side)
{
    asynchat_close(side->ch);
}

/* A port scanner or a health check is no error. */
static void a_client_may_go_without_a_word(void **state)
{
    static struct talk talk;
    struct asynchat_tls_stats before, after;
    (void)state;
    asynchat_tls_get_stats(world.server, &before, sizeof before);
    talk_tcp(&talk, world.server, NULL, NULL);
    talk.client.on_connect = hang_up;
    talk_until(&talk, &talk.server, "close(EOF)");
    expect(&talk.server, "close(EOF)");
    asynchat_tls_get_stats(world.server, &after, sizeof after);
    assert_int_equal(after.silent - before.silent, 1);
    assert_int_equal(after.failed - before.failed, 0);
    talk_end(&talk);
}

static void hang_up_early(struct side *side)
{
    say(side, "\x16\x03\x01");
    asynchat_close_when_done(side->ch);
}

static void a_client_may_go_in_the_handshake(void **state)
{
    static struct talk talk;
    (void)state;
    talk_tcp(&talk, world.server, NULL, NULL);
    talk.client.on_connect = hang_up_early;
    talk_until(&talk, &talk.server, "close(EHANDSHAKE)");
    expect(&talk.server, FAILED);
    assert_string_equal(talk.server.text,
                        "the peer ended the connection in the handshake");
    talk_end(&talk);
}

static void end_output(struct side *side)
{
    assert_int_equal(asynchat_shutdown_write(side->ch), 0);
}

static void a_server_may_go_in_the_handshake(void **state)
{
    static struct talk talk;
    (void)state;
    talk_tcp(&talk, NULL, world.client, "a.example");
    talk.server.on_connect = end_output;
    talk_until(&talk, &talk.client, "close(EHANDSHAKE)");
    expect(&talk.client, FAILED);
    talk_end(&talk);
}

static void a_silent_peer_is_given_up(void **state)
{
    static struct talk talk;
    struct asynchat_tls_stats stats;
    (void)state;
    struct asynchat_tls *server = context(&(struct asynchat_tls_options){
        .handshake_time = 100,
        .certificate_text = world.identity->certificate,
        .key_text = world.identity->key});
    struct asynchat_tls *client = context(
        &(struct asynchat_tls_options){.flags = ASYNCHAT_TLS_CLIENT,
                                       .handshake_time = 100,
                                       .trust_text = world.authority->text});
    talk_tcp(&talk, server, NULL, NULL);
    talk_until(&talk, &talk.server, "close(ELATE)");
    expect(&talk.server, "error(ELATE) close(ELATE)");
    talk_end(&talk);
    asynchat_tls_get_stats(server, &stats, sizeof stats);
    assert_int_equal(stats.late, 1);
    assert_int_equal(stats.failed, 1);
    talk_tcp(&talk, NULL, client, "a.example");
    talk_until(&talk, &talk.client, "close(ELATE)");
    expect(&talk.client, "error(ELATE) close(ELATE)");
    talk_end(&talk);
    asynchat_tls_free(server);
    asynchat_tls_free(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_name_is_refused),
        cmocka_unit_test(a_subject_is_no_name),
        cmocka_unit_test(strange_names_are_shown_as_they_can_be),
        cmocka_unit_test(a_long_certificate_is_sent_whole),
        cmocka_unit_test(only_an_error_of_tls_is_about_the_protocol),
        cmocka_unit_test(an_unknown_authority_is_refused),
        cmocka_unit_test(a_certificate_that_is_over_is_refused),
        cmocka_unit_test(clients_certificates_are_verified),
        cmocka_unit_test(a_server_s_certificate_may_do_for_a_client),
        cmocka_unit_test(an_alert_beats_the_error_of_sending),
        cmocka_unit_test(protocols_are_agreed_on),
        cmocka_unit_test(plain_text_is_no_tls),
        cmocka_unit_test(a_plain_server_is_no_tls),
        cmocka_unit_test(a_client_may_go_without_a_word),
        cmocka_unit_test(a_client_may_go_in_the_handshake),
        cmocka_unit_test(a_server_may_go_in_the_handshake),
        cmocka_unit_test(a_silent_peer_is_given_up),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
