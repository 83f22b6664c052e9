/* Producers: those of the program, and the ready-made ones for bytes, and for
 * several producers one after the other.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "output/producer.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <event2/buffer.h>

#include "base/memory.h"
#include "base/table.h"

#define SIMPLE_BUFFER_SIZE 512

_Static_assert(sizeof(struct asynchat_producer_ops) == 3 * sizeof(void *),
               "asynchat_producer_ops has padding");

/* A producer of the program is not trusted to keep to the rules. An answer that
 * does not exist becomes -EINVAL. If the producer answers ASYNCHAT_MORE and has
 * appended nothing, it would be asked without end, so it counts as done. */
int asynchat__producer_more(const struct asynchat_producer *producer,
                            struct asynchat_channel *ch, struct evbuffer *out,
                            size_t room)
{
    size_t before = evbuffer_get_length(out);
    if (producer->error)
        return producer->error;
    int answer = producer->ops->more(ch, out, room, producer->arg);
    if (answer > ASYNCHAT_LATER)
        return -EINVAL;
    if (answer == ASYNCHAT_MORE && !producer->trusted &&
        evbuffer_get_length(out) == before)
        return ASYNCHAT_DONE;
    return answer;
}

static struct asynchat_producer *producer_alloc(
    const struct asynchat_producer_ops *ops, void *arg)
{
    struct asynchat_producer *producer = asynchat__calloc(1, sizeof *producer);
    if (!producer)
        return NULL;
    producer->ops = ops;
    producer->arg = arg;
    return producer;
}

int asynchat_producer_new(const struct asynchat_producer_ops *ops, void *arg,
                          struct asynchat_producer **out)
{
    int error = asynchat__table_check(
        ops, TABLE_SIZE(struct asynchat_producer_ops, release), sizeof *ops);
    if (error)
        return error;
    if (!ops->more || !out)
        return -EINVAL;
    struct asynchat_producer *producer = producer_alloc(ops, arg);
    if (!producer)
        return -ENOMEM;
    *out = producer;
    return 0;
}

void asynchat_producer_free(struct asynchat_producer *producer)
{
    if (!producer)
        return;
    if (producer->ops->release)
        producer->ops->release(producer->arg);
    asynchat__free(producer);
}

/* For ready-made producers, whose ops need no check. */
struct asynchat_producer *asynchat__producer_make(
    const struct asynchat_producer_ops *ops, void *state)
{
    struct asynchat_producer *producer = producer_alloc(ops, state);
    if (producer)
        producer->trusted = true;
    else
        ops->release(state);
    return producer;
}

/* --- bytes --- */

struct simple {
    size_t buffer_size;
    size_t len;
    size_t at;
    int error;
    unsigned char data[];
};

/* The producer keeps its copy until the last chunk was handed out. Each chunk
 * is copied once more: it is small. */
static int simple_more(struct asynchat_channel *ch, struct evbuffer *out,
                       size_t room, void *arg)
{
    struct simple *simple = arg;
    (void)ch;
    if (simple->error)
        return simple->error;
    size_t n = simple->len - simple->at;
    if (n > simple->buffer_size)
        n = simple->buffer_size;
    if (n > room)
        n = room;
    if (evbuffer_add(out, simple->data + simple->at, n) < 0)
        return -ENOMEM;
    simple->at += n;
    return simple->at < simple->len ? ASYNCHAT_MORE : ASYNCHAT_DONE;
}

static const struct asynchat_producer_ops simple_ops = {
    .size = sizeof simple_ops,
    .more = simple_more,
    .release = asynchat__free,
};

/* Wrong arguments are reported when the producer is asked, so that NULL only
 * ever means that there is no memory. */
struct asynchat_producer *asynchat_producer_simple(const void *data, size_t len,
                                                   size_t buffer_size)
{
    int error = (!data && len > 0) || len > SIZE_MAX / 2 ? -EINVAL : 0;
    if (error)
        len = 0;
    struct simple *simple = asynchat__malloc(sizeof *simple + len);
    if (!simple)
        return NULL;
    simple->buffer_size = buffer_size > 0 ? buffer_size : SIMPLE_BUFFER_SIZE;
    simple->len = len;
    simple->at = 0;
    simple->error = error;
    if (len > 0)
        memcpy(simple->data, data, len);
    return asynchat__producer_make(&simple_ops, simple);
}

/* --- several producers, one after the other --- */

struct concat {
    size_t count;
    size_t at;
    struct asynchat_producer *parts[];
};

/* Each call asks one part, as if this part stood in the queue by itself: it may
 * discard everything, and then the next part must not be asked. If a part
 * fails, the whole producer fails. A part that answers ASYNCHAT_LATER is asked
 * again. */
static int concat_more(struct asynchat_channel *ch, struct evbuffer *out,
                       size_t room, void *arg)
{
    struct concat *concat = arg;
    if (concat->at == concat->count)
        return ASYNCHAT_DONE;
    int answer =
        asynchat__producer_more(concat->parts[concat->at], ch, out, room);
    if (answer != ASYNCHAT_DONE)
        return answer;
    asynchat_producer_free(concat->parts[concat->at++]);
    return concat->at < concat->count ? ASYNCHAT_MORE : ASYNCHAT_DONE;
}

/* The parts before `at` are freed already. */
static void concat_release(void *arg)
{
    struct concat *concat = arg;
    while (concat->at < concat->count)
        asynchat_producer_free(concat->parts[concat->at++]);
    asynchat__free(concat);
}

static const struct asynchat_producer_ops concat_ops = {
    .size = sizeof concat_ops,
    .more = concat_more,
    .release = concat_release,
};

static void free_all(struct asynchat_producer *const *producers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        asynchat_producer_free(producers[i]);
}

/* The error of the first part that can only fail. */
static int concat_error(struct asynchat_producer *const *parts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (parts[i]->error)
            return parts[i]->error;
    return 0;
}

/* Takes the parts in every case: the caller may know them from the array
 * only. */
struct asynchat_producer *asynchat_producer_concat(
    struct asynchat_producer *const *producers, size_t count)
{
    bool whole = producers || count == 0;
    for (size_t i = 0; whole && i < count; i++)
        whole = producers[i] != NULL;
    size_t size = count * sizeof(void *);
    struct concat *concat =
        whole ? asynchat__malloc(sizeof *concat + size) : NULL;
    if (!concat) {
        free_all(producers, producers ? count : 0);
        return NULL;
    }
    concat->count = count;
    concat->at = 0;
    if (count > 0)
        memcpy(concat->parts, producers, size);
    int error = concat_error(producers, count);
    struct asynchat_producer *producer =
        asynchat__producer_make(&concat_ops, concat);
    if (producer)
        producer->error = error;
    return producer;
}
