/* Rates: how many bytes per second move, for a channel and for a group of them.
 *
 *     const struct asynchat_rates slow = {
 *         .size = sizeof slow,
 *         .write = 100000,       // bytes per second
 *         .write_burst = 500000, // at once, after a silence
 *     };
 *     int error = asynchat_set_rates(ch, &slow);
 *
 * A channel has what its rate gives it for each moment, saves up to a burst of
 * it, and waits when all is spent: nothing is read, and so the peer soon cannot
 * send; or what is queued stays there for a while. The rules:
 * - A channel with a rate of its own and a group has the lesser of both.
 * - Members of a group that all have something to move get about the same.
 * - What moves is counted as it is read, and as it is handed to the system;
 *   over a bufferevent of yours as it is delivered, and as the bufferevent is
 *   given it, so that one read of it more than allowed may come, which is made
 *   up for afterwards. So may one read of a connection that a server accepted when
 *   it stopped: it is read before handle_connect can set a rate.
 * - While a channel may not read, it is as when reading is paused: the times that
 *   its peer has for that stand still, and the peer's end and errors are told as
 *   channel.h says there.
 *
 * (libevent: bufferevent_set_rate_limit, which has no effect on a channel over
 * a socket. Twisted: ThrottlingFactory.)
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_RATE_H
#define ASYNCHAT_RATE_H

#include <asynchat/api.h>

ASYNCHAT_BEGIN_DECLS

/* The highest rate, in bytes per second, and the largest burst, in bytes. */
#define ASYNCHAT_RATE_MAX ((uint64_t)1 << 40)

/* In bytes per second, at most ASYNCHAT_RATE_MAX; 0 is no limit. A burst is what
 * may move at once after a silence, in bytes; 0 stands for what its rate gives in
 * a second. `size` is sizeof the struct. Fields are only ever appended. */
struct asynchat_rates {
    size_t size;
    uint64_t read;
    uint64_t write;
    uint64_t read_burst;
    uint64_t write_burst;
};

/* Copies; holds from now on, with a full burst. NULL is no limit. Errors: -EINVAL
 * (`ch` is NULL, or `rates` filled in wrongly), -ENOTSUP (a field that this version
 * does not know), -ENOMEM. Since 0.1. */
ASYNCHAT_API int asynchat_set_rates(struct asynchat_channel *ch,
                                    const struct asynchat_rates *rates);

/* Makes a group, for channels of one event base, which have `rates` together; copies.
 * Gives the group in *out, which on failure is as it was. Errors: -EINVAL (NULL, or
 * `rates` filled in wrongly), -ENOTSUP (a field that this version does not know),
 * -ENOMEM. Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD int asynchat_rate_group_new(
    struct event_base *base, const struct asynchat_rates *rates,
    struct asynchat_rate_group **out);

/* Other rates for a group, as asynchat_set_rates() for a channel. Errors: -EINVAL
 * (NULL, or `rates` filled in wrongly), -ENOTSUP (a field that this version does not
 * know). Since 0.1. */
ASYNCHAT_API int asynchat_rate_group_set(struct asynchat_rate_group *group,
                                         const struct asynchat_rates *rates);

/* Frees the group. Channels that are in it have none then. NULL is allowed. Since
 * 0.1. */
ASYNCHAT_API void asynchat_rate_group_free(struct asynchat_rate_group *group);

/* Puts the channel into a group, and out of the one before; NULL is none. The group
 * is borrowed until the channel is gone or in another. Errors: -EINVAL (`ch` is
 * NULL, or the group is another event base's), -ENOMEM. Since 0.1. */
ASYNCHAT_API int asynchat_set_rate_group(struct asynchat_channel *ch,
                                         struct asynchat_rate_group *group);

ASYNCHAT_END_DECLS

#endif
