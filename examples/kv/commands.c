/* The commands, and which of them a request is.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "commands.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "keys.h"
#include "run.h"
#include "text.h"

#define NAME_MOST 32 /* bytes */

enum {
    FILLS = 1,   /* takes memory */
    LISTENS = 2, /* allowed to a subscriber */
    GROUP = 4,   /* others are below it: "client|id" */
    KEY = 8,     /* word 1 is a key, */
    KEYS = 16,   /* so are those behind it, */
    PAIRS = 32,  /* or every other one */
};

static run_function run_command, run_command_count;

static struct command commands[] = {
    {"append", run_append, 3, FILLS | KEY, 0, {0}},
    {"client", NULL, -2, GROUP, 0, {0}},
    {"client|getname", run_client_getname, 2, 0, 0, {0}},
    {"client|id", run_client_id, 2, 0, 0, {0}},
    {"client|setname", run_client_setname, 3, 0, 0, {0}},
    {"command", run_command, -1, GROUP, 0, {0}},
    {"command|count", run_command_count, 2, 0, 0, {0}},
    {"config", NULL, -2, GROUP, 0, {0}},
    {"config|get", run_config_get, -3, 0, 0, {0}},
    {"dbsize", run_dbsize, 1, 0, 0, {0}},
    {"decr", run_incr, 2, FILLS | KEY, -1, {0}},
    {"del", run_del, -2, KEYS, 0, {0}},
    {"echo", run_echo, 2, 0, 0, {0}},
    {"exists", run_exists, -2, KEYS, 0, {0}},
    {"expire", run_expire, -3, KEY, 1000, {0}},
    {"flushall", run_flushall, -1, 0, 0, {0}},
    {"get", run_get, 2, KEY, 0, {0}},
    {"getset", run_getset, 3, FILLS | KEY, 0, {0}},
    {"hello", run_hello, -1, 0, 0, {0}},
    {"host:", run_foreign, -1, LISTENS, 0, {0}},
    {"incr", run_incr, 2, FILLS | KEY, 1, {0}},
    {"incrby", run_incr, 3, FILLS | KEY, 0, {0}},
    {"info", run_info, -1, 0, 0, {0}},
    {"keys", run_keys, 2, 0, 0, {0}},
    {"mget", run_mget, -2, KEYS, 0, {0}},
    {"mset", run_mset, -3, FILLS | PAIRS, 0, {0}},
    {"persist", run_persist, 2, KEY, 0, {0}},
    {"pexpire", run_expire, -3, KEY, 1, {0}},
    {"ping", run_ping, -1, LISTENS, 0, {0}},
    {"post", run_foreign, -1, LISTENS, 0, {0}},
    {"psubscribe", run_subscribe, -2, LISTENS | FILLS, true, {0}},
    {"pttl", run_ttl, 2, KEY, 1, {0}},
    {"publish", run_publish, 3, 0, 0, {0}},
    {"punsubscribe", run_unsubscribe, -1, LISTENS, true, {0}},
    {"quit", run_quit, -1, LISTENS, 0, {0}},
    {"scan", run_scan, -2, 0, 0, {0}},
    {"select", run_select, 2, 0, 0, {0}},
    {"set", run_set, -3, FILLS | KEY, 0, {0}},
    {"strlen", run_strlen, 2, KEY, 0, {0}},
    {"subscribe", run_subscribe, -2, LISTENS | FILLS, false, {0}},
    {"ttl", run_ttl, 2, KEY, 1000, {0}},
    {"unsubscribe", run_unsubscribe, -1, LISTENS, false, {0}},
};

#define COMMANDS (sizeof commands / sizeof *commands)

static struct command *by_name;

/* One with a name of its own. */
static bool is_main(const struct command *command)
{
    return !strchr(command->name, '|') && command->run != run_foreign;
}

static long long count_commands(void)
{
    long long count = 0;
    for (size_t i = 0; i < COMMANDS; i++)
        count += is_main(&commands[i]);
    return count;
}

static void run_command_count(struct client *c, const struct command *command)
{
    (void)command;
    say_number(c, ':', count_commands());
}

