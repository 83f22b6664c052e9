/* Topics, which Redis calls channels, and the patterns of them.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef KV_TOPICS_H
#define KV_TOPICS_H

#include "client.h"
#include "table.h"

struct topic {
    UT_hash_handle hh;
    struct word *name; /* or pattern of names */
    bool is_pattern;
    struct subscription *first;
};

struct subscription {
    UT_hash_handle hh;
    struct {
        struct topic *topic;
        struct client *client;
    } key;
    struct subscription *prev, *next;    /* of the topic, */
    struct subscription *before, *after; /* and of the client */
};

extern struct topic *topics[2]; /* names, patterns */

/* NULL: there is none. */
struct topic *topic_find(const struct word *name, bool is_pattern);

/* Shares the name; NULL for want of memory. */
struct topic *topic_add(struct word *name, bool is_pattern);

/* One that nobody listens to is none: it is freed. */
void topic_tidy(struct topic *t);
struct subscription *subscription_find(struct client *c, struct topic *t);

/* False: there was no memory. */
bool subscription_add(struct client *c, struct topic *t);

/* And its topic's, if it was the last. */
void subscription_end(struct subscription *s);

#endif
