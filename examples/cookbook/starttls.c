/* STARTTLS
 *
 * Use this for protocols that begin in plain text and become secure when the
 * client asks for it. The traps are what somebody on the way may have put in:
 * commands behind STARTTLS in the same packet, which asynchat_tls_start()
 * never delivers, and what was said before, which the server has to forget
 * when the session is secure (RFC 3207, section 4.2). Here that is whether the
 * client has said EHLO: until then `arg` is NULL. A secure session is not
 * offered another one.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE 1
#include <asynchat.h>
#include <asynchat/tls.h>
#include <string.h>

struct asynchat_tls *starttls_context; /* of asynchat_tls_new() */

static void start(struct asynchat_channel *ch, void *arg)
{
    asynchat_push(ch, "220 ready\r\n", 11);
    if (asynchat_set_terminator(ch, "\r\n", 2))
        asynchat_close(ch);
}

static void forget(struct asynchat_channel *ch, void *hello)
{
    asynchat_set_arg(ch, NULL);
}

static void command(struct asynchat_channel *ch, const void *line,
                    size_t len, void *hello)
{
    int secure = asynchat_tls_get_ssl(ch) != NULL;
    if (len >= 4 && !strncasecmp(line, "EHLO", 4)) {
        asynchat_set_arg(ch, ch);
        asynchat_push_printf(ch, secure ? "250 hi\r\n"
                                        : "250-hi\r\n250 STARTTLS\r\n");
    } else if (len == 8 && !secure && !strncasecmp(line, "STARTTLS", 8)) {
        asynchat_push(ch, "220 go ahead\r\n", 14);
        if (asynchat_tls_start(ch, starttls_context, NULL, 0, forget))
            asynchat_close(ch);
    } else if (len >= 4 && !strncasecmp(line, "MAIL", 4) && !hello) {
        asynchat_push(ch, "503 EHLO first\r\n", 16);
    } else {
        asynchat_push_printf(ch, "250 %s: %.*s\r\n",
                             secure ? "between us" : "for all to read",
                             (int)len, (const char *)line);
    }
}

const struct asynchat_handler starttls = {
    .size = sizeof starttls,
    .handle_connect = start,
    .message = command,
};
