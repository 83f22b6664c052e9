/* The commands about topics, the server and the connection.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "run.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <asynchat.h>

#include "keys.h"
#include "text.h"
#include "topics.h"

#define VERSION "7.0.15" /* of Redis, whose answers these are */

unsigned long long memory_limit;

/* --- topics --- */

static void say_subscription(struct client *c, const struct command *command,
                             struct word *name)
{
    say(c, "*3\r\n");
    say_bulk(c, command->name);
    say_word(c, name);
    say_number(c, ':', c->subscribed);
}

/* SUBSCRIBE, PSUBSCRIBE: n is whether there are patterns. */
void run_subscribe(struct client *c, const struct command *command)
{
    for (size_t i = 1; i < c->count && !c->quits; i++) {
        struct word *name = c->words[i];
        struct topic *t = topic_find(name, command->n);
        if (!t)
            t = topic_add(name, command->n);
        bool good = t && (subscription_find(c, t) || subscription_add(c, t));
        if (t)
            topic_tidy(t);
        check(c, good ? 0 : -ENOMEM);
        say_subscription(c, command, name);
    }
}

static void unsubscribe_all(struct client *c, const struct command *command)
{
    struct subscription *s, *next;
    bool any = false;
    DL_FOREACH_SAFE2(c->subscriptions, s, next, after)
    {
        struct word *name = s->key.topic->name;
        if (s->key.topic->is_pattern != command->n)
            continue;
        any = true;
        word_share(name);
        subscription_end(s);
        say_subscription(c, command, name);
        word_release(name);
    }
    if (!any)
        say_subscription(c, command, NULL);
}

void run_unsubscribe(struct client *c, const struct command *command)
{
    if (c->count == 1)
        unsubscribe_all(c, command);
    for (size_t i = 1; i < c->count; i++) {
        struct topic *t = topic_find(c->words[i], command->n);
        struct subscription *s = t ? subscription_find(c, t) : NULL;
        if (s)
            subscription_end(s);
        say_subscription(c, command, c->words[i]);
    }
}

/* To all that listen to a topic; how many they are. A push runs no callback, so
 * the list stays as it is. */
static long long publish(struct topic *t, struct word *name, struct word *text)
{
    struct subscription *s;
    long long count = 0;
    DL_FOREACH(t->first, s)
    {
        struct client *c = s->key.client;
        say(c, t->is_pattern ? "*4\r\n$8\r\npmessage\r\n"
                             : "*3\r\n$7\r\nmessage\r\n");
        if (t->is_pattern)
            say_word(c, t->name);
        say_word(c, name);
        say_word(c, text);
        count++;
    }
    return count;
}

void run_publish(struct client *c, const struct command *command)
{
    struct word *name = c->words[1], *text = c->words[2];
    struct topic *t = topic_find(name, false), *next;
    long long count = t ? publish(t, name, text) : 0;
    (void)command;
    HASH_ITER(hh, topics[true], t, next)
    {
        if (word_matches(name, t->name))
            count += publish(t, name, text);
    }
    say_number(c, ':', count);
}

/* --- the server and the connection --- */

/* Those that clients ask for; nothing can be changed. */
void run_config_get(struct client *c, const struct command *command)
{
    char limit[NUMBER_MOST];
    const char *const all[] = {"appendonly", "no",        "save",
                               "",           "maxmemory", limit};
    bool asked[6] = {false};
    int count = 0;
    (void)command;
    limit[print_number(limit, (long long)memory_limit)] = '\0';
    for (size_t k = 0; k < 6; k += 2) {
        for (size_t i = 2; i < c->count; i++)
            asked[k] = asked[k] || matches(c->words[i]->bytes, c->words[i]->len,
                                           all[k], strlen(all[k]));
        count += 2 * asked[k];
    }
    say_number(c, '*', count);
    for (size_t k = 0; k < 6; k += 2) {
        if (!asked[k])
            continue;
        say_bulk(c, all[k]);
        say_bulk(c, all[k + 1]);
    }
}

void run_info(struct client *c, const struct command *command)
{
    char text[512], keys[128] = "";
    (void)command;
    if (entries)
        snprintf(keys, sizeof keys, "db0:keys=%u,expires=%lld\r\n",
                 HASH_COUNT(entries), expiring);
    snprintf(text, sizeof text,
             "# Server\r\nredis_version:%s\r\nredis_mode:standalone\r\n"
             "asynchat_version:%s\r\n\r\n# Clients\r\n"
             "connected_clients:%lld\r\n\r\n# Memory\r\nused_memory:%llu\r\n"
             "maxmemory:%llu\r\n\r\n# Keyspace\r\n%s",
             VERSION, asynchat_version(), clients, memory_used, memory_limit,
             keys);
    say_bulk(c, text);
}

void run_client_id(struct client *c, const struct command *command)
{
    (void)command;
    say_number(c, ':', c->id);
}

void run_client_getname(struct client *c, const struct command *command)
{
    (void)command;
    say_word(c, c->name);
}

void run_client_setname(struct client *c, const struct command *command)
{
    struct word *name = c->words[2];
    (void)command;
    for (size_t i = 0; i < name->len; i++) {
        if (name->bytes[i] > ' ' && name->bytes[i] <= '~')
            continue;
        say_error(c, "ERR Client names cannot contain spaces, newlines or "
                     "special characters.");
        return;
    }
    word_release(c->name);
    c->name = name->len > 0 ? word_share(name) : NULL;
    say(c, "+OK\r\n");
}

void run_select(struct client *c, const struct command *command)
{
    long long n;
    (void)command;
    if (!read_number(c, c->words[1], &n))
        return;
    if (n == 0)
        say(c, "+OK\r\n");
    else
        say_error(c, "ERR DB index is out of range");
}

void run_quit(struct client *c, const struct command *command)
{
    (void)command;
    say(c, "+OK\r\n");
    client_goodbye(c);
}

/* A browser that was told to talk to us begins with one of these. */
void run_foreign(struct client *c, const struct command *command)
{
    (void)command;
    client_close(c);
}

void run_hello(struct client *c, const struct command *command)
{
    const struct word *version = c->count > 1 ? c->words[1] : NULL;
    long long n = 2;
    (void)command;
    if (version && !parse_number(version->bytes, version->len, &n)) {
        say_error(c, "ERR Protocol version is not an integer or out of range");
    } else if (n != 2) {
        say_error(c, "NOPROTO unsupported protocol version");
    } else if (c->count > 2) {
        say_error(c, "ERR Syntax error in HELLO option '%.*s'",
                  at_most(c->words[2]->len, 256), c->words[2]->bytes);
    } else {
        say(c, "*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n");
        say_bulk(c, VERSION);
        say(c, "$5\r\nproto\r\n:2\r\n$2\r\nid\r\n");
        say_number(c, ':', c->id);
        say(c, "$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n"
               "$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n");
    }
}
