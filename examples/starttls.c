/* A line server with STARTTLS: it sends each line back and says who can read
 * it. starttls PORT CERTIFICATE KEY
 *
 * The channels are in cookbook/starttls.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <err.h>
#include <stdio.h>

#include <event2/event.h>

#include <asynchat.h>
#include <asynchat/tls.h>

extern const struct asynchat_handler starttls;
extern struct asynchat_tls *starttls_context;

int main(int argc, char **argv)
{
    struct event_base *base = event_base_new();
    struct asynchat_server *server;
    char address[32];
    if (argc != 4)
        errx(2, "usage: starttls PORT CERTIFICATE KEY");
    struct asynchat_tls_options options = {
        sizeof options, .certificate = argv[2], .key = argv[3]};
    if (asynchat_tls_new(&options, &starttls_context) < 0)
        errx(1, "%s", asynchat_tls_get_error(NULL));
    snprintf(address, sizeof address, "127.0.0.1:%s", argv[1]);
    int error =
        asynchat_server_new(base, address, &starttls, NULL, NULL, &server);
    if (error)
        errx(1, "%s: %s", address, asynchat_strerror(error));
    return event_base_dispatch(base);
}
