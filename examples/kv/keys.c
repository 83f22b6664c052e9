/* Commands about keys and values. SPDX-License-Identifier: BSD-3-Clause */
#include "kv.h"

const char *run_ping(struct client *c)
{
    bool listens =
        c->resp == 2 && c->listening[TOPICS] + c->listening[PATTERNS] > 0;
    if (c->argc > 2)
        return WRONG_COUNT;
    if (listens)
        say(c, "*2\r\n$4\r\npong\r\n");
    if (c->argc == 2)
        return say_word(c, &c->args[1]);
    return listens ? say(c, "$0\r\n\r\n") : say(c, "+PONG\r\n");
}

static const char *say_value(struct client *c, const struct entry *e)
{
    if (!e)
        return say_null(c);
    struct word value = entry_value(e);
    return say_word(c, &value);
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

struct set_options {
    int exists; /* 0: must not exist, 1: must exist, -1: may */
    bool get, keeps;
    const char *time; /* EX, PX, EXAT or PXAT; or NULL */
    const struct word *value;
};

/* Reads one option; returns how many words it has, or 0 if it is none. */
static size_t read_set_option(struct set_options *o, const struct word *w,
                              size_t left)
{
    static const char *times[] = {"ex", "px", "exat", "pxat"};
    if (is(w, "nx") && o->exists != 1)
        return o->exists = 0, 1;
    if (is(w, "xx") && o->exists != 0)
        return o->exists = 1, 1;
    if (is(w, "get"))
        return o->get = true, 1;
    if (is(w, "keepttl") && !o->time)
        return o->keeps = true, 1;
    for (size_t i = 0; i < 4 && left > 1 && !o->keeps; i++)
        if (is(w, times[i]) && (!o->time || o->time == times[i]))
            return o->time = times[i], o->value = w + 1, 2;
    return 0;
}

static const char *read_set_options(struct client *c, struct set_options *o,
                                    long long *at)
{
    size_t n;
    for (size_t i = 3; i < c->argc; i += n)
        if ((n = read_set_option(o, &c->args[i], c->argc - i)) == 0)
            return SYNTAX;
    if (!o->time)
        return NULL;
    int unit = o->time[0] == 'e' ? 1000 : 1;
    return read_time(o->value, unit, 1, o->time[2] ? 0 : now(), at);
}

const char *run_set(struct client *c)
{
    struct set_options o = {.exists = -1};
    long long at = 0;
    const char *error = read_set_options(c, &o, &at);
    if (error)
        return error;
    struct entry *e = find(&c->args[1]);
    if (o.get)
        say_value(c, e);
    if (o.exists >= 0 && (e != NULL) != o.exists)
        return o.get ? NULL : say_null(c);
    store_at(e, &c->args[1], &c->args[2], o.keeps && e ? entry_expires(e) : at);
    return o.get ? NULL : say(c, "+OK\r\n");
}

/* SETEX, PSETEX: n is the unit. SETNX, whose n is 0. */
const char *run_setex(struct client *c)
{
    int unit = c->command->n;
    long long at = 0;
    const char *error =
        unit ? read_time(&c->args[2], unit, 1, now(), &at) : NULL;
    if (error)
        return error;
    if (!unit && find(&c->args[1]))
        return say(c, ":0\r\n");
    store(&c->args[1], &c->args[unit ? 3 : 2], at);
    return unit ? say(c, "+OK\r\n") : say(c, ":1\r\n");
}

/* GET; MGET, whose n is 1. */
const char *run_get(struct client *c)
{
    if (c->at == 0 && c->command->n)
        say_number(c, '*', (long long)c->argc - 1);
    for (; c->at < c->argc - 1; c->at++) {
        if (step_over(c))
            return again;
        say_value(c, find(&c->args[c->at + 1]));
    }
    return NULL;
}

/* MSET; GETSET, whose n is 1. */
const char *run_mset(struct client *c)
{
    if (c->argc % 2 == 0)
        return WRONG_COUNT;
    if (c->command->n)
        say_value(c, find(&c->args[1]));
    for (; c->at < c->argc - 1; c->at += 2) {
        if (step_over(c))
            return again;
        store(&c->args[c->at + 1], &c->args[c->at + 2], 0);
    }
    return c->command->n ? NULL : say(c, "+OK\r\n");
}

/* STRLEN; TYPE, whose n is 1. */
const char *run_strlen(struct client *c)
{
    const struct entry *e = find(&c->args[1]);
    if (c->command->n)
        return e ? say(c, "+string\r\n") : say(c, "+none\r\n");
    return say_number(c, ':', e ? (long long)entry_value(e).len : 0);
}

const char *run_append(struct client *c)
{
    const struct word *key = &c->args[1], *more = &c->args[2];
    struct entry *e = find(key);
    size_t len = (e ? entry_value(e).len : 0) + more->len;
    if (len > WORD_MOST)
        return "ERR string exceeds maximum allowed size (proto-max-bulk-len)";
    if (e)
        entry_append(e, key, more);
    else
        store(key, more, 0);
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
    struct word value = e ? entry_value(e) : (struct word){"0", 1, false};
    if (!is_number(&value, &n))
        return NO_NUMBER;
    if (by > 0 ? n > LLONG_MAX - by : n < LLONG_MIN - by)
        return "ERR increment or decrement would overflow";
    char text[NUMBER_MOST], *at = print_number(text, ':', n + by);
    size_t len = (size_t)(text + sizeof text - at);
    store_at(e, &c->args[1], &(struct word){at + 1, len - 3, false},
             e ? entry_expires(e) : 0);
    return say_bytes(c, at, len);
}

/* EXISTS; DEL, whose n is 1. */
const char *run_exists(struct client *c)
{
    for (; c->at < c->argc - 1; c->at++) {
        if (step_over(c))
            return again;
        struct entry *e = find(&c->args[c->at + 1]);
        c->total += e != NULL;
        if (e && c->command->n)
            entry_delete(e);
    }
    return say_number(c, ':', (long long)c->total);
}

enum { NX = 1, XX = 2, GT = 4, LT = 8 };

static const char *read_expire_options(struct client *c, int *flags)
{
    static const char *names[] = {"nx", "xx", "gt", "lt"};
    for (size_t i = 3; i < c->argc; i++) {
        int n = 0;
        while (n < 4 && !is(&c->args[i], names[n]))
            n++;
        if (n == 4) {
            say_error(c, "ERR Unsupported option %.256s", c->args[i].bytes);
            return "";
        }
        *flags |= 1 << n;
    }
    if (*flags & NX && *flags & (XX | GT | LT))
        return "ERR NX and XX, GT or LT options at the same time are not "
               "compatible";
    if (*flags & GT && *flags & LT)
        return "ERR GT and LT options at the same time are not compatible";
    return NULL;
}

static bool may_expire(const struct entry *e, int flags, long long at)
{
    long long old = entry_expires(e);
    return !(flags & NX && old) && !(flags & XX && !old) &&
           !(flags & GT && (!old || at <= old)) &&
           !(flags & LT && old && at >= old);
}

/* EXPIRE, PEXPIRE: n is the unit, in milliseconds. PERSIST, whose n is 0. */
const char *run_expire(struct client *c)
{
    int unit = c->command->n, flags = 0;
    long long at = 0;
    const char *error = read_expire_options(c, &flags);
    if (!error && unit)
        error = read_time(&c->args[2], unit, LLONG_MIN / unit, now(), &at);
    if (error)
        return *error ? error : NULL;
    struct entry *e = find(&c->args[1]);
    if (!e || (unit ? !may_expire(e, flags, at) : !entry_expires(e)))
        return say(c, ":0\r\n");
    if (unit && at <= now())
        entry_delete(e);
    else
        entry_expire(e, &c->args[1], at);
    return say(c, ":1\r\n");
}

/* TTL, PTTL: n is the unit. */
const char *run_ttl(struct client *c)
{
    const struct entry *e = find(&c->args[1]);
    int unit = c->command->n;
    if (!e || !entry_expires(e))
        return say_number(c, ':', e ? -1 : -2);
    long long left = entry_expires(e) - now();
    return say_number(c, ':', left > 0 ? (left + unit / 2) / unit : 0);
}

/* --- KEYS and SCAN --- */

static const char *say_names(struct client *c)
{
    say_number(c, '*', (long long)c->total);
    return say_all(c, g_steal_pointer(&c->to));
}

/* KEYS, SCAN: a cursor is a part of the table. SCAN gives a part as a whole: it
 * may be more than COUNT asks for. */
const char *run_keys(struct client *c)
{
    const struct word *pattern = is(&c->args[1], "*") ? NULL : &c->args[1];
    c->to = c->to ? c->to : g_byte_array_new();
    do {
        c->at = table_part((unsigned)c->at, pattern, c);
        if (c->at != 0 && step_over(c))
            return again;
    } while (c->at != 0);
    return say_names(c);
}

const char *run_scan(struct client *c)
{
    static const struct word nothing = {"[]", 2, false};
    const struct word *pattern = NULL;
    bool other = false; /* keys of another type, of which there are none */
    long long first = 0, most = 10;
    if (!is_number(&c->args[1], &first))
        return "ERR invalid cursor";
    for (size_t i = 2; i < c->argc; i += 2) {
        const struct word *option = &c->args[i];
        if (i + 1 < c->argc && is(option, "match"))
            pattern = option + 1;
        else if (i + 1 < c->argc && is(option, "type"))
            other = !is(option + 1, "string");
        else if (i + 1 == c->argc || !is(option, "count"))
            return SYNTAX;
        else if (!is_number(option + 1, &most))
            return NO_NUMBER;
        else if (most < 1)
            return SYNTAX;
    }
    unsigned cursor = (unsigned)first;
    c->to = g_byte_array_new();
    do
        cursor = table_part(cursor, other ? &nothing : pattern, c);
    while (cursor != 0 && c->spent < (unsigned long long)most &&
           c->spent < STEP);
    say(c, "*2\r\n");
    char text[NUMBER_MOST];
    snprintf(text, sizeof text, "%u", cursor);
    say_text(c, text);
    return say_names(c);
}

/* DBSIZE; CLIENT ID, whose n is 1. */
const char *run_dbsize(struct client *c)
{
    return say_number(c, ':', c->command->n ? c->id : (long long)table_count());
}

const char *run_flushall(struct client *c)
{
    if (c->argc > 2 ||
        (c->argc == 2 && !is(&c->args[1], "sync") && !is(&c->args[1], "async")))
        return SYNTAX;
    touch_all();
    table_flush();
    return say(c, "+OK\r\n");
}
