/* A head and a body, as in HTTP
 *
 * Use this for protocols in which a head of lines says how long the body is.
 * The traps are a body of no bytes, which asynchat_set_block() makes an empty
 * message like any other; a body that is too long to be kept, which therefore
 * comes in pieces; and the bytes behind a head that is refused, which are no
 * request. The example `httpd.c` shows how a head has to be read: a second
 * length, or a length beside Transfer-Encoding, must be refused. A server with
 * long answers calls asynchat_join(), as the line server does.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat.h>

/* Yours: returns -1 to refuse; and stores a piece of the body. */
long body_length(const void *head, size_t len);
void body_piece(struct asynchat_channel *ch, const void *data, size_t len,
                void *arg);
extern const struct asynchat_handler http_body;

static void expect_head(struct asynchat_channel *ch, void *arg)
{
    if (asynchat_set_handler(ch, &http_body) ||
        asynchat_set_terminator(ch, "\r\n\r\n", 4) ||
        asynchat_set_deadline(ch, 20000)) /* for head and body */
        asynchat_close(ch);
}

static void whole(struct asynchat_channel *ch, void *arg)
{
    asynchat_push_printf(ch, "HTTP/1.1 204 No Content\r\n\r\n");
    expect_head(ch, arg);
}

static void head(struct asynchat_channel *ch, const void *data, size_t len,
                 void *arg)
{
    static const struct asynchat_handler body = {
        .size = sizeof body,
        .collect_incoming_data = body_piece,
        .found_terminator = whole,
    };
    long n = body_length(data, len);
    if (n < 0) {
        asynchat_push_printf(ch, "HTTP/1.1 400 Bad Request\r\n\r\n");
        asynchat_close_in_stages(ch); /* it may be sending the body */
        asynchat_close_after(ch);
    } else if (asynchat_set_handler(ch, &body) ||
               asynchat_set_block(ch, (uint64_t)n)) {
        asynchat_close(ch);
    }
}

const struct asynchat_handler http_body = {
    sizeof http_body, .handle_connect = expect_head, .message = head};
