/* Event bases: those that the library makes itself, and what one can have.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SRC_BASE_H
#define ASYNCHAT_SRC_BASE_H

struct event_base;

/* Makes an event base, and gives it in *out. Errors: -ENOMEM, and those of
 * eventfd(2), such as -EMFILE. */
int asynchat__base_new(struct event_base **out);

/* 0, or -EMFILE if the event base uses select(2) and `fd` is too large for it:
 * libevent would end the process. Any thread. */
int asynchat__base_check(const struct event_base *base, int fd);

#endif
