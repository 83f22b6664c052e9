/* Topics, patterns and watched keys: who listens, and who is told.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "kv.h"

#define SUBSCRIPTION 120 /* bytes of a client's place among those of a topic */

struct topic {
    struct word name;
    enum kind kind;
    GQueue clients;
};

/* The message that is being published, in pieces. Others wait for its end, so
 * all clients see one order. */
static struct {
    struct client *from; /* NULL: there is none */
    GQueue topics;       /* those that it is for, and that are not begun */
    GList *next;         /* the client that is told next */
    struct asynchat_block *block;
} news;

static GHashTable *topics[KINDS];

static unsigned hash_word(const void *word)
{
    const struct word *w = word;
    return hash(w->bytes, w->len);
}

static int equal_words(const void *a, const void *b)
{
    const struct word *x = a, *y = b;
    return x->len == y->len && memcmp(x->bytes, y->bytes, x->len) == 0;
}

static void topic_free(void *topic)
{
    struct topic *t = topic;
    clients_used -= sizeof *t + SUBSCRIPTION;
    share_release(NULL, 0, t->name.bytes);
    g_free(t);
}

void topics_open(void)
{
    for (int kind = 0; kind < KINDS; kind++)
        topics[kind] =
            g_hash_table_new_full(hash_word, equal_words, NULL, topic_free);
}

void topics_close(void)
{
    for (int kind = 0; kind < KINDS; kind++)
        g_hash_table_destroy(topics[kind]);
}

/* --- joining and leaving --- */

static void join(struct client *c, enum kind kind, const struct word *name)
{
    struct topic *t = g_hash_table_lookup(topics[kind], name);
    if (!t) {
        t = g_new0(struct topic, 1);
        t->kind = kind;
        t->name.bytes = share_new(name->bytes, name->len, name->len);
        t->name.len = name->len;
        g_hash_table_insert(topics[kind], &t->name, t);
        clients_used += sizeof *t + SUBSCRIPTION;
    }
    if (!c->listens)
        c->listens = g_hash_table_new(hash_word, g_direct_equal);
    if (g_hash_table_contains(c->listens, t))
        return;
    g_queue_push_tail(&t->clients, c);
    g_hash_table_insert(c->listens, t, t->clients.tail);
    c->listening[kind]++;
    count(c, SUBSCRIPTION);
}

/* Forgets a topic that nobody listens to any more. */
static void leave(struct client *c, struct topic *t, GList *place)
{
    if (news.next == place)
        news.next = place->next;
    g_queue_delete_link(&t->clients, place);
    count(c, -SUBSCRIPTION);
    if (t->clients.length > 0)
        return;
    g_queue_remove(&news.topics, t);
    g_hash_table_remove(topics[t->kind], &t->name);
}

/* Leaves all topics of these kinds, which are bits. */
void leave_all(struct client *c, unsigned kinds)
{
    GHashTableIter iter;
    void *t, *place;
    if (!c->listens)
        return;
    g_hash_table_iter_init(&iter, c->listens);
    while (g_hash_table_iter_next(&iter, &t, &place)) {
        enum kind kind = ((struct topic *)t)->kind;
        if (kinds >> kind & 1) {
            c->listening[kind]--;
            g_hash_table_iter_remove(&iter);
            leave(c, t, place);
        }
    }
    if (g_hash_table_size(c->listens) == 0)
        g_clear_pointer(&c->listens, g_hash_table_destroy);
}

/* --- watching --- */

/* A key changes: who watches it is told at EXEC. */
void touch(const char *bytes, size_t len)
{
    if (g_hash_table_size(topics[WATCHED]) == 0)
        return;
    const struct topic *t = g_hash_table_lookup(
        topics[WATCHED], &(struct word){(char *)bytes, len});
    for (GList *l = t ? t->clients.head : NULL; l; l = l->next)
        ((struct client *)l->data)->dirty = true;
}

/* All keys that exist, and are watched, change. */
void touch_all(void)
{
    GHashTableIter iter;
    void *name;
    g_hash_table_iter_init(&iter, topics[WATCHED]);
    while (g_hash_table_iter_next(&iter, &name, NULL)) {
        const struct entry *e = find(name);
        if (e)
            touch(e->key, e->key_len);
    }
}

/* Keys that the client watches, and whose time is over, change. */
void touch_watched(struct client *c)
{
    GHashTableIter iter;
    void *t;
    if (c->listening[WATCHED] == 0)
        return;
    g_hash_table_iter_init(&iter, c->listens);
    while (g_hash_table_iter_next(&iter, &t, NULL))
        if (((struct topic *)t)->kind == WATCHED)
            find(&((struct topic *)t)->name);
}

