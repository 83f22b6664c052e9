/* Commands about the server and the connection; transactions; and which command
 * a request is. SPDX-License-Identifier: BSD-3-Clause */
#include "kv.h"

#define OUT_OF_MEMORY "OOM command not allowed when used memory > 'maxmemory'."
#define BAD_NAME                                                               \
    "ERR Client names cannot contain spaces, newlines or special characters."

/* The flags of a command: it takes memory; a subscriber may use it; its
 * subcommands are below; it is not queued in a transaction. */
enum { FILLS = 1, LISTENS = 2, GROUP = 4, NOW = 8 };
const char again[] = "again";

/* --- commands about the server and the connection --- */

/* The settings that clients ask for; no setting can be changed. */
static const char *run_config_get(struct client *c)
{
    char limit[NUMBER_MOST];
    const char *all[][2] = {
        {"appendonly", "no"}, {"save", ""}, {"maxmemory", limit}};
    snprintf(limit, sizeof limit, "%lld", memory_limit);
    for (size_t k = 0; k < G_N_ELEMENTS(all); k++) {
        const char *name = all[k][0], *value = all[k][1];
        for (size_t i = 2; i < c->argc; i++)
            if (matches(&c->args[i], name, strlen(name))) {
                append(&c->to, name, strlen(name));
                append(&c->to, value, strlen(value));
                c->total++;
                break;
            }
    }
    say_map(c, c->total);
    return say_found(c);
}

static const char *run_info(struct client *c)
{
    unsigned wanted = c->argc == 1 ? ~0u : 0;
    for (size_t i = 1; i < c->argc; i++) {
        int n = which(&c->args[i], "server clients memory replication keyspace "
                                   "all default everything");
        wanted |= n < 0 ? 0 : n < 5 ? 1u << n : ~0u;
    }
    char keys[96] = "";
    if (key_count > 0)
        snprintf(keys, sizeof keys, "db0:keys=%zu,expires=%zu,avg_ttl=0\r\n",
                 key_count, timed_count);
    char *all = g_strdup_printf(
        "# Server\r\nredis_version:%s\r\nredis_mode:standalone\r\n|"
        "# Clients\r\nconnected_clients:%u\r\n|"
        "# Memory\r\nused_memory:%zu\r\nmaxmemory:%lld\r\n|"
        "# Replication\r\nrole:master\r\nconnected_slaves:0\r\n|"
        "# Keyspace\r\n%s",
        VERSION, all_clients.length, memory_used(), memory_limit, keys);
    char **sections = g_strsplit(all, "|", -1), *found[6] = {NULL};
    for (int i = 0, n = 0; sections[i]; i++)
        if (wanted >> i & 1)
            found[n++] = sections[i];
    char *text = g_strjoinv("\r\n", found);
    bool marked = c->resp == 3;
    asynchat_push_printf(c->ch,
                         marked ? "=%zu\r\ntxt:%s\r\n" : "$%zu\r\n%s\r\n",
                         strlen(text) + (marked ? 4 : 0), text);
    g_strfreev(sections);
    g_free(all);
    g_free(text);
    return NULL;
}

/* A name is "" if there is none. */
const char *set_name(struct client *c, const char *name)
{
    for (const char *at = name; *at; at++)
        if (!g_ascii_isgraph(*at))
            return BAD_NAME;
    count(c, (long)strlen(name) - (long)(c->name ? strlen(c->name) : 0));
    g_free(c->name);
    c->name = *name ? g_strdup(name) : NULL;
    return NULL;
}

static const char *run_get_name(struct client *c)
{
    return c->name ? say_text(c, c->name) : say_null(c);
}

static const char *run_set_name(struct client *c)
{
    const char *error = set_name(c, c->args[2].bytes);
    return error ? error : say_ok(c);
}

/* CLIENT SETINFO, of a later Redis; CLIENT NO-EVICT, whose n is 1. */
static const char *run_client_set(struct client *c)
{
    const char *names = c->command->n ? "on off" : "lib-name lib-ver";
    return which(&c->args[2], names) < 0 ? SYNTAX : say_ok(c);
}

