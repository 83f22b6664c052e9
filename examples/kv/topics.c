/* Commands about topics: n is which table.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "kv.h"

struct client *listeners;

static const char *say_topic(struct client *c, struct word *name)
{
    unsigned listened = c->listens;
    const char *what = c->command->name;
    c->listens = HASH_COUNT(c->topics[0]) + HASH_COUNT(c->topics[1]);
    if (c->listens > 0 && listened == 0)
        DL_APPEND(listeners, c);
    if (c->listens == 0 && listened > 0)
        DL_DELETE(listeners, c);
    asynchat_set_output_limit(c->ch,
                              c->listens ? SUBSCRIBER_QUEUE_MOST : QUEUE_MOST);
    asynchat_push_printf(c->ch, "*3\r\n$%zu\r\n%s\r\n", strlen(what), what);
    say_word(c, name);
    return say_number(c, ':', c->listens);
}

const char *run_subscribe(struct client *c)
{
    for (size_t i = 1; i < c->count; i++) {
        entry_of(&c->topics[c->command->n], c->words[i]);
        say_topic(c, c->words[i]);
    }
    return NULL;
}

/* Without a name: from all, whose names are added to the request. */
const char *run_unsubscribe(struct client *c)
{
    struct entry **table = &c->topics[c->command->n];
    struct entry *e = c->count == 1 ? *table : NULL;
    for (; e; e = e->hh.next)
        add_word(c, word_share(e->name));
    if (c->count == 1)
        return say_topic(c, NULL);
    for (size_t i = 1; i < c->count; i++) {
        e = find(table, c->words[i]);
        if (e)
            entry_delete(e);
        say_topic(c, c->words[i]);
    }
    return NULL;
}

/* The bytes that listeners get: made once, and shared by all of them. Without
 * memory there are none, and the client that tells them ends. */
static struct asynchat_block *block_of(struct client *c, const char *head,
                                       struct word **words, size_t count)
{
    size_t len = strlen(head), room = len;
    for (size_t i = 0; i < count; i++)
        room += NUMBER_MOST + words[i]->len + 2;
    char *bytes = allocate(NULL, room), *to = bytes + len, text[NUMBER_MOST];
    memcpy(bytes, head, len);
    for (size_t i = 0; i < count; i++) {
        char *at = print_number(text, '$', (long long)words[i]->len);
        to = append_bytes(to, at, (size_t)(text + sizeof text - at));
        to = append_bytes(to, words[i]->bytes, words[i]->len);
        to = append_bytes(to, "\r\n", 2);
    }
    struct asynchat_block *block =
        asynchat_block_new(bytes, (size_t)(to - bytes));
    free(bytes);
    if (!block)
        asynchat_close(c->ch);
    return block;
}

/* Tells those that match a pattern; returns how many times. */
static int tell_by_pattern(struct client *c, struct client *l)
{
    int count = 0;
    struct word **words = c->words;
    for (struct entry *e = l->topics[PATTERNS]; e; e = e->hh.next) {
        if (!matches(e->name, words[1]->bytes, words[1]->len))
            continue;
        struct asynchat_block *block =
            block_of(c, "*4\r\n$8\r\npmessage\r\n",
                     (struct word *[]){e->name, words[1], words[2]}, 3);
        count += asynchat_push_shared(l->ch, block) != ASYNCHAT_ECLOSED;
        asynchat_block_free(block);
    }
    return count;
}

/* A push runs no callback, so the list stays as it is. A client that has said
 * QUIT refuses it. */
const char *run_publish(struct client *c)
{
    long long count = 0;
    struct asynchat_block *block = NULL;
    for (struct client *l = listeners; l; l = l->next) {
        if (find(&l->topics[TOPICS], c->words[1])) {
            if (!block)
                block = block_of(c, "*3\r\n$7\r\nmessage\r\n", c->words + 1, 2);
            count += asynchat_push_shared(l->ch, block) != ASYNCHAT_ECLOSED;
        }
        count += tell_by_pattern(c, l);
    }
    asynchat_block_free(block);
    return say_number(c, ':', count);
}
