/* Topics, patterns and watched keys: who listens, and who is told.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "kv.h"

struct topic {
    struct word name; /* bytes of its own */
    enum kind kind;
    GQueue clients;
    unsigned deliveries; /* that go on */
};

/* A message on its way to the clients of a topic: in steps, if there are very
 * many. All messages go in order, so the clients see the same order. */
struct delivery {
    struct topic *topic;
    GList *next; /* the client that is told next */
    struct asynchat_block *block;
    struct client *from; /* NULL: it is gone */
};

static GHashTable *topics[KINDS];
static GQueue deliveries = G_QUEUE_INIT;

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

static size_t topic_size(const struct topic *t)
{
    return sizeof *t + t->name.len + SUBSCRIPTION;
}

static void topic_free(void *topic)
{
    struct topic *t = topic;
    clients_used -= topic_size(t);
    g_free(t->name.bytes);
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

/* Forgets a topic that nobody listens to, and that no delivery is for. */
static void topic_release(struct topic *t)
{
    if (t->clients.length == 0 && t->deliveries == 0)
        g_hash_table_remove(topics[t->kind], &t->name);
}

static struct topic *topic_of(enum kind kind, const struct word *name)
{
    struct topic *t = g_hash_table_lookup(topics[kind], name);
    if (t)
        return t;
    t = g_new(struct topic, 1);
    *t = (struct topic){.kind = kind, .clients = G_QUEUE_INIT};
    t->name.bytes = g_memdup2(name->bytes, name->len + 1);
    t->name.len = name->len;
    g_hash_table_insert(topics[kind], &t->name, t);
    clients_used += topic_size(t);
    return t;
}

/* --- joining and leaving --- */

static void join(struct client *c, enum kind kind, const struct word *name)
{
    struct topic *t = topic_of(kind, name);
    if (!c->listens)
        c->listens = g_hash_table_new(hash_word, g_direct_equal);
    if (g_hash_table_contains(c->listens, t))
        return;
    g_queue_push_tail(&t->clients, c);
    g_hash_table_insert(c->listens, t, t->clients.tail);
    c->listening[kind]++;
    c->held += SUBSCRIPTION;
    clients_used += SUBSCRIPTION;
}

static void leave(struct client *c, struct topic *t, GList *place)
{
    for (GList *l = t->deliveries ? deliveries.head : NULL; l; l = l->next) {
        struct delivery *d = l->data;
        if (d->next == place)
            d->next = place->next;
    }
    g_queue_delete_link(&t->clients, place);
    c->held -= SUBSCRIPTION;
    clients_used -= SUBSCRIPTION;
    topic_release(t);
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
        if (kinds >> ((struct topic *)t)->kind & 1) {
            c->listening[((struct topic *)t)->kind]--;
            g_hash_table_iter_remove(&iter);
            leave(c, t, place);
        }
    }
    if (g_hash_table_size(c->listens) == 0) {
        g_hash_table_destroy(c->listens);
        c->listens = NULL;
    }
}

/* --- watching --- */

/* A key changes: who watches it is told at EXEC. */
void touch(const char *bytes, size_t len)
{
    if (g_hash_table_size(topics[WATCHED]) == 0)
        return;
    struct word name = {(char *)bytes, len, false};
    struct topic *t = g_hash_table_lookup(topics[WATCHED], &name);
    for (GList *l = t ? t->clients.head : NULL; l; l = l->next)
        ((struct client *)l->data)->dirty = true;
}

