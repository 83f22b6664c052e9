/* Producers of a message that another producer gives, with the length of the
 * message in front: a prefix, or a netstring.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>

#include <asynchat/error.h>
#include <asynchat/framing.h>
#include <event2/buffer.h>

#include "output/producer.h"

#include "base/memory.h"

#define PREFIXED_HEAD 24 /* the digits of 2^64 - 1 and a colon fit */

struct prefixed {
    struct asynchat_producer *self;
    struct asynchat_producer *inner; /* NULL: all of it was given */
    struct evbuffer *piece;          /* what it has just given; empty between */
    uint64_t left;                   /* how many bytes it has still to give */
    size_t said, len;                /* of the head */
    bool comma;                      /* a comma follows */
    char head[PREFIXED_HEAD];
};

/* Counts what the inner producer has given. The message ends here if the
 * producer is done. A producer that has given all, and has not said that it is
 * done, has to be asked. */
static int prefixed_given(struct prefixed *p, size_t n, int answer)
{
    p->left -= n;
    if (p->left == 0)
        p->self->send = NULL;
    if (answer != ASYNCHAT_DONE)
        return answer;
    if (p->left > 0)
        return ASYNCHAT_ETRUNCATED;
    asynchat_producer_free(p->inner);
    p->inner = NULL;
    return p->comma ? ASYNCHAT_MORE : ASYNCHAT_DONE;
}

#define PREFIXED_ROOM(p, room) ((p)->left < (room) ? (size_t)(p)->left : (room))

/* Lets the inner producer write to the socket itself. */
static int prefixed_send(void *arg, int socket, size_t room, size_t *sent)
{
    struct prefixed *p = arg;
    int answer =
        p->inner->send(p->inner->arg, socket, PREFIXED_ROOM(p, room), sent);
    return prefixed_given(p, *sent, answer);
}

/* Asks the inner producer. What it gives goes out only if it is not more than
 * was announced. A producer that has given all may still be asked for a byte,
 * so that it can say that there is none. */
static int prefixed_ask(struct prefixed *p, struct asynchat_channel *ch,
                        struct evbuffer *out, size_t room)
{
    size_t most = PREFIXED_ROOM(p, room);
    int answer =
        asynchat__producer_more(p->inner, ch, p->piece, most > 0 ? most : 1);
    size_t n = evbuffer_get_length(p->piece);
    if (n > p->left)
        return -EMSGSIZE;
    if (evbuffer_add_buffer(out, p->piece) < 0)
        return -ENOMEM;
    return prefixed_given(p, n, answer);
}

static int prefixed_more(struct asynchat_channel *ch, struct evbuffer *out,
                         size_t room, void *arg)
{
    struct prefixed *p = arg;
    size_t head = p->len - p->said;
    if (head == 0 && p->inner)
        return prefixed_ask(p, ch, out, room);
    if (head == 0)
        return evbuffer_add(out, ",", 1) < 0 ? -ENOMEM : ASYNCHAT_DONE;
    if (head > room)
        head = room;
    if (evbuffer_add(out, p->head + p->said, head) < 0)
        return -ENOMEM;
    p->said += head;
    if (p->said == p->len && p->left > 0)
        p->self->send = p->inner->send ? prefixed_send : NULL;
    return ASYNCHAT_MORE;
}

static void prefixed_release(void *arg)
{
    struct prefixed *p = arg;
    asynchat_producer_free(p->inner);
    if (p->piece)
        evbuffer_free(p->piece);
    asynchat__free(p);
}

static const struct asynchat_producer_ops prefixed_ops = {
    .size = sizeof prefixed_ops,
    .more = prefixed_more,
    .release = prefixed_release,
};

/* Makes a producer without a head. Takes `inner`, which may be NULL. */
static struct prefixed *prefixed_new(struct asynchat_producer *inner,
                                     uint64_t len)
{
    struct prefixed *p = inner ? asynchat__calloc(1, sizeof *p) : NULL;
    if (!p) {
        asynchat_producer_free(inner);
        return NULL;
    }
    p->inner = inner;
    p->left = len;
    p->piece = evbuffer_new();
    if (!p->piece) {
        prefixed_release(p);
        return NULL;
    }
    struct asynchat_producer *self = asynchat__producer_make(&prefixed_ops, p);
    if (!self)
        return NULL;
    self->error = inner->error;
    p->self = self;
    return p;
}

/* A length that does not fit is known now, and can be refused before a byte of
 * anything is sent. */
struct asynchat_producer *asynchat_producer_prefixed(
    const struct asynchat_prefix *prefix, struct asynchat_producer *inner,
    uint64_t len)
{
    struct prefixed *p = prefixed_new(inner, len);
    if (!p)
        return NULL;
    int error = asynchat_prefix_write(prefix, len, p->head);
    if (error)
        p->self->error = error;
    else
        p->len = prefix->bytes;
    return p->self;
}

struct asynchat_producer *asynchat_producer_netstring(
    struct asynchat_producer *inner, uint64_t len)
{
    struct prefixed *p = prefixed_new(inner, len);
    if (!p)
        return NULL;
    p->len = (size_t)snprintf(p->head, sizeof p->head,
                              "%llu:", (unsigned long long)len);
    p->comma = true;
    return p->self;
}
