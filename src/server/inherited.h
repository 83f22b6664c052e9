/* What another process has passed to this one.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_INHERITED_H
#define ASYNCHAT_INHERITED_H

#include <stdbool.h>
#include <stddef.h>

/* The first descriptor that is passed: those before are standard ones. */
#define INHERITED_FIRST 3

/* Room for one of the variables of the environment that tell of it. */
#define PASSED ((size_t)40)

/* Whether `variable`, "NAME=value", is one of these variables. */
bool asynchat__inherited_names(const char *variable);

/* Gives the next socket that was passed and that nobody has taken, or -1. 0 or
 * an error. */
int asynchat__inherited_next(int *fd);

/* That socket is taken. */
void asynchat__inherited_take(void);

#endif