const char *run_watch(struct client *c)
{
    const struct word *key = &c->args[c->at++];
    if (c->queue)
        return "ERR WATCH inside MULTI is not allowed";
    find(key); /* deletes what is over already */
    join(c, WATCHED, key);
    return c->at < c->argc ? again : say_ok(c);
}

const char *run_unwatch(struct client *c)
{
    leave_all(c, 1u << WATCHED);
    c->dirty = false;
    return say_ok(c);
}

/* --- subscribing: n is which kind --- */

bool listens(const struct client *c)
{
    return c->listening[TOPICS] + c->listening[PATTERNS] > 0;
}

static const char *say_topic(struct client *c, const struct word *name)
{
    set_limits(c);
    say_number(c, c->resp == 3 ? '>' : '*', 3);
    say_text(c, c->command->name);
    name ? say_word(c, name) : say_null(c);
    return say_number(c, ':', c->listening[TOPICS] + c->listening[PATTERNS]);
}

const char *run_subscribe(struct client *c)
{
    const struct word *name = &c->args[c->at++];
    join(c, (enum kind)c->command->n, name);
    say_topic(c, name);
    return c->at < c->argc ? again : NULL;
}

static void unsubscribe(struct client *c, const struct word *name)
{
    struct topic *t = g_hash_table_lookup(topics[c->command->n], name);
    GList *place = t && c->listens ? g_hash_table_lookup(c->listens, t) : NULL;
    if (place)
        c->listening[t->kind]--;
    say_topic(c, name); /* it may be the topic's own name */
    if (place) {
        g_hash_table_remove(c->listens, t);
        leave(c, t, place);
    }
}

const char *run_unsubscribe(struct client *c)
{
    if (c->argc > 1) {
        unsubscribe(c, &c->args[c->at++]);
        return c->at < c->argc ? again : NULL;
    }
    if (c->listening[c->command->n] == 0)
        return say_topic(c, NULL);
    GList *all = g_hash_table_get_keys(c->listens);
    for (GList *l = all; l; l = l->next) {
        const struct topic *t = l->data;
        if ((int)t->kind == c->command->n)
            unsubscribe(c, &t->name);
    }
    g_list_free(all);
    return NULL;
}

/* --- publishing --- */

/* The message for all clients of a topic, behind its first byte: made once, and
 * shared by them. */
static struct asynchat_block *block_of(const struct topic *t,
                                       const struct word *args)
{
    GString *to = g_string_new(t->kind == TOPICS ? "3\r\n$7\r\nmessage\r\n"
                                                 : "4\r\n$8\r\npmessage\r\n");
    if (t->kind == PATTERNS)
        append(&to, t->name.bytes, t->name.len);
    append(&to, args[1].bytes, args[1].len);
    append(&to, args[2].bytes, args[2].len);
    struct asynchat_block *block = asynchat_block_new(to->str, to->len);
    g_string_free(to, TRUE);
    return block;
}

/* Tells the next client; returns whether there was one. A push runs no callback,
 * so nobody joins or leaves. If there was no memory for the message, the client
 * ends, since it would miss it. */
static bool tell_next(void)
{
    while (!news.next) {
        const struct topic *t = g_queue_pop_head(&news.topics);
        g_clear_pointer(&news.block, asynchat_block_free);
        if (!t) {
            news.from = NULL;
            return false;
        }
        news.block = block_of(t, news.from->args);
        news.next = t->clients.head;
    }
    const struct client *l = news.next->data;
    news.next = news.next->next;
    if (asynchat_push(l->ch, l->resp == 3 ? ">" : "*", 1) != ASYNCHAT_ECLOSED)
        news.from->total++;
    if (asynchat_push_shared(l->ch, news.block) == -EINVAL)
        asynchat_close(l->ch);
    return true;
}

/* The client ends, or everybody else has to wait: its message goes to all. */
void publish_end(const struct client *c)
{
    while (news.from && (!c || news.from == c))
        tell_next();
}

const char *run_publish(struct client *c)
{
    const struct word *name = &c->args[1];
    GHashTableIter iter;
    void *t;
    if (c->whole)
        publish_end(NULL);
    if (!news.from && c->at++ == 1) {
        news.from = c;
        if ((t = g_hash_table_lookup(topics[TOPICS], name)))
            g_queue_push_tail(&news.topics, t);
        g_hash_table_iter_init(&iter, topics[PATTERNS]);
        while (g_hash_table_iter_next(&iter, NULL, &t))
            if (matches(&((struct topic *)t)->name, name->bytes, name->len))
                g_queue_push_tail(&news.topics, t);
    }
    if (news.from && (news.from != c || tell_next()))
        return again;
    return say_number(c, ':', (long long)c->total);
}
