/* Commands about keys and values.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "kv.h"

const char *run_ping(struct client *c)
{
    if (c->count > 2)
        return WRONG_COUNT;
    if (c->listens > 0)
        say(c, "*2\r\n$4\r\npong\r\n");
    if (c->count == 2)
        return say_word(c, c->words[1]);
    return c->listens > 0 ? say(c, "$0\r\n\r\n") : say(c, "+PONG\r\n");
}

/* Gives the time that lies the number `w` of units from now. Returns an error if
 * the number is less than `least`. */
static const char *read_time(const struct word *w, int unit, long long least,
                             long long *at)
{
    long long n, from = now();
    if (!is_number(w, &n))
        return NO_NUMBER;
    if (n < least || n > (LLONG_MAX - from) / unit)
        return "ERR invalid expire time in '%s' command";
    *at = n * unit + from;
    return NULL;
}

const char *run_set(struct client *c)
{
    size_t time = 0; /* the place of EX or PX */
    int exists = -1; /* 0: must not exist, 1: must exist */
    long long at = 0;
    for (size_t i = 3; i < c->count; i++) {
        const struct word *option = c->words[i];
        if (is(option, "nx") && exists != 1)
            exists = 0;
        else if (is(option, "xx") && exists != 0)
            exists = 1;
        else if ((is(option, "ex") || is(option, "px")) && i + 1 < c->count &&
                 (time == 0 || is(option, c->words[time]->bytes)))
            time = i++;
        else
            return SYNTAX;
    }
    int unit = time > 0 && is(c->words[time], "ex") ? 1000 : 1;
    const char *error =
        time > 0 ? read_time(c->words[time + 1], unit, 1, &at) : NULL;
    if (error)
        return error;
    if (exists >= 0 && (find(&keys, c->words[1]) != NULL) != exists)
        return say_word(c, NULL);
    store(c->words[1], c->words[2], at);
    return say(c, "+OK\r\n");
}

/* GET; MGET, whose n is 1. */
const char *run_get(struct client *c)
{
    if (c->command->n)
        say_number(c, '*', (long long)c->count - 1);
    for (size_t i = 1; i < c->count; i++)
        say_word(c, value_of(c->words[i]));
    return NULL;
}

/* MSET; GETSET, whose n is 1. */
const char *run_mset(struct client *c)
{
    if (c->count % 2 == 0)
        return WRONG_COUNT;
    if (c->command->n)
        say_word(c, value_of(c->words[1]));
    for (size_t i = 1; i < c->count; i += 2)
        store(c->words[i], c->words[i + 1], 0);
    return c->command->n ? NULL : say(c, "+OK\r\n");
}

const char *run_strlen(struct client *c)
{
    const struct word *w = value_of(c->words[1]);
    return say_number(c, ':', w ? (long long)w->len : 0);
}

/* A value that grows doubles its room. A client to whom the value is being sent
 * gets the old length. */
const char *run_append(struct client *c)
{
    struct entry *e = entry_of(&keys, c->words[1]);
    struct word *old = e->value, *more = c->words[2];
    size_t begin = old ? old->len : 0, len = begin + more->len;
    if (len > WORD_MOST)
        return "ERR string exceeds maximum allowed size (proto-max-bulk-len)";
    if (!old || len > old->room) {
        e->value =
            word_new(old ? old->bytes : "", begin, old ? len + more->len : len);
        word_release(old);
    }
    memcpy(e->value->bytes + begin, more->bytes, more->len + 1);
    e->value->len = len;
    return say_number(c, ':', (long long)len);
}

/* INCR, DECR: by n. INCRBY: by a word. */
const char *run_incr(struct client *c)
{
    long long n = 0, by = c->command->n;
    if (by == 0 && !is_number(c->words[2], &by))
        return NO_NUMBER;
    struct entry *e = entry_of(&keys, c->words[1]);
    if (e->value && !is_number(e->value, &n))
        return NO_NUMBER;
    if (by > 0 ? n > LLONG_MAX - by : n < LLONG_MIN - by)
        return "ERR increment or decrement would overflow";
    char text[NUMBER_MOST], *at = print_number(text, ':', n + by);
    size_t len = (size_t)(text + sizeof text - at);
    word_release(e->value);
    e->value = word_new(at + 1, len - 3, 0);
    return say_bytes(c, at, len);
}

