/* Event bases that the library makes itself.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SRC_BASE_H
#define ASYNCHAT_SRC_BASE_H

struct event_base;

/* Makes an event base, and gives it in *out. Errors: -ENOMEM, and those of
 * eventfd(2), such as -EMFILE. */
int asynchat__base_new(struct event_base **out);

#endif