static const char *run_select(struct client *c)
{
    long long n;
    if (!is_number(&c->args[1], &n))
        return NO_NUMBER;
    return n == 0 ? say_ok(c) : "ERR DB index is out of range";
}

static const char *run_quit(struct client *c)
{
    say_ok(c);
    asynchat_close_after(c->ch);
    return NULL;
}

static const char *run_reset(struct client *c)
{
    transaction_end(c);
    leave_all(c, ~0u);
    set_limits(c);
    set_name(c, "");
    c->resp = 2;
    return say(c, "+RESET\r\n");
}

/* The options AUTH and SETNAME. There are no passwords, as with a new Redis. */
static const char *read_hello(struct client *c)
{
    const char *error = NULL;
    for (size_t i = 2; i < c->argc && !error; i++) {
        const struct word *option = &c->args[i];
        size_t left = c->argc - i - 1;
        if (is(option, "setname") && left >= 1)
            error = set_name(c, c->args[++i].bytes);
        else if (!is(option, "auth") || left < 2)
            error = say_error(c, "ERR Syntax error in HELLO option '%s'",
                              option->bytes);
        else if (!is(option + 1, "default"))
            error = "WRONGPASS invalid username-password pair or user is "
                    "disabled.";
        else
            i += 2;
    }
    return error;
}

static const char *run_hello(struct client *c)
{
    long long n = c->resp;
    if (c->argc > 1 && !is_number(&c->args[1], &n))
        return "ERR Protocol version is not an integer or out of range";
    if (n != 2 && n != 3)
        return "NOPROTO unsupported protocol version";
    const char *error = read_hello(c);
    if (error)
        return error;
    c->resp = (int)n;
    say_map(c, 7);
    asynchat_push_printf(
        c->ch,
        "$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n%s\r\n"
        "$5\r\nproto\r\n:%d\r\n$2\r\nid\r\n:%lld\r\n$4\r\nmode\r\n"
        "$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n"
        "$7\r\nmodules\r\n*0\r\n",
        VERSION, c->resp, c->id);
    return NULL;
}

/* --- transactions --- */

struct queued { /* a request of a transaction: some of the client's words */
    const struct command *command;
    size_t first, count;
};

static const char *run_multi(struct client *c)
{
    if (c->queue)
        return "ERR MULTI calls can not be nested";
    c->queue = g_array_new(FALSE, FALSE, sizeof(struct queued));
    return say_ok(c);
}

/* Forgets the requests of a transaction, and the keys that are watched. */
void transaction_end(struct client *c)
{
    if (c->queue)
        g_array_free(g_steal_pointer(&c->queue), TRUE);
    c->dirty = c->refused = c->fills = false;
    leave_all(c, 1u << WATCHED);
}

/* A piece after the other, but others have their turn after a step. */
const char *run_pieces(struct client *c)
{
    const char *error;
    c->spent = 0;
    do
        error = c->command->run(c);
    while (error == again && (c->whole || ++c->spent < STEP));
    return error;
}

static const char *run_begin(struct client *c, struct word *args, size_t argc)
{
    c->args = args;
    c->argc = argc;
    c->at = 1;
    c->total = 0;
    return run_pieces(c);
}

static const char *run_exec(struct client *c)
{
    if (!c->queue)
        return "ERR EXEC without MULTI";
    touch_watched(c);
    bool refused = c->refused, dirty = c->dirty;
    GArray *queue = g_steal_pointer(&c->queue);
    transaction_end(c);
    c->whole = true;
    if (!refused && !dirty)
        say_number(c, '*', queue->len);
    for (unsigned i = 0; i < queue->len && !refused && !dirty; i++) {
        const struct queued *q = &g_array_index(queue, struct queued, i);
        c->command = q->command;
        const char *error = run_begin(c, c->words + q->first, q->count);
        if (error && *error)
            say_error(c, error, c->command->name);
    }
    c->whole = false;
    g_array_free(queue, TRUE);
    if (refused)
        return "EXECABORT Transaction discarded because of previous errors.";
    return dirty ? say(c, c->resp == 3 ? "_\r\n" : "*-1\r\n") : NULL;
}

static const char *run_discard(struct client *c)
{
    if (!c->queue)
        return "ERR DISCARD without MULTI";
    transaction_end(c);
    return say_ok(c);
}

