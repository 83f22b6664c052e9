/* Slots: places in a channel's output that are filled later, from any thread.
 *
 * In the channel's own thread the bytes go straight into the slot's entry. From
 * other threads each part is a post to the channel's loop, and so is the end of
 * the slot. This last post is made together with the slot, so the end cannot
 * fail for want of memory. Posts of one slot run in order. While parts are
 * under way, the channel's own thread posts as well, to stay behind them.
 *
 * A post that runs finds the channel by its number, as any post does: so nobody
 * touches a channel whose event base is gone.
 *
 * Tested by tests/test_slots.c. SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat/slot.h>

#include <errno.h>

#include <asynchat/error.h>

#include "channel/calls/push.h"
#include "base/memory.h"
#include "channel/post.h"
#include "loop/mailbox.h"
#include "output/block.h"
#include "output/slot.h"

struct slot_post;

/* `error` is of an earlier push: bytes are missing. It belongs to whoever has
 * the slot, and to the last post. */
struct asynchat_slot {
    struct slot slot;
    struct asynchat_channel *ch; /* means something while there is an entry */
    uint64_t id;                 /* of the channel */
    size_t thread;               /* the channel's own */
    size_t limit;                /* of bytes under way */
    struct slot_post *last;
    atomic_size_t flying; /* bytes under way */
    int error;
};

/* Has a share of the slot, and one of the block. */
struct slot_post {
    struct post post;
    struct asynchat_slot *slot;
    struct asynchat_block *block; /* NULL: the slot ends */
};

/* A number for each thread that reserves. Unlike a pthread_t, it is never given
 * to another thread. 0: the thread has reserved nothing. */
static _Thread_local size_t slot_thread;

static size_t slot_this_thread(void)
{
    static atomic_size_t threads;
    if (slot_thread == 0)
        slot_thread = atomic_fetch_add(&threads, 1) + 1;
    return slot_thread;
}

static void slot_give_back(struct asynchat_slot *slot)
{
    asynchat__slot_release(&slot->slot);
}

/* --- in the channel's own thread --- */

/* Whether this is that thread, and nothing is under way that goes first. */
static bool slot_is_here(const struct asynchat_slot *slot)
{
    return slot->thread == slot_thread && atomic_load(&slot->flying) == 0;
}

/* The channel; NULL: the slot is gone. */
static struct asynchat_channel *slot_channel(const struct asynchat_slot *slot)
{
    bool there = slot->slot.entry && asynchat__post_reaches(slot->ch);
    return there ? slot->ch : NULL;
}

/* Code of the program may run meanwhile, and may finish the slot. */
static int slot_add(struct asynchat_slot *slot, struct asynchat_channel *ch,
                    const struct pushed *what)
{
    struct outq_entry *entry = slot->slot.entry;
    bool running = channel_keep(ch);
    entry->state = OUTQ_READY;
    int error = asynchat__push_part(ch, entry->bytes, what);
    asynchat__channel_let_go(ch, running);
    return error;
}

/* Adds the bytes of a block, by reference if they are many. */
static int slot_add_block(struct asynchat_slot *slot,
                          struct asynchat_channel *ch,
                          struct asynchat_block *block)
{
    struct pushed what = {.data = block->bytes, .len = block->len};
    if (block->len < BLOCK_LEAST)
        return slot_add(slot, ch, &what);
    what.shared = true;
    what.release = asynchat__block_sent;
    what.arg = block;
    asynchat__block_share(block);
    int error = slot_add(slot, ch, &what);
    if (error)
        asynchat_block_free(block);
    return error;
}

/* If bytes are missing, the channel ends. */
static void slot_end(struct asynchat_slot *slot, struct asynchat_channel *ch)
{
    if (slot->error && asynchat__push_refused(ch, 0) == 0)
        asynchat__push_failed(ch, slot->error);
    asynchat__outq_finish(&ch->out.queue, slot->slot.entry);
    asynchat__channel_out_slots(ch);
    asynchat__channel_wake(ch);
}

