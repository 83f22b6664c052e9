/* Which command a request is, and whether it may be run.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef KV_COMMANDS_H
#define KV_COMMANDS_H

#include <stdbool.h>

struct client;

/* Makes the table of commands. False: there was no memory. */
bool open_commands(void);
void close_commands(void);

/* Does what the words of a request say. */
void request_run(struct client *c);

#endif
