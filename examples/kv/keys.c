/* Commands about keys and values. SPDX-License-Identifier: BSD-3-Clause */
#include "kv.h"

#define EXPIRE_TIME "ERR invalid expire time in '%s' command"

/* The next key of a command with a piece of work for each. */
static const struct word *next(struct client *c)
{
    return &c->args[c->at++];
}

const char *run_ping(struct client *c)
{
    bool pushes = c->resp == 2 && listens(c);
    if (c->argc > 2)
        return WRONG_COUNT;
    if (pushes)
        say(c, "*2\r\n$4\r\npong\r\n");
    if (c->argc == 2)
        return say_word(c, &c->args[1]);
    return pushes ? say(c, "$0\r\n\r\n") : say(c, "+PONG\r\n");
}

static const char *say_value(struct client *c, const struct entry *e)
{
    return e ? say_word(c, &(struct word){e->value, e->value_len})
             : say_null(c);
}

/* Gives the time that lies the number `w` of units from `from`. Returns an error
 * if the number is less than `least`. */
static const char *read_time(const struct word *w, int unit, long long least,
                             long long from, long long *at)
{
    long long n;
    if (!is_number(w, &n))
        return NO_NUMBER;
    if (n < least || n > (LLONG_MAX - from) / unit)
        return EXPIRE_TIME;
    *at = n * unit + from;
    return NULL;
}

/* Gives the options of SET, and the time. The first four have options that may
 * not be there before. */
static const char *read_set(struct client *c, int *flags, long long *at)
{
    static const int before[] = {XX, NX, 0, TIMES};
    const struct word *time = *flags & TIMES ? &c->args[2] : NULL;
    for (size_t i = 3; i < c->argc && c->command->n == 0; i++) {
        int n = which(&c->args[i], "nx xx get keepttl ex px exat pxat");
        int excluded =
            n < 4 ? before[MAX(n, 0)] : (KEEPTTL | TIMES) & ~(1 << n);
        if (n < 0 || *flags & excluded || (n >= 4 && i + 1 == c->argc))
            return SYNTAX;
        *flags |= 1 << n;
        time = n >= 4 ? &c->args[++i] : time;
    }
    return time ? read_time(time, *flags & (EX | EXAT) ? 1000 : 1, 1,
                            *flags & (EX | PX) ? now() : 0, at)
                : NULL;
}

/* SET; SETEX, PSETEX, SETNX and GETSET, whose n is the option. */
const char *run_set(struct client *c)
{
    int flags = c->command->n;
    bool numbers = flags == NX;
    long long at = 0;
    const char *error = read_set(c, &flags, &at);
    if (error)
        return error;
    struct entry *e = find(&c->args[1]);
    if (flags & GET)
        say_value(c, e);
    bool done = !(flags & (e ? NX : XX));
    if (done)
        store(e, &c->args[1], &c->args[c->command->n & TIMES ? 3 : 2],
              flags & KEEPTTL && e ? e->expires : at);
    if (numbers)
        return say_number(c, ':', done);
    return flags & GET ? NULL : done ? say_ok(c) : say_null(c);
}

/* GET; MGET, whose n is 1. */
const char *run_get(struct client *c)
{
    if (c->at == 1 && c->command->n)
        say_number(c, '*', (long long)c->argc - 1);
    say_value(c, find(next(c)));
    return c->at < c->argc ? again : NULL;
}

const char *run_mset(struct client *c)
{
    if (c->argc % 2 == 0)
        return WRONG_COUNT;
    const struct word *key = next(c), *value = next(c);
    store(find(key), key, value, 0);
    return c->at < c->argc ? again : say_ok(c);
}

/* STRLEN; TYPE, whose n is 1. */
const char *run_strlen(struct client *c)
{
    const struct entry *e = find(&c->args[1]);
    if (c->command->n)
        return e ? say(c, "+string\r\n") : say(c, "+none\r\n");
    return say_number(c, ':', e ? e->value_len : 0);
}

const char *run_append(struct client *c)
{
    const struct word *key = &c->args[1], *more = &c->args[2];
    struct entry *e = find(key);
    size_t len = (e ? e->value_len : 0) + more->len;
    if (len > WORD_MOST)
        return "ERR string exceeds maximum allowed size (proto-max-bulk-len)";
    if (e)
        entry_append(e, key, more);
    else
        store(NULL, key, more, 0);
    return say_number(c, ':', (long long)len);
}

