/* Topics, and who listens to them.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "topics.h"

#include <stdlib.h>

#include <asynchat.h>

#include "keys.h"

struct topic *topics[2];
static struct subscription *subscriptions;

struct topic *topic_find(const struct word *name, bool is_pattern)
{
    struct topic *t;
    HASH_FIND(hh, topics[is_pattern], name->bytes, (unsigned)name->len, t);
    return t;
}

struct topic *topic_add(struct word *name, bool is_pattern)
{
    struct topic *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    HASH_ADD_KEYPTR(hh, topics[is_pattern], name->bytes, (unsigned)name->len,
                    t);
    if (!t->hh.tbl) {
        free(t);
        return NULL;
    }
    t->name = word_share(name);
    t->is_pattern = is_pattern;
    memory_used += sizeof *t + name->room;
    return t;
}

void topic_tidy(struct topic *t)
{
    if (t->first)
        return;
    HASH_DELETE(hh, topics[t->is_pattern], t);
    memory_used -= sizeof *t + t->name->room;
    word_release(t->name);
    free(t);
}

struct subscription *subscription_find(struct client *c, struct topic *t)
{
    const struct subscription probe = {.key = {t, c}};
    struct subscription *s;
    HASH_FIND(hh, subscriptions, &probe.key, sizeof probe.key, s);
    return s;
}

static void subscription_count(struct client *c, int more)
{
    c->subscribed += more;
    check(c, asynchat_set_output_limit(
                 c->ch, c->subscribed ? SUBSCRIBER_QUEUE_MOST : QUEUE_MOST));
}

bool subscription_add(struct client *c, struct topic *t)
{
    struct subscription *s = calloc(1, sizeof *s);
    if (!s)
        return false;
    s->key.topic = t;
    s->key.client = c;
    HASH_ADD(hh, subscriptions, key, sizeof s->key, s);
    if (!s->hh.tbl) {
        free(s);
        return false;
    }
    DL_APPEND(t->first, s);
    DL_APPEND2(c->subscriptions, s, before, after);
    memory_used += sizeof *s;
    subscription_count(c, 1);
    return true;
}

void subscription_end(struct subscription *s)
{
    struct topic *t = s->key.topic;
    struct client *c = s->key.client;
    HASH_DELETE(hh, subscriptions, s);
    DL_DELETE(t->first, s);
    DL_DELETE2(c->subscriptions, s, before, after);
    memory_used -= sizeof *s;
    free(s);
    subscription_count(c, -1);
    topic_tidy(t);
}
