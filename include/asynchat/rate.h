/* Rates: how many bytes per second may move, for a channel and for a group of
 * channels.
 *
 *     const struct asynchat_rates slow = {
 *         .size = sizeof slow,
 *         .write = 100000,       // bytes per second
 *         .write_burst = 500000, // bytes at once, after a silence
 *     };
 *     int error = asynchat_set_rates(ch, &slow);
 *
 * A channel earns bytes at its rate, and spends them when it reads or writes.
 * Unused bytes are saved, up to a burst. When all of them are spent, the
 * channel waits: it reads nothing, so that soon the peer cannot send; or its
 * output stays queued for a while. The rules:
 *
 * - If a channel has a rate of its own and is in a group, the lower of the
 *   two applies.
 * - Members of a group that all have something to move get about the same
 *   share.
 * - Input counts when it is read, and output when it is handed to the system.
 *   Over a bufferevent of your own, input counts when it is delivered and
 *   output when it is handed to the bufferevent. The bufferevent may therefore
 *   read once more than the rate allows; the excess is deducted afterwards. The
 *   same may happen once with a connection that a server accepts while it
 *   stops: it is read before handle_connect can set a rate.
 * - While its rate does not allow a channel to read, reading is paused: the
 *   timeouts that depend on reading stand still, and the peer's end of file and
 *   errors are reported as described under "Pausing" in channel.h.
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

/* The rates of a channel or group, in bytes per second, at most
 * ASYNCHAT_RATE_MAX; 0 is no limit. A burst is the number of bytes that may
 * move at once after a silence; 0 stands for the bytes of one second. `size` is
 * sizeof the struct. New fields are only ever added at the end. */
struct asynchat_rates {
    size_t size;
    uint64_t read;
    uint64_t write;
    uint64_t read_burst;
    uint64_t write_burst;
};

/* Sets the rates of a channel, from now on and with a full burst. Copies. If
 * `rates` is NULL there is no limit. Errors: -EINVAL (`ch` is NULL, or `rates`
 * is filled in wrongly), -ENOTSUP (`rates` has a field that this version does
 * not know), -ENOMEM. Since 0.1. */
ASYNCHAT_API int asynchat_set_rates(struct asynchat_channel *ch,
                                    const struct asynchat_rates *rates);

/* Makes a group for channels of one event base, which share `rates`. Copies.
 * Gives the group in *out. On failure *out is unchanged. Errors: -EINVAL
 * (`base`, `rates` or `out` is NULL, or `rates` is filled in wrongly), -ENOTSUP
 * (`rates` has a field that this version does not know), -ENOMEM. Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD int asynchat_rate_group_new(
    struct event_base *base, const struct asynchat_rates *rates,
    struct asynchat_rate_group **out);

/* Changes the rates of a group, like asynchat_set_rates() for a channel.
 * Errors: -EINVAL (`group` is NULL, or `rates` is filled in wrongly), -ENOTSUP
 * (`rates` has a field that this version does not know). Since 0.1. */
ASYNCHAT_API int asynchat_rate_group_set(struct asynchat_rate_group *group,
                                         const struct asynchat_rates *rates);

/* Frees the group. Its channels are in no group afterwards. NULL is allowed.
 * Since 0.1. */
ASYNCHAT_API void asynchat_rate_group_free(struct asynchat_rate_group *group);

/* Puts the channel into a group and takes it out of its previous group. If
 * `group` is NULL, the channel is in no group afterwards. Borrows the group
 * until the channel is gone or in another group. Errors: -EINVAL (`ch` is NULL,
 * or the group belongs to another event base), -ENOMEM. Since 0.1. */
ASYNCHAT_API int asynchat_set_rate_group(struct asynchat_channel *ch,
                                         struct asynchat_rate_group *group);

ASYNCHAT_END_DECLS

#endif
