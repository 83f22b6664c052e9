/* PROXY headers, as far as the rest of the channel has to know of them: how an
 * error is logged, when a header is sent, and that its memory is freed.
 *
 * Tested by tests/test_proxy.c and tests/test_push_proxy.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "channel/proxied.h"

#include <stdio.h>

#include <event2/buffer.h>

#include "base/escape.h"
#include "base/memory.h"

/* How many bytes are shown of what is no header. */
#define PROXIED_SHOWN 24

/* A check by a balancer may send that much behind a header without an
 * address. */
#define PROXIED_CHECK 256

/* --- the log --- */

/* Whether a balancer that checks the server ends its connections so: before any
 * header, or right behind it, by a reset; and in the middle of TLS. */
static bool proxied_is_check(const struct asynchat_channel *ch, int error)
{
    const struct channel_proxy *p = ch->proxy;
    bool local = p->state == PROXIED_CAME && p->in.header.local;
    bool cut = error == -ECONNRESET || error == -EPIPE ||
               error == ASYNCHAT_ECUTOFF ||
               (local && error == ASYNCHAT_EHANDSHAKE);
    bool begun = p->state == PROXIED_WAITS && p->in.have > 0;
    return cut && !begun && p->state <= PROXIED_CAME &&
           ch->in.received <= (local ? PROXIED_CHECK : 0);
}

enum asynchat_log_level asynchat__proxied_level(
    const struct asynchat_channel *ch, int error)
{
    if (!ch->proxy)
        return ASYNCHAT_LOG_INFO;
    if (proxied_is_check(ch, error))
        return ASYNCHAT_LOG_DEBUG;
    return ch->proxy->wrong ? ASYNCHAT_LOG_WARNING : ASYNCHAT_LOG_INFO;
}

const char *asynchat__proxied_text(const struct asynchat_channel *ch, int error,
                                   char text[PROXIED_TEXT])
{
    const struct channel_proxy *p = ch->proxy;
    char shown[ESCAPED_MOST(PROXIED_SHOWN) + 1];
    if (!p || p->state != PROXIED_WAITS)
        return NULL;
    if (error == ASYNCHAT_ELATE)
        return "no whole PROXY header came; maybe it comes with the client's "
               "first words, and the client waits for a greeting";
    if (!p->wrong)
        return NULL;
    size_t len = p->wrong_len < PROXIED_SHOWN ? p->wrong_len : PROXIED_SHOWN;
    shown[asynchat__escape(shown, p->wrong, len)] = '\0';
    (void)snprintf(text, PROXIED_TEXT, "it begins with \"%s\"", shown);
    return text;
}

/* --- a header that is sent --- */

/* One write, whatever the sizes and the rates of the channel are: receivers
 * take no header in two pieces. */
static void proxied_send(struct asynchat_channel *ch, size_t len)
{
    bool small = ch->out.chunk < len || asynchat__channel_get_rate(ch);
    if (small && !ch->transport.broken)
        ch->transport.ops->send(&ch->transport, len);
}

void asynchat__proxied_up(struct asynchat_channel *ch)
{
    struct channel_proxy *p = ch->proxy;
    struct transport *t = &ch->transport;
    if (p->state == PROXIED_WENT)
        asynchat__proxied_forget(p);
    if (p->state != PROXIED_GOES)
        return;
    p->state = PROXIED_WENT;
    size_t left = evbuffer_get_length(t->output) + p->len;
    struct transport_lending before = asynchat__channel_out_lend(ch, left);
    if (evbuffer_prepend(t->output, p->bytes, p->len) < 0)
        t->broken = -ENOMEM;
    asynchat__channel_out_take_back(ch, before);
    proxied_send(ch, p->len);
    asynchat__proxied_forget(p);
}

void asynchat__proxied_again(struct asynchat_channel *ch, bool keeps)
{
    struct channel_proxy *p = ch->proxy;
    if (p && keeps) {
        p->state = PROXIED_GOES;
    } else if (p) {
        ch->proxy = NULL;
        asynchat__proxied_free(p);
    }
}

/* --- its memory --- */

void asynchat__proxied_forget(struct channel_proxy *p)
{
    asynchat__free(p->bytes);
    p->bytes = NULL;
    p->len = 0;
}

void asynchat__proxied_free(struct channel_proxy *p)
{
    if (p->state == PROXIED_WAITS)
        p->end(p);
    if (p->gone)
        *p->gone = true;
    asynchat__proxy_free(&p->in);
    asynchat__proxied_forget(p);
    asynchat__free(p);
}
