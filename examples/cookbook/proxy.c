/* A proxy
 *
 * Use this for everything that passes bytes on in both directions. The traps
 * are a side that takes nothing, for which the bytes of the other side would
 * be kept without end; an end of file that closes both directions at once; and
 * a side that was cut off, which must not look to the other side like an
 * orderly end. The `arg` of each channel is the channel on the other side,
 * until that is gone; the server's own `arg` is the address to connect to,
 * which may have a name: "www.example:80".
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat.h>

static void forward(struct asynchat_channel *ch, const void *data,
                    size_t len, void *other)
{
    if (asynchat_push(other, data, len))
        asynchat_close(ch);
}

static void end(struct asynchat_channel *ch, int cut_off, void *other)
{
    asynchat_keep_open(ch);
    if (asynchat_shutdown_write(other))
        asynchat_close(ch);
}

static void gone(struct asynchat_channel *ch, int status, void *other)
{
    asynchat_set_arg(other, NULL);
    if (status == 0 || status == ASYNCHAT_EOF)
        asynchat_close_when_done(other);
    else
        asynchat_abort(other);
}

const struct asynchat_handler proxy_side = {
    .size = sizeof proxy_side,
    .collect_incoming_data = forward,
    .handle_eof = end,
    .handle_close = gone,
};

static void accepted(struct asynchat_channel *ch, void *to)
{
    struct asynchat_channel *other = NULL;
    if (asynchat_set_handler(ch, &proxy_side) ||
        asynchat_connect_name(asynchat_get_base(ch), to, NULL, NULL,
                              &proxy_side, ch, &other) ||
        asynchat_join(ch, other))
        asynchat_close(ch);
    asynchat_set_arg(ch, other);
}

const struct asynchat_handler proxy = {sizeof proxy,
                                       .handle_connect = accepted};
