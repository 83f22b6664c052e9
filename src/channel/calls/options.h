/* What a server gives each of its channels before the channel begins: settings,
 * a PROXY header to wait for, and a layer.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_CHANNEL_OPTIONS_H
#define ASYNCHAT_CHANNEL_OPTIONS_H

#include <asynchat/options.h>

/* Checked settings. They do not change, and are shared by count. */
struct channel_options;
struct proxy_policy;

struct channel_dress {
    struct channel_options *options; /* or NULL */
    struct proxy_policy *proxy;      /* NULL: no header is waited for */
    int (*make)(struct asynchat_channel *ch, void *arg); /* or NULL */
    void *arg;
};

/* Checks and copies settings, with one share. 0 or an error. */
int asynchat__options_new(const struct asynchat_options *from,
                          struct channel_options **out);

/* Sets all of the settings, or on failure none of them. 0 or -ENOMEM. */
int asynchat__options_apply(struct asynchat_channel *ch,
                            const struct channel_options *options);

/* Takes one more share, or gives one back. Any thread. NULL is allowed. */
struct channel_options *asynchat__options_share(
    struct channel_options *options);
void asynchat__options_release(struct channel_options *options);

/* Takes one more share of everything, or gives them back. Any thread. */
void asynchat__dress_share(const struct channel_dress *dress);
void asynchat__dress_release(const struct channel_dress *dress);

/* Dresses a channel that was just made over a connected socket, and starts it.
 * If there is no memory for something, or `make` answers anything but 0, the
 * channel ends, from the loop. A channel with `proxy` waits for a header, for
 * which it was counted by policy_enter(). */
void asynchat__channel_begin(struct asynchat_channel *ch,
                             const struct channel_dress *dress);

#endif