static void run_command(struct client *c, const struct command *command)
{
    say_number(c, '*', count_commands());
    for (size_t i = 0; i < COMMANDS; i++) {
        int flags = commands[i].flags;
        command = &commands[i];
        if (!is_main(command))
            continue;
        say(c, "*6\r\n");
        say_bulk(c, command->name);
        say_number(c, ':', command->arity);
        say(c, "*0\r\n"); /* flags; then the words that are keys */
        say_number(c, ':', (flags & (KEY | KEYS | PAIRS)) != 0);
        say_number(c, ':', flags & KEY ? 1 : flags & (KEYS | PAIRS) ? -1 : 0);
        say_number(c, ':', flags & PAIRS ? 2 : flags & (KEY | KEYS) ? 1 : 0);
    }
}

bool open_commands(void)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        struct command *command = &commands[i];
        HASH_ADD_KEYPTR(hh, by_name, command->name,
                        (unsigned)strlen(command->name), command);
        if (!command->hh.tbl)
            return false;
    }
    return true;
}

void close_commands(void)
{
    HASH_CLEAR(hh, by_name);
}

/* --- which it is --- */

/* By a name in lower case; what is too long is none. */
static struct command *command_find(const char *name, size_t len)
{
    struct command *command;
    HASH_FIND(hh, by_name, name, (unsigned)len, command);
    return command;
}

static size_t lower(const struct word *w, char *name, size_t room)
{
    if (w->len > room)
        return 0;
    for (size_t i = 0; i < w->len; i++)
        name[i] = (char)tolower((unsigned char)w->bytes[i]);
    return w->len;
}

static struct command *command_below(const struct command *group,
                                     const struct word *w)
{
    char name[2 * NAME_MOST];
    size_t len = strlen(group->name);
    memcpy(name, group->name, len);
    name[len++] = '|';
    return command_find(name, len + lower(w, name + len, NAME_MOST));
}

static void say_unknown(struct client *c)
{
    char args[160] = "";
    size_t len = 0;
    for (size_t i = 1; i < c->count && len < 128; i++)
        len += (size_t)snprintf(args + len, sizeof args - len, "'%.*s' ",
                                at_most(c->words[i]->len, 128 - len),
                                c->words[i]->bytes);
    say_error(c, "ERR unknown command '%.*s', with args beginning with: %s",
              at_most(c->words[0]->len, 128), c->words[0]->bytes, args);
}

static void say_unknown_below(struct client *c, const struct command *group)
{
    char name[NAME_MOST] = "";
    for (size_t i = 0; group->name[i]; i++)
        name[i] = (char)toupper((unsigned char)group->name[i]);
    say_error(c, "ERR unknown subcommand '%.*s'. Try %s HELP.",
              at_most(c->words[1]->len, 128), c->words[1]->bytes, name);
}

/* The command of a request; NULL, which was said, if there is none. */
static const struct command *command_of(struct client *c)
{
    char name[NAME_MOST] = "";
    size_t len = lower(c->words[0], name, sizeof name);
    const struct command *command = command_find(name, len), *below;
    if (!command || memchr(name, '|', len)) {
        say_unknown(c);
        return NULL;
    }
    if (!(command->flags & GROUP) || c->count == 1)
        return command;
    below = command_below(command, c->words[1]);
    if (!below)
        say_unknown_below(c, command);
    return below;
}

void say_wrong_count(struct client *c, const struct command *command)
{
    say_error(c, "ERR wrong number of arguments for '%s' command",
              command->name);
}

/* Whether it may be run now; or why not, which is said. */
static bool command_may_run(struct client *c, const struct command *command)
{
    long long count = (long long)c->count, arity = command->arity;
    bool full = memory_limit > 0 && memory_used > memory_limit;
    if (arity < 0 ? count < -arity : count != arity)
        say_wrong_count(c, command);
    else if (full && (command->flags & FILLS))
        say_error(c, "OOM command not allowed when used memory > "
                     "'maxmemory'.");
    else if (c->subscribed > 0 && !(command->flags & LISTENS))
        say_error(c,
                  "ERR Can't execute '%s': only (P|S)SUBSCRIBE / "
                  "(P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in "
                  "this context",
                  command->name);
    else
        return true;
    return false;
}

void request_run(struct client *c)
{
    const struct command *command = command_of(c);
    if (command && command_may_run(c, command))
        command->run(c, command);
}
