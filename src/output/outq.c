/* The output queue: bytes and producers, in the order in which they are sent.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "output/outq.h"

#include <errno.h>

#include <event2/buffer.h>

#include "base/memory.h"
#include "output/block.h"
#include "output/producer.h"
#include "output/slot.h"

void asynchat__outq_init(struct outq *q)
{
    *q = (struct outq){.last = &q->first};
}

static void entry_free(struct outq_entry *entry)
{
    if (entry->bytes)
        evbuffer_free(entry->bytes);
    asynchat_producer_free(entry->producer);
    asynchat__free(entry);
}

/* Appends an empty entry. NULL: there is no memory. */
static struct outq_entry *outq_append(struct outq *q)
{
    struct outq_entry *entry = asynchat__calloc(1, sizeof *entry);
    if (!entry)
        return NULL;
    *q->last = entry;
    q->last = &entry->next;
    return entry;
}

void asynchat__outq_block(struct outq *q, struct asynchat_block *block)
{
    asynchat__block_share(block);
    q->block = block;
    q->size += block->len;
}

struct asynchat_block *asynchat__outq_unblock(struct outq *q)
{
    struct asynchat_block *block = q->block;
    q->block = NULL;
    q->size -= block->len;
    return block;
}

/* All slots are gone. */
static void slots_drop(struct outq_slots *slots)
{
    struct outq_entry *entry = slots->open;
    for (; entry; entry = entry->next) {
        if (entry->slot)
            asynchat__slot_part(entry->slot, true);
        entry->slot = NULL;
    }
    slots->open = NULL;
    slots->count = 0;
}

/* An entry whose producer is being asked stays first, so that whatever the
 * producer pushes meanwhile comes after it. The entry is only marked as
 * dropped. */
struct outq_entry *asynchat__outq_take(struct outq *q)
{
    struct outq_entry *first = q->first;
    asynchat_block_free(q->block);
    if (q->slots)
        slots_drop(q->slots);
    *q = (struct outq){.last = &q->first,
                       .lent = q->lent,
                       .dropped = q->dropped,
                       .slots = q->slots};
    if (!first || first->state < OUTQ_ASKED)
        return first;
    struct outq_entry *entries = first->next;
    first->state = OUTQ_DROPPED;
    first->next = NULL;
    q->first = first;
    q->last = &first->next;
    return entries;
}