/* --- posts --- */

/* In a child after fork(2) nothing is carried out. The shares are not given
 * back, since no memory is to be freed. */
static void slot_post_run(struct post *post, struct mailbox *mailbox)
{
    struct slot_post it = *(struct slot_post *)post;
    if (!mailbox)
        return;
    asynchat__free(post);
    struct asynchat_channel *ch = asynchat__post_find(mailbox, it.slot->id);
    if (!ch || !it.slot->slot.entry)
        atomic_store(&it.slot->slot.gone, true);
    else if (it.block)
        slot_add_block(it.slot, ch, it.block);
    else
        slot_end(it.slot, ch);
    if (it.block)
        atomic_fetch_sub(&it.slot->flying, it.block->len);
    asynchat_block_free(it.block);
    slot_give_back(it.slot);
}

/* Bytes are missing: so the channel ends when the slot does. */
static int slot_fail(struct asynchat_slot *slot, int error)
{
    if (error == ASYNCHAT_ECLOSED)
        atomic_store(&slot->slot.gone, true);
    else
        slot->error = error;
    return error;
}

static struct slot_post *slot_post_new(struct asynchat_slot *slot,
                                       struct asynchat_block *block)
{
    struct slot_post *post = asynchat__malloc(sizeof *post);
    if (post)
        *post = (struct slot_post){{NULL, slot_post_run}, slot, block};
    return post;
}

/* Has the block added in the channel's thread. */
static int slot_send(struct asynchat_slot *slot, struct asynchat_block *block)
{
    if (atomic_load(&slot->flying) > slot->limit)
        return slot_fail(slot, ASYNCHAT_EFULL);
    struct slot_post *post = slot_post_new(slot, block);
    if (!post)
        return slot_fail(slot, -ENOMEM);
    asynchat__block_share(block);
    asynchat__slot_share(&slot->slot);
    atomic_fetch_add(&slot->flying, block->len);
    int error = asynchat__mailbox_post(slot->id, &post->post);
    if (!error)
        return 0;
    atomic_fetch_sub(&slot->flying, block->len);
    asynchat_block_free(block);
    slot_give_back(slot);
    asynchat__free(post);
    return slot_fail(slot, error);
}

/* --- calls of the program --- */

/* 0: bytes may be added. */
static int slot_check(const struct asynchat_slot *slot)
{
    if (slot->error)
        return slot->error;
    return atomic_load(&slot->slot.gone) ? ASYNCHAT_ECLOSED : 0;
}

/* Holds the slot, since code of the program may run that finishes it. */
static int slot_push_here(struct asynchat_slot *slot, const void *data,
                          size_t len, struct asynchat_block *block)
{
    const struct pushed what = {.data = data, .len = len};
    struct asynchat_channel *ch = slot_channel(slot);
    if (!ch)
        return slot_fail(slot, ASYNCHAT_ECLOSED);
    asynchat__slot_share(&slot->slot);
    int error =
        block ? slot_add_block(slot, ch, block) : slot_add(slot, ch, &what);
    slot_give_back(slot);
    return error;
}

int asynchat_slot_push(struct asynchat_slot *slot, const void *data, size_t len)
{
    if (!slot || (!data && len > 0) || len > PTRDIFF_MAX)
        return -EINVAL;
    int error = slot_check(slot);
    if (error || len == 0)
        return error;
    if (slot_is_here(slot))
        return slot_push_here(slot, data, len, NULL);
    struct asynchat_block *block = asynchat_block_new(data, len);
    error = block ? slot_send(slot, block) : slot_fail(slot, -ENOMEM);
    asynchat_block_free(block);
    return error;
}