/* INCR, DECR: by n. INCRBY, DECRBY: by a word, n times. */
const char *run_incr(struct client *c)
{
    long long n = 0, by = c->command->n;
    if (c->argc == 3 && !is_number(&c->args[2], &by))
        return NO_NUMBER;
    if (c->argc == 3 && c->command->n < 0) {
        if (by == LLONG_MIN)
            return "ERR decrement would overflow";
        by = -by;
    }
    struct entry *e = find(&c->args[1]);
    if (e && !is_number(&(struct word){e->value, e->value_len}, &n))
        return NO_NUMBER;
    if (by > 0 ? n > LLONG_MAX - by : n < LLONG_MIN - by)
        return "ERR increment or decrement would overflow";
    char text[NUMBER_MOST], *at = print_number(text, ':', n + by);
    size_t len = (size_t)(text + sizeof text - at);
    store(e, &c->args[1], &(struct word){at + 1, len - 3}, e ? e->expires : 0);
    return say_bytes(c, at, len);
}

/* EXISTS; DEL, whose n is 1. */
const char *run_exists(struct client *c)
{
    struct entry *e = find(next(c));
    c->total += e != NULL;
    if (e && c->command->n)
        entry_delete(e);
    return c->at < c->argc ? again : say_number(c, ':', (long long)c->total);
}

static const char *read_expire(struct client *c, int *flags)
{
    for (size_t i = 3; i < c->argc; i++) {
        int n = which(&c->args[i], "nx xx gt lt");
        if (n < 0)
            return say_error(c, "ERR Unsupported option %s", c->args[i].bytes);
        *flags |= 1 << n;
    }
    if (*flags & NX && *flags & (XX | GT | LT))
        return "ERR NX and XX, GT or LT options at the same time are not "
               "compatible";
    if (*flags & GT && *flags & LT)
        return "ERR GT and LT options at the same time are not compatible";
    return NULL;
}

/* EXPIRE, PEXPIRE: n is the unit, in milliseconds. PERSIST, whose n is 0. */
const char *run_expire(struct client *c)
{
    int unit = c->command->n, flags = 0;
    long long at = 0;
    const char *error = read_expire(c, &flags);
    if (!error && unit)
        error = read_time(&c->args[2], unit, LLONG_MIN / unit, now(), &at);
    if (error)
        return error;
    struct entry *e = find(&c->args[1]);
    long long old = e ? e->expires : 0;
    if (!e || flags & (old ? NX : XX | GT) || (flags & GT && at <= old) ||
        (flags & LT && old && at >= old) || (!unit && !old))
        return say(c, ":0\r\n");
    if (unit && at <= now())
        entry_delete(e);
    else
        entry_expire(e, at);
    return say(c, ":1\r\n");
}

/* TTL, PTTL: n is the unit. */
const char *run_ttl(struct client *c)
{
    const struct entry *e = find(&c->args[1]);
    int unit = c->command->n;
    if (!e || !e->expires)
        return say_number(c, ':', e ? -1 : -2);
    long long left = e->expires - now();
    return say_number(c, ':', left > 0 ? (left + unit / 2) / unit : 0);
}

/* --- KEYS and SCAN: a cursor is a part of the table --- */

static const char *say_names(struct client *c)
{
    say_number(c, '*', (long long)c->total);
    return say_found(c);
}

const char *run_keys(struct client *c)
{
    table_part(c, (unsigned)c->at - 1, &c->args[1]);
    return c->at++ < PARTS ? again : say_names(c);
}

/* Gives parts as a whole: these may be more names than COUNT asks for. All keys
 * are strings. */
const char *run_scan(struct client *c)
{
    static const struct word all = {"*", 1}, none = {"[]", 2};
    const struct word *pattern = &all;
    bool strings = true;
    long long cursor = 0, most = 10;
    if (!is_number(&c->args[1], &cursor))
        return "ERR invalid cursor";
    for (size_t i = 2; i < c->argc; i += 2) {
        const struct word *value = &c->args[i + 1];
        int n = which(&c->args[i], "match type count");
        if (n < 0 || i + 1 == c->argc)
            return SYNTAX;
        pattern = n == 0 ? value : pattern;
        strings = n == 1 ? is(value, "string") : strings;
        if (n == 2 && !is_number(value, &most))
            return NO_NUMBER;
        if (most < 1)
            return SYNTAX;
    }
    unsigned part = (unsigned)cursor % PARTS;
    do
        table_part(c, part, strings ? pattern : &none);
    while (++part < PARTS && c->spent < STEP && (long long)c->spent < most);
    char text[NUMBER_MOST];
    snprintf(text, sizeof text, "%u", part % PARTS);
    say(c, "*2\r\n");
    say_text(c, text);
    return say_names(c);
}

/* DBSIZE; CLIENT ID, whose n is 1. */
const char *run_dbsize(struct client *c)
{
    return say_number(c, ':', c->command->n ? c->id : (long long)key_count);
}

const char *run_flushall(struct client *c)
{
    if (c->argc > 2 || (c->argc == 2 && which(&c->args[1], "sync async") < 0))
        return SYNTAX;
    touch_all();
    table_flush();
    return say_ok(c);
}
