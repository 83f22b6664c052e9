/* The producer of a body in chunks (RFC 9112, section 7.1): another producer
 * gives the body, whose length need not be known.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdbool.h>

#include <event2/buffer.h>

#include "output/producer.h"

#include "base/memory.h"

#define CHUNK_MARKS 20 /* the size of a chunk, and two line ends */
#define CHUNK_END "0\r\n\r\n"

struct chunked {
    struct asynchat_producer *inner; /* NULL: the end mark was made */
    struct evbuffer *piece;          /* what it has just given; empty between */
    struct evbuffer *ready; /* chunks for which there was no room yet */
};

/* Makes a chunk of the piece. An empty one would be the end mark. */
static int chunked_add(struct chunked *c)
{
    size_t n = evbuffer_get_length(c->piece);
    if (n == 0)
        return 0;
    if (evbuffer_add_printf(c->ready, "%zx\r\n", n) < 0 ||
        evbuffer_add_buffer(c->ready, c->piece) < 0 ||
        evbuffer_add(c->ready, "\r\n", 2) < 0)
        return -ENOMEM;
    return 0;
}

/* The body is complete. */
static int chunked_end(struct chunked *c)
{
    asynchat_producer_free(c->inner);
    c->inner = NULL;
    if (evbuffer_add(c->ready, CHUNK_END, sizeof CHUNK_END - 1) < 0)
        return -ENOMEM;
    return ASYNCHAT_DONE;
}

/* Asks the inner producer for a chunk that fits into the room, unless the room
 * is tiny. */
static int chunked_ask(struct chunked *c, struct asynchat_channel *ch,
                       size_t room)
{
    size_t most = room > CHUNK_MARKS ? room - CHUNK_MARKS : 1;
    int answer = asynchat__producer_more(c->inner, ch, c->piece, most);
    int error = chunked_add(c);
    if (error)
        return error;
    return answer == ASYNCHAT_DONE ? chunked_end(c) : answer;
}

/* Gives chunks for as many bytes as there is room. Libevent does not say so if
 * it has no memory for a part of a chunk. */
static int chunked_give(struct chunked *c, struct evbuffer *out, size_t room)
{
    size_t before = evbuffer_get_length(out);
    int moved = evbuffer_remove_buffer(c->ready, out, room);
    bool whole =
        moved >= 0 && evbuffer_get_length(out) - before == (size_t)moved;
    return whole ? 0 : -ENOMEM;
}

/* If the room was too small, the rest is given first when the next bytes are
 * asked for. After that the inner producer is asked again, even if it has
 * answered ASYNCHAT_LATER: it may have been resumed meanwhile. */
static int chunked_more(struct asynchat_channel *ch, struct evbuffer *out,
                        size_t room, void *arg)
{
    struct chunked *c = arg;
    int answer = c->inner ? ASYNCHAT_MORE : ASYNCHAT_DONE;
    if (c->inner && evbuffer_get_length(c->ready) == 0)
        answer = chunked_ask(c, ch, room);
    int error = chunked_give(c, out, room);
    if (error)
        return error;
    if (answer >= 0 && evbuffer_get_length(c->ready) > 0)
        return ASYNCHAT_MORE;
    return answer;
}

static void chunked_release(void *arg)
{
    struct chunked *c = arg;
    asynchat_producer_free(c->inner);
    if (c->piece)
        evbuffer_free(c->piece);
    if (c->ready)
        evbuffer_free(c->ready);
    asynchat__free(c);
}

static const struct asynchat_producer_ops chunked_ops = {
    .size = sizeof chunked_ops,
    .more = chunked_more,
    .release = chunked_release,
};

struct asynchat_producer *asynchat_producer_chunked(
    struct asynchat_producer *inner)
{
    struct chunked *c = inner ? asynchat__calloc(1, sizeof *c) : NULL;
    if (!c) {
        asynchat_producer_free(inner);
        return NULL;
    }
    c->inner = inner;
    c->piece = evbuffer_new();
    c->ready = evbuffer_new();
    if (!c->piece || !c->ready) {
        chunked_release(c);
        return NULL;
    }
    struct asynchat_producer *producer =
        asynchat__producer_make(&chunked_ops, c);
    if (producer)
        producer->error = inner->error;
    return producer;
}
