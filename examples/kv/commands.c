/* Commands about the server and the connection; which command a request is.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "kv.h"

/* --- commands about the server and the connection --- */

/* The settings that clients ask for; no setting can be changed. */
static const char *run_config_get(struct client *c)
{
    char limit[NUMBER_MOST];
    const char *all[][2] = {
        {"appendonly", "no"}, {"save", ""}, {"maxmemory", limit}};
    size_t asked = c->count;
    snprintf(limit, sizeof limit, "%lld", memory_limit);
    for (size_t k = 0; k < 3; k++) {
        size_t i = 2, len = strlen(all[k][0]);
        while (i < asked && !matches(c->words[i], all[k][0], len))
            i++;
        for (int j = 0; i < asked && j < 2; j++)
            add_word(c, word_new(all[k][j], strlen(all[k][j]), 0));
    }
    return say_words_from(c, asked);
}

static const char *run_info(struct client *c)
{
    char text[512];
    int len = snprintf(
        text, sizeof text,
        "# Server\r\nredis_version:" VERSION "\r\nredis_mode:standalone\r\n"
        "# Clients\r\nconnected_clients:%lld\r\n# Memory\r\n"
        "used_memory:%zu\r\nmaxmemory:%lld\r\n# Keyspace\r\n"
        "db0:keys=%u,expires=%lld\r\n",
        clients, memory_used, memory_limit, HASH_COUNT(keys), expiring);
    asynchat_push_printf(c->ch, "$%d\r\n%s\r\n", len, text);
    return NULL;
}

/* CLIENT GETNAME, CLIENT SETNAME */
static const char *run_client_name(struct client *c)
{
    if (c->count == 2)
        return say_word(c, c->name);
    struct word *name = c->words[2];
    for (size_t i = 0; i < name->len; i++)
        if (name->bytes[i] <= ' ' || name->bytes[i] > '~')
            return "ERR Client names cannot contain spaces, newlines or "
                   "special characters.";
    word_release(c->name);
    c->name = name->len > 0 ? word_share(name) : NULL;
    return say(c, "+OK\r\n");
}

static const char *run_select(struct client *c)
{
    long long n;
    if (!is_number(c->words[1], &n))
        return NO_NUMBER;
    return n == 0 ? say(c, "+OK\r\n") : "ERR DB index is out of range";
}

static const char *run_quit(struct client *c)
{
    say(c, "+OK\r\n");
    return goodbye(c);
}

static const char *run_hello(struct client *c)
{
    long long n = 2;
    if (c->count > 1 && !is_number(c->words[1], &n))
        return "ERR Protocol version is not an integer or out of range";
    if (n != 2)
        return "NOPROTO unsupported protocol version";
    if (c->count > 2)
        return say_error(c, "ERR Syntax error in HELLO option '%.256s'",
                         c->words[2]->bytes);
    say(c, "*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n"
           "$6\r\n" VERSION "\r\n$5\r\nproto\r\n:2\r\n$2\r\nid\r\n");
    say_number(c, ':', c->id);
    return say(c, "$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n"
                  "$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n");
}

static const char *run_command(struct client *c);

/* --- which command a request is --- */

/* The flags of a command: it takes memory; a subscriber may use it; its
 * subcommands are below. */
