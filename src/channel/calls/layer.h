/* What dialing asks of a layer whose handshake decides a race.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_CHANNEL_LAYER_H
#define ASYNCHAT_CHANNEL_LAYER_H

struct asynchat_channel;
struct transport;

/* The time that the layer has for its handshake, in milliseconds, or 0. From
 * now on the caller sees to that time. */
unsigned asynchat__channel_layer_take_time(struct asynchat_channel *ch);

/* From now on the layer calls `ready`, in place of what was called before. */
void asynchat__channel_layer_hand_over(struct asynchat_channel *ch,
                                       void (*ready)(struct transport *t));

/* Undoes the layer, which is not up: the channel has none, and what was pushed
 * is as it was. What the layer has received and sent is gone. */
void asynchat__channel_layer_undo(struct asynchat_channel *ch);

#endif
