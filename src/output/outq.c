/* The output queue: bytes and producers in the order they go out.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "outq.h"

#include <errno.h>
#include <stdlib.h>

#include <event2/buffer.h>

#include <asynchat/producer.h>

void asynchat__outq_init(struct outq *q)
{
    *q = (struct outq){.last = &q->first};
}

static void entry_free(struct outq_entry *entry)
{
    if (entry->bytes)
        evbuffer_free(entry->bytes);
    asynchat_producer_free(entry->producer);
    free(entry);
}

/* A new last entry, empty. */
static struct outq_entry *outq_append(struct outq *q)
{
    struct outq_entry *entry = calloc(1, sizeof *entry);
    if (!entry)
        return NULL;
    *q->last = entry;
    q->last = &entry->next;
    return entry;
}

/* The entry being asked stays first, so that what its producer pushes meanwhile
 * comes after it; it is only marked. */
struct outq_entry *asynchat__outq_take(struct outq *q)
{
    struct outq_entry *entries = q->first;
    struct outq_entry *asking = q->asking;
    *q = (struct outq){
        .last = &q->first, .lent = q->lent, .dropped = q->dropped};
    if (!asking)
        return entries;
    entries = asking->next;
    asking->dropped = true;
    asking->next = NULL;
    q->first = q->asking = asking;
    q->last = &asking->next;
    return entries;
}

void asynchat__outq_free(struct outq *q, struct outq_entry *entries)
{
    if (q->lent) {
        struct outq_entry **end = &q->dropped;
        while (*end)
            end = &(*end)->next;
        *end = entries;
        return;
    }
    while (entries) {
        struct outq_entry *next = entries->next;
        entry_free(entries);
        entries = next;
    }
}

bool asynchat__outq_lend(struct outq *q)
{
    bool before = q->lent;
    q->lent = true;
    return before;
}

void asynchat__outq_take_back(struct outq *q, bool before)
{
    struct outq_entry *dropped = q->dropped;
    q->lent = before;
    if (before || !dropped)
        return;
    q->dropped = NULL;
    asynchat__outq_free(q, dropped);
}

/* Bytes that follow bytes share an entry: a hundred small pushes behind a
 * producer are one evbuffer. */
struct evbuffer *asynchat__outq_bytes(struct outq *q)
{
    if (q->first) {
        struct outq_entry *last =
            (struct outq_entry *)((char *)q->last -
                                  offsetof(struct outq_entry, next));
        if (last->bytes)
            return last->bytes;
    }
    struct evbuffer *bytes = evbuffer_new();
    struct outq_entry *entry = bytes ? outq_append(q) : NULL;
    if (!entry) {
        if (bytes)
            evbuffer_free(bytes);
        return NULL;
    }
    entry->bytes = bytes;
    return bytes;
}

int asynchat__outq_producer(struct outq *q, struct asynchat_producer *producer)
{
    struct outq_entry *entry = outq_append(q);
    if (!entry)
        return -ENOMEM;
    entry->producer = producer;
    q->size += OUTQ_PRODUCER_SIZE;
    return 0;
}

struct outq_entry *asynchat__outq_shift(struct outq *q)
{
    struct outq_entry *entry = q->first;
    q->first = entry->next;
    if (!q->first)
        q->last = &q->first;
    entry->next = NULL;
    if (entry->bytes)
        q->size -= evbuffer_get_length(entry->bytes);
    else if (!entry->dropped)
        q->size -= OUTQ_PRODUCER_SIZE;
    return entry;
}

void asynchat__outq_pop(struct outq *q)
{
    entry_free(asynchat__outq_shift(q));
}

void asynchat__outq_ask(struct outq *q)
{
    q->asking = q->first;
}

bool asynchat__outq_asked(struct outq *q)
{
    q->asking = NULL;
    if (!q->first->dropped)
        return true;
    asynchat__outq_pop(q);
    return false;
}
