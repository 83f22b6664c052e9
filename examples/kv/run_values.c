/* The commands about values and keys.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "run.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "keys.h"
#include "text.h"

#define VALUE_MOST (512LL << 20) /* as in Redis */

/* --- values --- */

void run_ping(struct client *c, const struct command *command)
{
    if (c->count > 2) {
        say_wrong_count(c, command);
    } else if (c->subscribed > 0) {
        say(c, "*2\r\n$4\r\npong\r\n");
        if (c->count > 1)
            say_word(c, c->words[1]);
        else
            say(c, "$0\r\n\r\n");
    } else if (c->count > 1) {
        say_word(c, c->words[1]);
    } else {
        say(c, "+PONG\r\n");
    }
}

void run_echo(struct client *c, const struct command *command)
{
    (void)command;
    say_word(c, c->words[1]);
}

/* When that is, of so many units from now; past times are allowed where a key
 * may go at once. */
static bool read_expiry(struct client *c, const struct command *command,
                        const struct word *w, long long unit, bool past,
                        long long *at)
{
    long long n, from = now();
    if (!read_number(c, w, &n))
        return false;
    if ((n > 0 || past) && n <= (LLONG_MAX - from) / unit &&
        n >= LLONG_MIN / unit) {
        *at = n * unit + from;
        return true;
    }
    say_error(c, "ERR invalid expire time in '%s' command", command->name);
    return false;
}

struct set_options {
    bool nx, xx;
    const struct word *expiry;
    long long unit;
};

/* Whether that is what a word begins, and not in another unit than before. */
static bool set_expiry(const struct word *w, struct set_options *o)
{
    long long unit = word_is(w, "ex") ? 1000 : word_is(w, "px") ? 1 : 0;
    bool good = unit > 0 && (!o->expiry || unit == o->unit);
    if (good)
        o->unit = unit;
    return good;
}

/* False: there is one that is unknown, or does not go with another. */
static bool set_options(const struct client *c, struct set_options *o)
{
    for (size_t i = 3; i < c->count; i++) {
        const struct word *w = c->words[i];
        if (word_is(w, "nx")) {
            o->nx = true;
        } else if (word_is(w, "xx")) {
            o->xx = true;
        } else if (i + 1 < c->count && set_expiry(w, o)) {
            o->expiry = c->words[++i];
        } else {
            return false;
        }
    }
    return !(o->nx && o->xx);
}

void run_set(struct client *c, const struct command *command)
{
    struct set_options o = {.nx = false};
    long long expires = 0;
    if (c->count > 3 && !set_options(c, &o)) {
        say_error(c, "ERR syntax error");
        return;
    }
    if (o.expiry && !read_expiry(c, command, o.expiry, o.unit, false, &expires))
        return;
    struct entry *e = entry_find(c->words[1]);
    if (e ? o.nx : o.xx) {
        say_word(c, NULL);
        return;
    }
    e = store(c, e, c->words[1], c->words[2]);
    if (e)
        entry_persist(e);
    if (e && expires)
        entry_expire(c, e, expires);
    say(c, "+OK\r\n");
}

void run_get(struct client *c, const struct command *command)
{
    (void)command;
    say_word(c, find_value(c->words[1]));
}

void run_getset(struct client *c, const struct command *command)
{
    struct entry *e = entry_find(c->words[1]);
    (void)command;
    say_word(c, e ? e->value : NULL);
    e = store(c, e, c->words[1], c->words[2]);
    if (e)
        entry_persist(e);
}

void run_strlen(struct client *c, const struct command *command)
{
    const struct word *w = find_value(c->words[1]);
    (void)command;
    say_number(c, ':', w ? (long long)w->len : 0);
}

void run_mget(struct client *c, const struct command *command)
{
    (void)command;
    say_number(c, '*', (long long)c->count - 1);
    for (size_t i = 1; i < c->count; i++)
        say_word(c, find_value(c->words[i]));
}

void run_mset(struct client *c, const struct command *command)
{
    if (c->count % 2 == 0) {
        say_wrong_count(c, command);
        return;
    }
    for (size_t i = 1; i < c->count; i += 2) {
        struct entry *e = entry_find(c->words[i]);
        e = store(c, e, c->words[i], c->words[i + 1]);
        if (e)
            entry_persist(e);
    }
    say(c, "+OK\r\n");
}

/* What grows doubles its room. One who is being sent it has the length that it
 * had. */
static void append(struct client *c, struct entry *e, const struct word *more)
{
    size_t len = e->value->len + more->len;
    if (len > e->value->room) {
        struct word *w = word_new(e->value->bytes, e->value->len, len * 2);
        if (!check(c, w ? 0 : -ENOMEM))
            return;
        store(c, e, e->key, w);
        word_release(w);
    }
    memcpy(e->value->bytes + e->value->len, more->bytes, more->len);
    e->value->len = len;
}

