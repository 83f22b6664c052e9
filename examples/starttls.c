/* A line server with STARTTLS: it sends each line back and says who can read it.
 * starttls PORT CERTIFICATE KEY SPDX-License-Identifier: BSD-3-Clause */
#include <err.h>
#include <stdio.h>
#include <strings.h>

#include <event2/event.h>

#include <asynchat.h>
#include <asynchat/tls.h>

static struct asynchat_tls *tls;

static void handle_connect(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    if (asynchat_set_terminator(ch, "\r\n", 2) < 0)
        asynchat_close(ch);
    asynchat_push_printf(ch, "220 ready\r\n");
}

static void message(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg)
{
    int secure = asynchat_tls_get_ssl(ch) != NULL;
    (void)arg;
    if (len >= 4 && strncasecmp(data, "EHLO", 4) == 0) {
        asynchat_push_printf(ch, secure ? "250 ready\r\n"
                                        : "250-ready\r\n250 STARTTLS\r\n");
    } else if (len == 8 && !secure && strncasecmp(data, "STARTTLS", 8) == 0) {
        asynchat_push_printf(ch, "220 go ahead\r\n");
        if (asynchat_tls_start(ch, tls, NULL, 0, NULL) < 0)
            asynchat_close(ch);
    } else {
        asynchat_push_printf(ch, "250 %s: %.*s\r\n",
                             secure ? "between us" : "for all to read",
                             (int)len, (const char *)data);
    }
}

int main(int argc, char **argv)
{
    static const struct asynchat_handler handler = {
        sizeof handler, .handle_connect = handle_connect, .message = message};
    struct event_base *base = event_base_new();
    struct asynchat_server *server;
    char address[32];
    if (argc != 4)
        errx(2, "usage: starttls PORT CERTIFICATE KEY");
    struct asynchat_tls_options options = {
        sizeof options, .certificate = argv[2], .key = argv[3]};
    if (asynchat_tls_new(&options, &tls) < 0)
        errx(1, "%s", asynchat_tls_get_error(NULL));
    snprintf(address, sizeof address, "127.0.0.1:%s", argv[1]);
    int error =
        asynchat_server_new(base, address, &handler, NULL, NULL, &server);
    if (error)
        errx(1, "%s: %s", address, asynchat_strerror(error));
    return event_base_dispatch(base);
}
