/* Posting to channels: how a channel gets its number, and is found again by it.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "channel/post.h"

#include <errno.h>

#include "base/memory.h"
#include "channel/object.h"
#include "loop/loop.h"
#include "loop/mailbox.h"

/* --- numbers --- */

/* Finds a channel by the place of its number, which lies in the channel. */
static struct asynchat_channel *channel_of(uint64_t *id)
{
    if (!id)
        return NULL;
    char *place = (char *)id - offsetof(struct asynchat_channel, id);
    return (struct asynchat_channel *)(void *)place;
}

static void channel_enrol(struct asynchat_channel *ch, struct mailbox *mailbox)
{
    ch->id = asynchat__mailbox_give_id(mailbox);
    asynchat__ids_add(&mailbox->channels, &ch->id);
}

int asynchat__post_expect(struct event_base *base)
{
    struct loop *loop = asynchat__loop_owned(base);
    if (!loop)
        return 0;
    if (loop->mailbox->over)
        return -ECANCELED;
    return asynchat__ids_reserve(&loop->mailbox->channels) ? 0 : -ENOMEM;
}

void asynchat__post_enrol(struct asynchat_channel *ch)
{
    struct mailbox *mailbox = ch->transport.loop->mailbox;
    if (mailbox && mailbox->everyone)
        channel_enrol(ch, mailbox);
}

void asynchat__post_forget(struct asynchat_channel *ch)
{
    struct mailbox *mailbox = ch->transport.loop->mailbox;
    if (ch->id && !mailbox->closed)
        asynchat__ids_remove(&mailbox->channels, &ch->id);
}

struct asynchat_channel *asynchat__post_channel(const struct mailbox *mailbox,
                                                size_t *place)
{
    return channel_of(asynchat__ids_next(&mailbox->channels, place));
}

struct asynchat_channel *asynchat__post_find(const struct mailbox *mailbox,
                                             uint64_t id)
{
    return channel_of(asynchat__ids_find(&mailbox->channels, id));
}

bool asynchat__post_reaches(const struct asynchat_channel *ch)
{
    const struct mailbox *mailbox = ch->transport.loop->mailbox;
    return !mailbox->closed && asynchat__mailbox_is_alive(mailbox);
}

uint64_t asynchat_get_id(struct asynchat_channel *ch)
{
    if (!ch || ch->id || ch->state == CHANNEL_FREED)
        return ch ? ch->id : 0;
    struct loop *loop = ch->transport.loop;
    if (asynchat__loop_need_mailbox(loop) < 0 ||
        !asynchat__ids_reserve(&loop->mailbox->channels))
        return 0;
    channel_enrol(ch, loop->mailbox);
    return ch->id;
}

/* --- posting --- */

struct channel_post {
    struct post post;
    uint64_t id;
    void (*function)(struct asynchat_channel *ch, void *arg);
    void *arg;
};

/* The memory is freed first, since the function may do anything. */
static void channel_post_run(struct post *post, struct mailbox *mailbox)
{
    struct channel_post it = *(struct channel_post *)post;
    if (!mailbox)
        return;
    asynchat__free(post);
    it.function(asynchat__post_find(mailbox, it.id), it.arg);
}

int asynchat_post(uint64_t id,
                  void (*function)(struct asynchat_channel *ch, void *arg),
                  void *arg)
{
    if (id == 0 || !function)
        return -EINVAL;
    struct channel_post *post = asynchat__malloc(sizeof *post);
    if (!post)
        return -ENOMEM;
    *post = (struct channel_post){{NULL, channel_post_run}, id, function, arg};
    int error = asynchat__mailbox_post(id, &post->post);
    if (error)
        asynchat__free(post);
    return error;
}
