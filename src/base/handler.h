/* Checks the table of callbacks that a program gives.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_HANDLER_H
#define ASYNCHAT_HANDLER_H

#include <asynchat/channel.h>

/* 0; -EINVAL: the table is filled in wrongly; -ENOTSUP: it has fields that this
 * version does not know. */
int asynchat__handler_check(const struct asynchat_handler *handler);

#endif
