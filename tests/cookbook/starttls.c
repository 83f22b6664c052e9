/* The recipe for STARTTLS, with a client that takes part, at every cut: what was
 * said before is forgotten, and what somebody has put behind STARTTLS is never
 * answered. SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat.h>
#include <asynchat/testing.h>
#include <asynchat/tls.h>

#include <stdio.h>

#include "../openssl/authority.h"
#include "check.h"

extern const struct asynchat_handler starttls;
extern struct asynchat_tls *starttls_context;

static void begin(struct asynchat_test *t)
{
    asynchat_test_open(t, &starttls, NULL);
    asynchat_test_say(t, "MAIL FROM:<a>\r\nEHLO x\r\nMAIL FROM:<a>\r\n");
    asynchat_test_hear(t, "220 ready\r\n503 EHLO first\r\n250-hi\r\n");
    asynchat_test_hear(t, "250 STARTTLS\r\n");
    asynchat_test_hear(t, "250 for all to read: MAIL FROM:<a>\r\n");
    asynchat_test_say(t, "ehlo y\r\n");
    asynchat_test_hear(t, "250-hi\r\n250 STARTTLS\r\n");
}

static void become_secure(struct asynchat_test *t, void *client)
{
    begin(t);
    asynchat_test_say(t, "starttls\r\n");
    asynchat_test_hear(t, "220 go ahead\r\n");
    struct asynchat_channel *peer = asynchat_test_peer(t);
    if (!asynchat_test_is_over(t))
        CHECK(asynchat_tls_start(peer, client, "a.example", 0, NULL) == 0);
    asynchat_test_settle(t);
    asynchat_test_say(t, "MAIL FROM:<a>\r\nEHLO x\r\nSTARTTLS\r\n");
    asynchat_test_hear(t, "503 EHLO first\r\n250 hi\r\n");
    asynchat_test_hear(t, "250 between us: STARTTLS\r\n");
}

static void put_something_in(struct asynchat_test *t, void *arg)
{
    (void)arg;
    begin(t);
    asynchat_test_say(t, "STARTTLS\r\nNOOP\r\n");
    asynchat_test_hear(t, "220 go ahead\r\n");
    asynchat_test_expect_closed(t, ASYNCHAT_EPROTOCOL);
}

static struct asynchat_tls *context(struct asynchat_tls_options options)
{
    struct asynchat_tls *tls;
    options.size = sizeof options;
    CHECK(asynchat_tls_new(&options, &tls) == 0);
    return tls;
}

int main(void)
{
    struct authority *authority = authority_new("authority", NULL);
    struct identity *identity =
        identity_new(authority, "DNS:a.example", 3600, "serverAuth");
    struct asynchat_tls *client = context((struct asynchat_tls_options){
        .flags = ASYNCHAT_TLS_CLIENT, .trust_text = authority->text});
    starttls_context = context((struct asynchat_tls_options){
        .certificate_text = identity->certificate, .key_text = identity->key});
    asynchat_test_run(become_secure, client);
    asynchat_test_cuts(become_secure, client);
    asynchat_test_cuts(put_something_in, NULL);
    asynchat_tls_free(client);
    asynchat_tls_free(starttls_context);
    identity_free(identity);
    authority_free(authority);
    return 0;
}
