/* What the parts of the program share.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef COUNT_H
#define COUNT_H

#include <stdbool.h>
#include <stddef.h>

#include <asynchat.h>

#define MIB (1u << 20)

/* How many messages have come. */
extern size_t found;

void expect(int truth, const char *what);

/* What is done here is counted. */
void counted_loop(struct event_base *base);

/* Two channels in one loop. The first one has the handler, and takes `piece`
 * bytes at a time. */
struct pair {
    struct event_base *base;
    struct asynchat_channel *ch[2];
};

void pair_begin(struct pair *pair, const struct asynchat_handler *handler,
                size_t piece);
void pair_end(struct pair *pair);

/* Run a scenario of framed.c, or of tell.c, if there is one with this name. */
bool framed_scenario(const char *name);
bool tell_scenario(const char *name);

#endif
