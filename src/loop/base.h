/* Event bases: makes them, and checks which descriptors they can have.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SRC_BASE_H
#define ASYNCHAT_SRC_BASE_H

struct event_base;

/* Makes an event base, and gives it in *out. 0, -ENOMEM, or an error of
 * eventfd(2), such as -EMFILE. */
int asynchat__base_new(struct event_base **out);

/* 0, or -EMFILE if the event base uses select(2) and `fd` is too large for
 * select. libevent would end the process then. Any thread. */
int asynchat__base_check(const struct event_base *base, int fd);

#endif