void run_append(struct client *c, const struct command *command)
{
    struct entry *e = entry_find(c->words[1]);
    struct word *more = c->words[2];
    (void)command;
    if (e && (long long)(e->value->len + more->len) > VALUE_MOST) {
        say_error(c, "ERR string exceeds maximum allowed size "
                     "(proto-max-bulk-len)");
        return;
    }
    if (e)
        append(c, e, more);
    else
        e = store(c, NULL, c->words[1], more);
    if (e)
        say_number(c, ':', (long long)e->value->len);
}

/* INCR, DECR: by n. INCRBY: by a word. */
void run_incr(struct client *c, const struct command *command)
{
    struct entry *e = entry_find(c->words[1]);
    long long n = 0, by = command->n;
    char text[NUMBER_MOST];
    if ((e && !read_number(c, e->value, &n)) ||
        (by == 0 && !read_number(c, c->words[2], &by)))
        return;
    if (by > 0 ? n > LLONG_MAX - by : n < LLONG_MIN - by) {
        say_error(c, "ERR increment or decrement would overflow");
        return;
    }
    size_t len = print_number(text, n + by);
    struct word *w = word_new(text, len, len);
    if (check(c, w ? 0 : -ENOMEM))
        store(c, e, c->words[1], w);
    word_release(w);
    say_number(c, ':', n + by);
}

/* --- keys --- */

void run_del(struct client *c, const struct command *command)
{
    long long count = 0;
    (void)command;
    for (size_t i = 1; i < c->count; i++) {
        struct entry *e = entry_find(c->words[i]);
        if (e)
            entry_delete(e);
        count += e != NULL;
    }
    say_number(c, ':', count);
}

void run_exists(struct client *c, const struct command *command)
{
    long long count = 0;
    (void)command;
    for (size_t i = 1; i < c->count; i++)
        count += entry_find(c->words[i]) != NULL;
    say_number(c, ':', count);
}

/* EXPIRE, PEXPIRE: n is the unit, in milliseconds. */
void run_expire(struct client *c, const struct command *command)
{
    long long at;
    if (c->count > 3) {
        say_error(c, "ERR Unsupported option %.*s",
                  at_most(c->words[3]->len, 256), c->words[3]->bytes);
        return;
    }
    if (!read_expiry(c, command, c->words[2], command->n, true, &at))
        return;
    struct entry *e = entry_find(c->words[1]);
    say_number(c, ':', e != NULL);
    if (e && at <= now())
        entry_delete(e);
    else if (e)
        entry_expire(c, e, at);
}

/* TTL, PTTL: n is the unit. */
void run_ttl(struct client *c, const struct command *command)
{
    const struct entry *e = entry_find(c->words[1]);
    long long left = e ? -1 : -2;
    if (e && e->expires)
        left = (e->expires - now() + command->n / 2) / command->n;
    say_number(c, ':', left);
}

void run_persist(struct client *c, const struct command *command)
{
    struct entry *e = entry_find(c->words[1]);
    (void)command;
    say_number(c, ':', e && e->timer);
    if (e)
        entry_persist(e);
}

static void say_found(struct client *c, const struct scan *s)
{
    say_number(c, '*', (long long)s->count);
    for (size_t i = 0; i < s->count; i++)
        say_word(c, s->found[i]->key);
}

void run_keys(struct client *c, const struct command *command)
{
    struct scan s = {.pattern = c->words[1], .most = LLONG_MAX};
    (void)command;
    check(c, scan(&s) ? 0 : -ENOMEM);
    say_found(c, &s);
    free(s.found);
}

/* False: it is none, which was said. */
static bool scan_option(struct client *c, size_t i, struct scan *s)
{
    const struct word *value = i + 1 < c->count ? c->words[i + 1] : NULL;
    if (value && word_is(c->words[i], "match")) {
        s->pattern = value;
        return true;
    }
    if (value && word_is(c->words[i], "count")) {
        if (!read_number(c, value, &s->most))
            return false;
        if (s->most > 0)
            return true;
    }
    say_error(c, "ERR syntax error");
    return false;
}

void run_scan(struct client *c, const struct command *command)
{
    const struct word *w = c->words[1];
    struct scan s = {.most = 10};
    long long cursor;
    char text[NUMBER_MOST];
    (void)command;
    if (!parse_number(w->bytes, w->len, &cursor)) {
        say_error(c, "ERR invalid cursor");
        return;
    }
    for (size_t i = 2; i < c->count; i += 2)
        if (!scan_option(c, i, &s))
            return;
    s.cursor = (unsigned)cursor;
    check(c, scan(&s) ? 0 : -ENOMEM);
    say(c, "*2\r\n");
    text[print_number(text, s.cursor)] = '\0';
    say_bulk(c, text);
    say_found(c, &s);
    free(s.found);
}

void run_dbsize(struct client *c, const struct command *command)
{
    (void)command;
    say_number(c, ':', HASH_COUNT(entries));
}

void run_flushall(struct client *c, const struct command *command)
{
    (void)command;
    if (c->count > 2 || (c->count == 2 && !word_is(c->words[1], "sync") &&
                         !word_is(c->words[1], "async"))) {
        say_error(c, "ERR syntax error");
        return;
    }
    flush_entries();
    say(c, "+OK\r\n");
}