void asynchat__outq_free(struct outq *q, struct outq_entry *entries)
{
    if (q->lent > 0) {
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

void asynchat__outq_lend(struct outq *q)
{
    q->lent++;
}

void asynchat__outq_take_back(struct outq *q)
{
    struct outq_entry *dropped = q->dropped;
    if (--q->lent > 0 || !dropped)
        return;
    q->dropped = NULL;
    asynchat__outq_free(q, dropped);
}

/* Appends an entry with an empty evbuffer. NULL: there is no memory. */
static struct outq_entry *outq_append_bytes(struct outq *q)
{
    struct evbuffer *bytes = evbuffer_new();
    struct outq_entry *entry = bytes ? outq_append(q) : NULL;
    if (entry)
        entry->bytes = bytes;
    else if (bytes)
        evbuffer_free(bytes);
    return entry;
}

/* Bytes that follow bytes go into the same entry: a hundred small pushes behind
 * a producer share one evbuffer. */
struct evbuffer *asynchat__outq_bytes(struct outq *q)
{
    if (q->first) {
        struct outq_entry *last =
            (struct outq_entry *)((char *)q->last -
                                  offsetof(struct outq_entry, next));
        if (last->bytes && !last->slot)
            return last->bytes;
    }
    struct outq_entry *entry = outq_append_bytes(q);
    return entry ? entry->bytes : NULL;
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

int asynchat__outq_border(struct outq *q)
{
    if (!q->first)
        return 0;
    struct outq_entry *entry = outq_append(q);
    if (!entry)
        return -ENOMEM;
    q->bordered = true;
    return 0;
}

void asynchat__outq_pass(struct outq *q)
{
    if (q->bordered)
        asynchat__outq_pop(q);
    q->bordered = false;
}

/* How many bytes of the queue's size are the entry's. */
static size_t entry_size(const struct outq_entry *entry)
{
    if (entry->bytes)
        return evbuffer_get_length(entry->bytes);
    return entry->producer && entry->state != OUTQ_DROPPED ? OUTQ_PRODUCER_SIZE
                                                           : 0;
}

struct outq_entry *asynchat__outq_shift(struct outq *q)
{
    struct outq_entry *entry = q->first;
    q->first = entry->next;
    if (!q->first)
        q->last = &q->first;
    entry->next = NULL;
    q->size -= entry_size(entry);
    return entry;
}

void asynchat__outq_pop(struct outq *q)
{
    entry_free(asynchat__outq_shift(q));
}

/* --- slots --- */

int asynchat__outq_need_slots(struct outq *q)
{
    if (q->slots)
        return 0;
    q->slots = asynchat__calloc(1, sizeof *q->slots);
    if (!q->slots)
        return -ENOMEM;
    q->slots->limit = SLOTS_MOST;
    return 0;
}

int asynchat__outq_slot(struct outq *q, struct slot *slot)
{
    struct outq_entry *entry = outq_append_bytes(q);
    if (!entry)
        return -ENOMEM;
    asynchat__slot_share(slot);
    slot->entry = entry;
    entry->slot = slot;
    entry->state = OUTQ_OPEN;
    entry->counted = true;
    q->slots->count++;
    if (!q->slots->open)
        q->slots->open = entry;
    return 0;
}

/* Slots that are finished do not count any more when all before them are. Each
 * entry is passed once. */
static void slots_pass(struct outq_slots *slots)
{
    struct outq_entry *entry = slots->open;
    for (; entry && !entry->slot; entry = entry->next)
        slots->count -= entry->counted;
    slots->open = entry;
}

void asynchat__outq_finish(struct outq *q, struct outq_entry *entry)
{
    asynchat__slot_part(entry->slot, false);
    entry->slot = NULL;
    entry->state = OUTQ_READY;
    slots_pass(q->slots);
}

struct outq_entry *asynchat__outq_give_up(struct outq *q)
{
    struct outq_entry *open = q->slots ? q->slots->open : NULL;
    if (!open)
        return NULL;
    slots_drop(q->slots);
    open->state = OUTQ_READY;
    struct outq_entry *behind = open->next, **end = &behind;
    for (; *end && !outq_is_border(*end); end = &(*end)->next)
        q->size -= entry_size(*end);
    open->next = *end;
    *end = NULL;
    if (!open->next)
        q->last = &open->next;
    return behind;
}

struct evbuffer *asynchat__outq_part(struct outq *q)
{
    struct outq_entry *entry = q->first;
    q->size -= evbuffer_get_length(entry->bytes);
    entry->state = OUTQ_OPEN;
    return entry->bytes;
}

/* --- producers --- */

/* If `more` calls asynchat_resume_producer(), it does so before it answers
 * ASYNCHAT_LATER. So the state has to be ASKED already. */
int asynchat__outq_ask(struct outq *q, struct asynchat_channel *ch,
                       struct evbuffer *to, size_t room)
{
    q->first->state = OUTQ_ASKED;
    return asynchat__producer_more(q->first->producer, ch, to, room);
}

bool asynchat__outq_is_dropped(const struct outq *q)
{
    return q->first->state == OUTQ_DROPPED;
}

bool asynchat__outq_answered(struct outq *q, int answer)
{
    struct outq_entry *first = q->first;
    bool dropped = first->state == OUTQ_DROPPED;
    if (dropped || answer == ASYNCHAT_DONE)
        asynchat__outq_pop(q);
    else if (answer == ASYNCHAT_LATER && first->state == OUTQ_ASKED)
        first->state = OUTQ_LATER;
    else
        first->state = OUTQ_READY;
    return !dropped;
}

void asynchat__outq_hold(struct outq *q)
{
    q->first->state = OUTQ_ASKED;
}

bool asynchat__outq_let_go(struct outq *q)
{
    return asynchat__outq_answered(q, ASYNCHAT_MORE);
}

bool asynchat__outq_resume(struct outq *q)
{
    struct outq_entry *first = q->first;
    if (!first || (first->state != OUTQ_LATER && first->state != OUTQ_ASKED))
        return false;
    first->state = first->state == OUTQ_LATER ? OUTQ_READY : OUTQ_RESUMED;
    return true;
}