/* --- which command a request is --- */

static run run_command;

static const struct command commands[] = {
    {"append", run_append, 3, FILLS, 1, 1, 0},
    {"client", NULL, -2, GROUP, 0, 0, 0},
    {"command", run_command, -1, GROUP, 0, 0, 0},
    {"config", NULL, -2, GROUP, 0, 0, 0},
    {"dbsize", run_dbsize, 1, 0, 0, 0, false},
    {"decr", run_incr, 2, FILLS, 1, 1, -1},
    {"decrby", run_incr, 3, FILLS, 1, 1, -1},
    {"del", run_exists, -2, 0, -1, 1, true},
    {"discard", run_discard, 1, NOW, 0, 0, 0},
    {"echo", run_ping, 2, 0, 0, 0, 0},
    {"exec", run_exec, 1, NOW, 0, 0, 0},
    {"exists", run_exists, -2, 0, -1, 1, false},
    {"expire", run_expire, -3, 0, 1, 1, 1000},
    {"flushall", run_flushall, -1, 0, 0, 0, 0},
    {"get", run_get, 2, 0, 1, 1, false},
    {"getset", run_set, 3, FILLS, 1, 1, GET},
    {"hello", run_hello, -1, 0, 0, 0, 0},
    {"incr", run_incr, 2, FILLS, 1, 1, 1},
    {"incrby", run_incr, 3, FILLS, 1, 1, 1},
    {"info", run_info, -1, 0, 0, 0, 0},
    {"keys", run_keys, 2, 0, 0, 0, 0},
    {"mget", run_get, -2, 0, -1, 1, true},
    {"mset", run_mset, -3, FILLS, -1, 2, 0},
    {"multi", run_multi, 1, NOW, 0, 0, 0},
    {"persist", run_expire, 2, 0, 1, 1, 0},
    {"pexpire", run_expire, -3, 0, 1, 1, 1},
    {"ping", run_ping, -1, LISTENS, 0, 0, 0},
    {"psetex", run_set, 4, FILLS, 1, 1, PX},
    {"psubscribe", run_subscribe, -2, LISTENS | FILLS, 0, 0, PATTERNS},
    {"pttl", run_ttl, 2, 0, 1, 1, 1},
    {"publish", run_publish, 3, 0, 0, 0, 0},
    {"punsubscribe", run_unsubscribe, -1, LISTENS, 0, 0, PATTERNS},
    {"quit", run_quit, -1, LISTENS | NOW, 0, 0, 0},
    {"reset", run_reset, 1, LISTENS | NOW, 0, 0, 0},
    {"scan", run_scan, -2, 0, 0, 0, 0},
    {"select", run_select, 2, 0, 0, 0, 0},
    {"set", run_set, -3, FILLS, 1, 1, 0},
    {"setex", run_set, 4, FILLS, 1, 1, EX},
    {"setnx", run_set, 3, FILLS, 1, 1, NX},
    {"strlen", run_strlen, 2, 0, 1, 1, false},
    {"subscribe", run_subscribe, -2, LISTENS | FILLS, 0, 0, TOPICS},
    {"ttl", run_ttl, 2, 0, 1, 1, 1000},
    {"type", run_strlen, 2, 0, 1, 1, true},
    {"unsubscribe", run_unsubscribe, -1, LISTENS, 0, 0, TOPICS},
    {"unwatch", run_unwatch, 1, 0, 0, 0, 0},
    {"watch", run_watch, -2, FILLS | NOW, -1, 1, false},
};

static const struct command below[] = {
    {"client|getname", run_get_name, 2, 0, 0, 0, 0},
    {"client|id", run_dbsize, 2, 0, 0, 0, true},
    {"client|no-evict", run_client_set, 3, 0, 0, 0, true},
    {"client|setinfo", run_client_set, 4, 0, 0, 0, false},
    {"client|setname", run_set_name, 3, 0, 0, 0, 0},
    {"config|get", run_config_get, -3, 0, 0, 0, 0},
};