/* All keys that exist, and are watched, change. */
void touch_all(void)
{
    GHashTableIter iter;
    void *t;
    g_hash_table_iter_init(&iter, topics[WATCHED]);
    while (g_hash_table_iter_next(&iter, &t, NULL)) {
        const struct word *name = t;
        if (find(name))
            touch(name->bytes, name->len);
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

/* WATCH; UNWATCH, whose n is 1. */
const char *run_watch(struct client *c)
{
    if (c->command->n) {
        leave_all(c, 1u << WATCHED);
        c->dirty = false;
    }
    for (size_t i = 1; i < c->argc; i++) {
        find(&c->args[i]); /* deletes what is over already */
        join(c, WATCHED, &c->args[i]);
    }
    return say(c, "+OK\r\n");
}

/* --- subscribing: n is which kind --- */

static const char *say_topic(struct client *c, const struct word *name)
{
    unsigned listening = c->listening[TOPICS] + c->listening[PATTERNS];
    set_limits(c, listening > 0);
    say_number(c, c->resp == 3 ? '>' : '*', 3);
    say_text(c, c->command->name);
    say_word(c, name);
    return say_number(c, ':', listening);
}

const char *run_subscribe(struct client *c)
{
    for (; c->at < c->argc - 1; c->at++) {
        if (step_over(c))
            return again;
        join(c, (enum kind)c->command->n, &c->args[c->at + 1]);
        say_topic(c, &c->args[c->at + 1]);
    }
    return NULL;
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

static const char *unsubscribe_all(struct client *c)
{
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

const char *run_unsubscribe(struct client *c)
{
    if (c->argc == 1)
        return unsubscribe_all(c);
    for (; c->at < c->argc - 1; c->at++) {
        if (step_over(c))
            return again;
        unsubscribe(c, &c->args[c->at + 1]);
    }
    return NULL;
}

/* --- publishing --- */

/* The message for all clients of a topic, behind its first byte: made once, and
 * shared by them. */
static struct asynchat_block *block_of(const struct topic *t,
                                       const struct word *args)
{
    GByteArray *bytes = g_byte_array_new();
    const char *head = t->kind == TOPICS ? "3\r\n$7\r\nmessage\r\n"
                                         : "4\r\n$8\r\npmessage\r\n";
    g_byte_array_append(bytes, (const uint8_t *)head, (guint)strlen(head));
    if (t->kind == PATTERNS)
        append_word(bytes, &t->name);
    append_word(bytes, &args[1]);
    append_word(bytes, &args[2]);
    struct asynchat_block *block = asynchat_block_new(bytes->data, bytes->len);
    g_byte_array_free(bytes, TRUE);
    return block;
}

static void delivery_add(struct client *c, struct topic *t)
{
    struct delivery *d = g_new(struct delivery, 1);
    *d = (struct delivery){.topic = t, .next = t->clients.head, .from = c};
    d->block = block_of(t, c->args);
    g_queue_push_tail(&deliveries, d);
    t->deliveries++;
    c->deliveries++;
    c->total += t->clients.length;
}

static void delivery_end(struct delivery *d)
{
    g_queue_pop_head(&deliveries);
    if (d->from)
        d->from->deliveries--;
    asynchat_block_free(d->block);
    d->topic->deliveries--;
    topic_release(d->topic);
    g_free(d);
}

/* Tells one client. A push runs no callback, so nobody joins or leaves. If there
 * was no memory for the message, the client ends, since it would miss it. */
static void tell(const struct delivery *d, const struct client *l)
{
    if (!d->block)
        asynchat_close(l->ch);
    else if (asynchat_push(l->ch, l->resp == 3 ? ">" : "*", 1) ==
                 ASYNCHAT_ECLOSED &&
             d->from)
        d->from->total--;
    else
        asynchat_push_shared(l->ch, d->block);
}

/* Goes on with deliveries, to at most so many clients. Returns whether there is
 * more to do. */
bool deliver(size_t most)
{
    struct delivery *d;
    while ((d = g_queue_peek_head(&deliveries))) {
        for (; d->next && most > 0; most--) {
            const struct client *l = d->next->data;
            d->next = d->next->next;
            tell(d, l);
        }
        if (d->next)
            return true;
        delivery_end(d);
    }
    return false;
}

/* A client is gone; what it has published goes on. */
void deliveries_forget(const struct client *c)
{
    for (GList *l = deliveries.head; l && c->deliveries > 0; l = l->next)
        if (((struct delivery *)l->data)->from == c)
            ((struct delivery *)l->data)->from = NULL;
}

static void publish(struct client *c)
{
    const struct word *name = &c->args[1];
    GHashTableIter iter;
    void *t = g_hash_table_lookup(topics[TOPICS], name);
    if (t)
        delivery_add(c, t);
    g_hash_table_iter_init(&iter, topics[PATTERNS]);
    while (g_hash_table_iter_next(&iter, NULL, &t))
        if (matches(&((struct topic *)t)->name, name->bytes, name->len))
            delivery_add(c, t);
    deliver(c->whole ? SIZE_MAX : STEP);
}

const char *run_publish(struct client *c)
{
    if (c->at++ == 0)
        publish(c);
    return c->deliveries > 0 ? again : say_number(c, ':', (long long)c->total);
}
