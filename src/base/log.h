/* The log: what the library reports to the program.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SRC_LOG_H
#define ASYNCHAT_SRC_LOG_H

#include <stdbool.h>

#include <asynchat/log.h>

struct address;

/* Whether the program wants lines of this level. Ask before doing work for a
 * line. */
bool asynchat__log_wants(enum asynchat_log_level level);

__attribute__((format(printf, 2, 3))) void asynchat__log(
    enum asynchat_log_level level, const char *format, ...);

/* Logs a line that begins with an address. */
void asynchat__log_address(enum asynchat_log_level level,
                           const struct address *address, const char *text);

#endif
