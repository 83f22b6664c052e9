/* The settings of a channel, all at once.
 *
 * Tested by tests/test_options.c. SPDX-License-Identifier: BSD-3-Clause */
#include "channel/calls/options.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>

#include "base/memory.h"
#include "base/table.h"
#include "channel/calls/proxy.h"
#include "channel/object.h"

_Static_assert(sizeof(struct asynchat_options) ==
                   8 * sizeof(size_t) + 2 * sizeof(unsigned) + sizeof(void *),
               "asynchat_options has padding");

/* Invariants: `all.timeouts` is NULL or points to `times`. */
struct channel_options {
    atomic_uint shares;
    struct asynchat_options all;
    struct asynchat_timeouts times;
};

/* --- checking --- */

static bool options_fit(const struct asynchat_options *o)
{
    return o->in_buffer_size <= ASYNCHAT_BUFFER_SIZE_MAX &&
           o->out_buffer_size <= ASYNCHAT_BUFFER_SIZE_MAX &&
           (o->low_mark < o->high_mark || o->low_mark == 0) &&
           o->linger <= INT_MAX && o->quick_ack <= 1;
}

/* Copies options that are filled in well. 0 or an error. */
static int options_copy(struct channel_options *to,
                        const struct asynchat_options *from)
{
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): last field is a pointer */
    const size_t least = TABLE_SIZE(struct asynchat_options, timeouts);
    int error = asynchat__table_check(from, least, sizeof *from);
    if (error)
        return error;
    asynchat__table_copy(&to->all, from, sizeof to->all);
    if (!options_fit(&to->all))
        return -EINVAL;
    if (!to->all.timeouts)
        return 0;
    error = asynchat__timeouts_check(to->all.timeouts);
    if (error)
        return error;
    asynchat__table_copy(&to->times, to->all.timeouts, sizeof to->times);
    to->times.size = sizeof to->times;
    to->all.timeouts = &to->times;
    return 0;
}

/* --- setting --- */

static void options_set_sizes(struct asynchat_channel *ch,
                              const struct asynchat_options *o)
{
    if (o->message_limit > 0)
        asynchat_set_message_limit(ch, o->message_limit);
    if (o->output_limit > 0)
        asynchat_set_output_limit(ch, o->output_limit);
    if (o->high_mark > 0)
        asynchat_set_output_marks(ch, o->low_mark, o->high_mark);
    if (o->in_buffer_size > 0)
        asynchat_set_in_buffer_size(ch, o->in_buffer_size);
    if (o->out_buffer_size > 0)
        asynchat_set_out_buffer_size(ch, o->out_buffer_size);
}

/* Only the memory for times can be missing, and this is taken first. */
static int options_set(struct asynchat_channel *ch,
                       const struct asynchat_options *o)
{
    if (o->timeouts || o->message_budget > 0) {
        int error = asynchat__channel_time_make(ch);
        if (error)
            return error;
    }
    options_set_sizes(ch, o);
    if (o->timeouts)
        asynchat_set_timeouts(ch, o->timeouts);
    if (o->message_budget > 0)
        asynchat_set_message_budget(ch, o->message_budget);
    if (o->linger > 0)
        asynchat_set_linger(ch, o->linger);
    if (o->quick_ack)
        asynchat_set_quick_ack(ch, 1);
    return 0;
}

int asynchat_set_options(struct asynchat_channel *ch,
                         const struct asynchat_options *options)
{
    struct channel_options copy;
    if (!ch)
        return -EINVAL;
    int error = options_copy(&copy, options);
    return error ? error : options_set(ch, &copy.all);
}

/* --- of a server, or of a client --- */

int asynchat__options_new(const struct asynchat_options *from,
                          struct channel_options **out)
{
    struct channel_options *made = asynchat__malloc(sizeof *made);
    if (!made)
        return -ENOMEM;
    int error = options_copy(made, from);
    if (error) {
        asynchat__free(made);
        return error;
    }
    atomic_init(&made->shares, 1);
    *out = made;
    return 0;
}

int asynchat__options_apply(struct asynchat_channel *ch,
                            const struct channel_options *options)
{
    return options_set(ch, &options->all);
}

struct channel_options *asynchat__options_share(struct channel_options *options)
{
    if (options)
        atomic_fetch_add(&options->shares, 1);
    return options;
}

void asynchat__options_release(struct channel_options *options)
{
    if (options && atomic_fetch_sub(&options->shares, 1) == 1)
        asynchat__free(options);
}

void asynchat__dress_share(const struct channel_dress *dress)
{
    (void)asynchat__options_share(dress->options);
    asynchat__policy_share(dress->proxy);
}

void asynchat__dress_release(const struct channel_dress *dress)
{
    asynchat__options_release(dress->options);
    asynchat__policy_release(dress->proxy);
}

/* Gives the channel what it is to have. 0 or an error. */
static int dress_put_on(struct asynchat_channel *ch,
                        const struct channel_dress *dress)
{
    int error = dress->options ? options_set(ch, &dress->options->all) : 0;
    if (error)
        return error;
    if (dress->proxy)
        return asynchat__proxy_await(ch, dress->proxy, dress->make, dress->arg);
    return dress->make ? dress->make(ch, dress->arg) : 0;
}

/* A channel that cannot have what the server gives it is as one that could not
 * connect. A channel that waits for a header looks for it at once. */
void asynchat__channel_begin(struct asynchat_channel *ch,
                             const struct channel_dress *dress)
{
    int error = dress_put_on(ch, dress);
    if (error)
        policy_leave(dress->proxy);
    else if (dress->proxy)
        error = ch->transport.ops->read(&ch->transport, TRANSPORT_READ);
    if (error) {
        ch->transport.phase = TRANSPORT_FAILED;
        ch->transport.ended = error;
    }
    if (!dress->proxy || error)
        asynchat__channel_start(ch);
    else
        ch->transport.ops->look(&ch->transport);
}