enum { FILLS = 1, LISTENS = 2, GROUP = 4 };
static const struct command commands[] = {
    {"append", run_append, 3, FILLS, 1, 1, 0},
    {"client", NULL, -2, GROUP, 0, 0, 0},
    {"command", run_command, -1, GROUP, 0, 0, 0},
    {"config", NULL, -2, GROUP, 0, 0, 0},
    {"dbsize", run_dbsize, 1, 0, 0, 0, false},
    {"decr", run_incr, 2, FILLS, 1, 1, -1},
    {"del", run_exists, -2, 0, -1, 1, true},
    {"echo", run_ping, 2, 0, 0, 0, 0},
    {"exists", run_exists, -2, 0, -1, 1, false},
    {"expire", run_expire, -3, 0, 1, 1, 1000},
    {"flushall", run_flushall, -1, 0, 0, 0, 0},
    {"get", run_get, 2, 0, 1, 1, false},
    {"getset", run_mset, 3, FILLS, 1, 1, true},
    {"hello", run_hello, -1, 0, 0, 0, 0},
    {"incr", run_incr, 2, FILLS, 1, 1, 1},
    {"incrby", run_incr, 3, FILLS, 1, 1, 0},
    {"info", run_info, -1, 0, 0, 0, 0},
    {"keys", run_scan, 2, 0, 0, 0, true},
    {"mget", run_get, -2, 0, -1, 1, true},
    {"mset", run_mset, -3, FILLS, -1, 2, false},
    {"persist", run_expire, 2, 0, 1, 1, 0},
    {"pexpire", run_expire, -3, 0, 1, 1, 1},
    {"ping", run_ping, -1, LISTENS, 0, 0, 0},
    {"psubscribe", run_subscribe, -2, LISTENS | FILLS, 0, 0, PATTERNS},
    {"pttl", run_ttl, 2, 0, 1, 1, 1},
    {"publish", run_publish, 3, 0, 0, 0, 0},
    {"punsubscribe", run_unsubscribe, -1, LISTENS, 0, 0, PATTERNS},
    {"quit", run_quit, -1, LISTENS, 0, 0, 0},
    {"scan", run_scan, -2, 0, 0, 0, false},
    {"select", run_select, 2, 0, 0, 0, 0},
    {"set", run_set, -3, FILLS, 1, 1, 0},
    {"strlen", run_strlen, 2, 0, 1, 1, 0},
    {"subscribe", run_subscribe, -2, LISTENS | FILLS, 0, 0, TOPICS},
    {"ttl", run_ttl, 2, 0, 1, 1, 1000},
    {"unsubscribe", run_unsubscribe, -1, LISTENS, 0, 0, TOPICS},
};

static const struct command below[] = {
    {"client|getname", run_client_name, 2, 0, 0, 0, 0},
    {"client|id", run_dbsize, 2, 0, 0, 0, true},
    {"client|setname", run_client_name, 3, 0, 0, 0, 0},
    {"config|get", run_config_get, -3, 0, 0, 0, 0},
};

#define COUNT(table) (sizeof(table) / sizeof *(table))

static const char *run_command(struct client *c)
{
    say_number(c, '*', COUNT(commands));
    for (const struct command *k = commands; k < commands + COUNT(commands);
         k++)
        asynchat_push_printf(
            c->ch, "*6\r\n$%zu\r\n%s\r\n:%d\r\n*0\r\n:%d\r\n:%d\r\n:%d\r\n",
            strlen(k->name), k->name, k->arity, k->last != 0, k->last, k->step);
    return NULL;
}

/* Ignores case: | 32 turns a capital into a small letter, and nothing else into
 * a letter. */
static int by_name(const void *name, const void *element)
{
    const unsigned char *a = name;
    const char *b = ((const struct command *)element)->name;
    while (*b && (*a | 32) == *b)
        a++, b++;
    return *a ? (*a | 32) - *b : -*b;
}

static const char *say_unknown(struct client *c)
{
    char args[160] = "";
    size_t len = 0;
    for (size_t i = 1; i < c->count && len < 128; i++)
        len += (size_t)snprintf(args + len, sizeof args - len, "'%.*s' ",
                                (int)(128 - len), c->words[i]->bytes);
    if (is(c->words[0], "post") || is(c->words[0], "host:"))
        asynchat_close(c->ch); /* a browser that was tricked into calling us */
    return say_error(
        c, "ERR unknown command '%.128s', with args beginning with: %s",
        c->words[0]->bytes, args);
}

const char *run_request(struct client *c)
{
    const struct word *name = c->words[0];
    long long count = (long long)c->count;
    const struct command *command = bsearch(
        name->bytes, commands, COUNT(commands), sizeof *command, by_name);
    if (!command || strlen(command->name) != name->len)
        return say_unknown(c);
    if (command->flags & GROUP && count > 1) {
        const struct word *sub = c->words[1];
        char full[32];
        snprintf(full, sizeof full, "%s|%s", command->name, sub->bytes);
        command = bsearch(full, below, COUNT(below), sizeof *command, by_name);
        if (!command || strlen(command->name) != name->len + 1 + sub->len)
            return say_error(c, "ERR unknown subcommand '%.128s'. Try %s HELP.",
                             sub->bytes, name->bytes);
    }
    c->command = command;
    if (command->arity < 0 ? count < -command->arity : count != command->arity)
        return WRONG_COUNT;
    if (memory_limit && command->flags & FILLS &&
        memory_used - c->size > (unsigned long long)memory_limit)
        return "OOM command not allowed when used memory > 'maxmemory'.";
    if (c->listens > 0 && !(command->flags & LISTENS))
        return "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE "
               "/ PING / QUIT / RESET are allowed in this context";
    return command->run(c);
}