int asynchat_slot_push_shared(struct asynchat_slot *slot,
                              struct asynchat_block *block)
{
    if (!slot || !block)
        return -EINVAL;
    int error = slot_check(slot);
    if (error || block->len == 0)
        return error;
    return slot_is_here(slot) ? slot_push_here(slot, NULL, 0, block)
                              : slot_send(slot, block);
}

/* Answers what the program has to know of the end of a slot. */
static int slot_finish_here(struct asynchat_slot *slot)
{
    struct asynchat_channel *ch = slot_channel(slot);
    int error = slot->error;
    if (ch)
        slot_end(slot, ch);
    else if (!error)
        error = ASYNCHAT_ECLOSED;
    asynchat__free(slot->last);
    slot_give_back(slot);
    return error;
}

/* The post has the program's share. */
static int slot_finish_there(struct asynchat_slot *slot)
{
    struct slot_post *last = slot->last;
    int failed = slot_check(slot);
    int error = asynchat__mailbox_post(slot->id, &last->post);
    if (error) {
        asynchat__free(last);
        slot_give_back(slot);
    }
    return failed ? failed : error;
}

int asynchat_slot_finish(struct asynchat_slot *slot)
{
    if (!slot)
        return -EINVAL;
    return slot_is_here(slot) ? slot_finish_here(slot)
                              : slot_finish_there(slot);
}

/* --- making --- */

/* Makes what a channel with slots needs. */
static int slots_need(struct asynchat_channel *ch)
{
    int error = asynchat__outq_need_slots(&ch->out.queue);
    if (!error)
        error = asynchat__loop_need_mailbox(ch->transport.loop);
    if (!error && asynchat_get_id(ch) == 0)
        error = -ENOMEM;
    return error;
}

static struct asynchat_slot *slot_new(struct asynchat_channel *ch)
{
    struct asynchat_slot *slot = asynchat__calloc(1, sizeof *slot);
    if (!slot)
        return NULL;
    slot->last = slot_post_new(slot, NULL);
    if (!slot->last) {
        asynchat__free(slot);
        return NULL;
    }
    atomic_init(&slot->slot.shares, 1);
    slot->ch = ch;
    slot->id = ch->id;
    slot->thread = slot_this_thread();
    slot->limit = ch->out.limit;
    return slot;
}

/* 0 or -ENOMEM. */
static int slot_make(struct asynchat_channel *ch, struct asynchat_slot **out)
{
    struct asynchat_slot *slot = slot_new(ch);
    if (!slot)
        return -ENOMEM;
    int error = asynchat__outq_slot(&ch->out.queue, &slot->slot);
    if (error) {
        asynchat__free(slot->last);
        asynchat__free(slot);
        return error;
    }
    *out = slot;
    return 0;
}

/* Nothing may hold up a channel that ends. */
static int slots_refused(struct asynchat_channel *ch)
{
    bool ends = ch->out.queue.ends || channel_is_error(ch->status);
    return ends ? ASYNCHAT_ECLOSED : asynchat__push_refused(ch, 0);
}

int asynchat_reserve(struct asynchat_channel *ch, struct asynchat_slot **out)
{
    if (!ch || !out)
        return -EINVAL;
    int error = slots_refused(ch);
    if (!error)
        error = slots_need(ch);
    if (!error)
        error = slot_make(ch, out);
    if (error)
        return error;
    channel_out_busy(ch);
    asynchat__channel_out_slots(ch);
    return 0;
}

int asynchat_set_slot_limit(struct asynchat_channel *ch, unsigned slots)
{
    if (!ch || slots == 0)
        return -EINVAL;
    int error = asynchat__outq_need_slots(&ch->out.queue);
    if (error)
        return error;
    ch->out.queue.slots->limit = slots;
    asynchat__channel_out_slots(ch);
    return 0;
}

unsigned asynchat_get_slot_limit(const struct asynchat_channel *ch)
{
    const struct outq_slots *slots = ch ? ch->out.queue.slots : NULL;
    if (!ch)
        return 0;
    return slots ? slots->limit : SLOTS_MOST;
}