static const char *run_command(struct client *c)
{
    say_number(c, '*', G_N_ELEMENTS(commands));
    for (const struct command *k = commands;
         k < commands + G_N_ELEMENTS(commands); k++)
        asynchat_push_printf(
            c->ch, "*6\r\n$%zu\r\n%s\r\n:%d\r\n%c0\r\n:%d\r\n:%d\r\n:%d\r\n",
            strlen(k->name), k->name, k->arity, c->resp == 3 ? '~' : '*',
            k->last != 0, k->last, k->step);
    return NULL;
}

/* Ignores case: | 32 turns a capital into a small letter, and nothing else into
 * a letter. */
static int by_name(const void *name, const void *element)
{
    const unsigned char *a = name;
    const char *b = ((const struct command *)element)->name;
    for (; *b && (*a | 32) == *b; a++)
        b++;
    return *a ? (*a | 32) - *b : -*b;
}

static const char *say_unknown(struct client *c)
{
    char args[160] = "";
    size_t len = 0;
    for (size_t i = 1; i < c->argc && len < 128; i++)
        len += (size_t)snprintf(args + len, sizeof args - len, "'%.*s' ",
                                (int)(128 - len), c->args[i].bytes);
    if (is(c->args, "post") || is(c->args, "host:"))
        asynchat_close(c->ch); /* a browser that was tricked into calling us */
    return say_error(
        c, "ERR unknown command '%.128s', with args beginning with: %s",
        c->args->bytes, args);
}

/* Finds the command. Returns NULL, or "" if there is none. */
static const char *choose(struct client *c)
{
    static const struct command *last = commands; /* mostly the same again */
    const struct word *name = c->args;
    if (!last || by_name(name->bytes, last) != 0)
        last = bsearch(name->bytes, commands, G_N_ELEMENTS(commands),
                       sizeof *commands, by_name);
    c->command = last;
    if (!last || strlen(last->name) != name->len)
        return say_unknown(c);
    if (!(last->flags & GROUP) || c->argc == 1)
        return NULL;
    char *full = g_strconcat(last->name, "|", name[1].bytes, NULL);
    char *group = g_ascii_strup(name->bytes, -1);
    c->command =
        bsearch(full, below, G_N_ELEMENTS(below), sizeof *below, by_name);
    bool found =
        c->command && strlen(full) == strlen(last->name) + 1 + name[1].len;
    if (!found)
        say_error(c, "ERR unknown subcommand '%.128s'. Try %s HELP.",
                  name[1].bytes, group);
    g_free(full);
    g_free(group);
    return found ? NULL : "";
}

/* Returns why the command may not be run now, or NULL. */
static const char *refuse(struct client *c)
{
    const struct command *k = c->command;
    long long count = (long long)c->argc;
    bool fills = k->run == run_exec
                     ? c->fills
                     : k->flags & FILLS || (c->queue && !(k->flags & NOW));
    if (k->arity < 0 ? count < -k->arity : count != k->arity)
        return WRONG_COUNT;
    if (memory_limit && fills &&
        memory_used() - (c->size - c->kept) > (size_t)memory_limit)
        return OUT_OF_MEMORY;
    if (c->resp == 2 && listens(c) && !(k->flags & LISTENS))
        return "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE "
               "/ PING / QUIT / RESET are allowed in this context";
    return NULL;
}

/* EXEC that is refused ends the transaction. */
static const char *abort_exec(struct client *c, const char *error)
{
    char text[256];
    snprintf(text, sizeof text, error, c->command->name);
    transaction_end(c);
    return say_error(c, "EXECABORT Transaction discarded because of: %s",
                     text + (g_str_has_prefix(text, "ERR ") ? 4 : 0));
}

const char *run_request(struct client *c)
{
    const char *error = choose(c);
    if (!error)
        error = refuse(c);
    if (error && *error && c->command->run == run_exec)
        return abort_exec(c, error);
    if (error) {
        c->refused = c->queue != NULL;
        return error;
    }
    if (!c->queue || c->command->flags & NOW)
        return run_begin(c, c->args, c->argc);
    struct queued q = {c->command, c->first, c->argc};
    g_array_append_val(c->queue, q);
    c->fills |= c->command->flags & FILLS;
    return say(c, "+QUEUED\r\n");
}
