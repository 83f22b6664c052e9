/* A head and a body, as in HTTP
 *
 * Use this for protocols in which a head of lines says how long the body is.
 * The traps are a body of no bytes, which asynchat_set_block() makes an empty
 * message like any other; a body that is too long to be kept, which therefore
 * comes in pieces; and the bytes behind a head that is refused, which are no
 * request. The example `httpd.c` shows how a head has to be read: a second
 * length, or a length beside Transfer-Encoding, must be refused.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat.h>

long body_length(const void *head, size_t len); /* yours; -1: refused */
extern const struct asynchat_handler http_body;

static void expect_head(struct asynchat_channel *ch, void *arg)
{
    if (asynchat_set_handler(ch, &http_body) ||
        asynchat_set_terminator(ch, "\r\n\r\n", 4) ||
        asynchat_set_deadline(ch, 20000)) /* for head and body */
        asynchat_close(ch);
}

static void start(struct asynchat_channel *ch, void *arg)
{
    asynchat_join(ch, ch); /* reads no more than the peer takes */
    expect_head(ch, arg);
}

static void piece(struct asynchat_channel *ch, const void *data,
                  size_t len, void *arg)
{
    asynchat_push(ch, data, len); /* it is sent back */
}

static void head(struct asynchat_channel *ch, const void *data, size_t len,
                 void *arg)
{
    static const struct asynchat_handler body = {
        .size = sizeof body,
        .collect_incoming_data = piece,
        .found_terminator = expect_head,
    };
    long n = body_length(data, len);
    if (n < 0) {
        asynchat_push_printf(ch, "HTTP/1.1 400 Bad Request\r\n\r\n");
        asynchat_close_in_stages(ch); /* it may be sending the body */
        asynchat_close_after(ch);
    } else {
        asynchat_push_printf(
            ch, "HTTP/1.1 200 OK\r\nContent-Length: %ld\r\n\r\n", n);
        if (asynchat_set_handler(ch, &body) ||
            asynchat_set_block(ch, (uint64_t)n))
            asynchat_close(ch);
    }
}

const struct asynchat_handler http_body = {
    .size = sizeof http_body,
    .handle_connect = start,
    .message = head,
};