/* EXISTS; DEL, whose n is 1. */
const char *run_exists(struct client *c)
{
    long long count = 0;
    for (size_t i = 1; i < c->count; i++) {
        struct entry *e = find(&keys, c->words[i]);
        count += e != NULL;
        if (e && c->command->n)
            entry_delete(e);
    }
    return say_number(c, ':', count);
}

/* EXPIRE, PEXPIRE: n is the unit, in milliseconds. PERSIST, whose n is 0. */
const char *run_expire(struct client *c)
{
    int unit = c->command->n;
    long long at = 0;
    if (c->count > 3)
        return say_error(c, "ERR Unsupported option %.256s",
                         c->words[3]->bytes);
    const char *error =
        unit ? read_time(c->words[2], unit, LLONG_MIN / unit, &at) : NULL;
    if (error)
        return error;
    struct entry *e = find(&keys, c->words[1]);
    say_number(c, ':', e && (unit > 0 || e->expires));
    if (e && unit > 0 && at <= now())
        entry_delete(e);
    else if (e)
        expire(e, at);
    return NULL;
}

/* TTL, PTTL: n is the unit. */
const char *run_ttl(struct client *c)
{
    const struct entry *e = find(&keys, c->words[1]);
    int unit = c->command->n;
    if (!e || !e->expires)
        return say_number(c, ':', e ? -1 : -2);
    long long left = e->expires - now();
    return say_number(c, ':', left > 0 ? (left + unit / 2) / unit : 0);
}

/* Adds keys to the words of a client until `most` keys were seen, or all keys.
 * Returns the next cursor, which is 0 after all keys. A bucket counts as a tenth
 * of a key. When uthash doubles its buckets, the keys of a bucket that was not
 * seen yet go to two buckets that were not seen yet. */
static unsigned add_keys(struct client *c, const struct word *pattern,
                         unsigned cursor, long long most)
{
    const UT_hash_table *table = keys ? keys->hh.tbl : NULL;
    unsigned buckets = table ? table->num_buckets : 1;
    bool all = !pattern || is(pattern, "*");
    long long tenths = 0, time = now();
    cursor %= buckets;
    do {
        UT_hash_handle *at = table ? table->buckets[cursor].hh_head : NULL;
        for (; at; at = at->hh_next, tenths += 10) {
            const struct entry *e = ELMT_FROM_HH(table, at);
            if ((!e->expires || e->expires > time) &&
                (all || matches(pattern, e->name->bytes, e->name->len)))
                add_word(c, word_share(e->name));
        }
        cursor = (cursor + 1) % buckets;
    } while (cursor != 0 && ++tenths / 10 < most);
    return cursor;
}

/* SCAN; KEYS, whose n is 1. */
const char *run_scan(struct client *c)
{
    bool scans = !c->command->n;
    const struct word *pattern = scans ? NULL : c->words[1];
    long long first = 0, most = scans ? 10 : LLONG_MAX;
    size_t asked = c->count;
    if (scans && !is_number(c->words[1], &first))
        return "ERR invalid cursor";
    for (size_t i = 2; i < asked; i += 2) {
        if (i + 1 < asked && is(c->words[i], "match"))
            pattern = c->words[i + 1];
        else if (i + 1 == asked || !is(c->words[i], "count"))
            return SYNTAX;
        else if (!is_number(c->words[i + 1], &most))
            return NO_NUMBER;
        else if (most < 1)
            return SYNTAX;
    }
    unsigned cursor = add_keys(c, pattern, (unsigned)first, most);
    if (scans)
        asynchat_push_printf(c->ch, "*2\r\n$%d\r\n%u\r\n",
                             snprintf(NULL, 0, "%u", cursor), cursor);
    return say_words_from(c, asked);
}

/* DBSIZE; CLIENT ID, whose n is 1. */
const char *run_dbsize(struct client *c)
{
    return say_number(c, ':', c->command->n ? c->id : HASH_COUNT(keys));
}

const char *run_flushall(struct client *c)
{
    if (c->count > 2 || (c->count == 2 && !is(c->words[1], "sync") &&
                         !is(c->words[1], "async")))
        return SYNTAX;
    delete_all(&keys);
    return say(c, "+OK\r\n");
}
