/* What the two transports have in common.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "transport.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>

struct evbuffer *asynchat__transport_input(const struct transport *t)
{
    return bufferevent_get_input(t->bev);
}

void asynchat__transport_drain(struct transport *t, size_t sent)
{
    t->draining = true;
    evbuffer_drain(t->output, sent);
    t->draining = false;
    if (t->discard) {
        t->discard = false;
        asynchat__transport_discard(t);
    }
}

void asynchat__transport_discard(struct transport *t)
{
    if (t->draining)
        t->discard = true;
    else
        asynchat__transport_drain(t, evbuffer_get_length(t->output));
}

size_t asynchat__transport_pending(const struct transport *t)
{
    size_t pending = evbuffer_get_length(t->output);
    if (!t->ops->is_socket)
        pending += evbuffer_get_length(bufferevent_get_output(t->bev));
    return pending;
}

int asynchat__transport_socket_fd(const struct transport *t)
{
    return t->ops->is_socket ? bufferevent_getfd(t->bev) : -1;
}
