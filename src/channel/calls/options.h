/* What a server gives each of its channels before the channel begins: settings,
 * and a layer.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_CHANNEL_OPTIONS_H
#define ASYNCHAT_CHANNEL_OPTIONS_H

#include <asynchat/options.h>

/* Checked settings. They do not change, and are shared by count. */
struct channel_options;

struct channel_dress {
    struct channel_options *options;                     /* or NULL */
    int (*make)(struct asynchat_channel *ch, void *arg); /* or NULL */
    void *arg;
};

/* Checks and copies settings, with one share. 0 or an error. */
int asynchat__options_new(const struct asynchat_options *from,
                          struct channel_options **out);

/* Takes one more share. Any thread. NULL is allowed. */
struct channel_options *asynchat__options_share(
    struct channel_options *options);

/* Gives a share back. Any thread. NULL is allowed. */
void asynchat__options_release(struct channel_options *options);

/* Dresses a channel that was just made. If there is no memory for a setting, or
 * `make` answers anything but 0, the channel ends, from the loop. */
void asynchat__channel_dress(struct asynchat_channel *ch,
                             const struct channel_dress *dress);

#endif
