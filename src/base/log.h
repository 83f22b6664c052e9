/* The log: what the library reports to the program.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SRC_LOG_H
#define ASYNCHAT_SRC_LOG_H

#include <stdbool.h>

#include <asynchat/log.h>

struct address;

/* Whether the program wants records of this level. Ask before doing work for a
 * record. */
bool asynchat__log_wants(enum asynchat_log_level level);

/* Gives a record to the program, if the program wants it. */
void asynchat__log(struct asynchat_log_record record);

/* Logs what a server has to say about an address. */
void asynchat__log_address(enum asynchat_log_level level,
                           enum asynchat_log_event event,
                           const struct address *address, int code,
                           const char *text);

#endif
