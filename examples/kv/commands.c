/* Commands about the server and the connection; transactions; and which command
 * a request is. SPDX-License-Identifier: BSD-3-Clause */
#include "kv.h"

/* --- commands about the server and the connection --- */

/* The settings that clients ask for; no setting can be changed. */
static const char *run_config_get(struct client *c)
{
    char limit[NUMBER_MOST];
    const char *all[][2] = {
        {"appendonly", "no"}, {"save", ""}, {"maxmemory", limit}};
    bool found[G_N_ELEMENTS(all)] = {false};
    long long count = 0;
    snprintf(limit, sizeof limit, "%lld", memory_limit);
    for (size_t k = 0; k < G_N_ELEMENTS(all); count += found[k++])
        for (size_t i = 2; i < c->argc && !found[k]; i++)
            found[k] = matches(&c->args[i], all[k][0], strlen(all[k][0]));
    say_map(c, count);
    for (size_t k = 0; k < G_N_ELEMENTS(all) * 2; k++)
        if (found[k / 2])
            say_text(c, all[k / 2][k % 2]);
    return NULL;
}

/* Whether a section is asked for, by its name or by one for all of them. */
static bool wants_section(const struct client *c, const char *name)
{
    for (size_t i = 1; i < c->argc; i++)
        if (is(&c->args[i], name) || is(&c->args[i], "all") ||
            is(&c->args[i], "default") || is(&c->args[i], "everything"))
            return true;
    return c->argc == 1;
}

static const char *run_info(struct client *c)
{
    static const char *names[] = {"Server", "Clients", "Memory", "Replication",
                                  "Keyspace"};
    char keys[96] = "";
    GString *to = g_string_new(NULL);
    if (table_count() > 0)
        snprintf(keys, sizeof keys, "db0:keys=%zu,expires=%zu,avg_ttl=0\r\n",
                 table_count(), table_expiring());
    char *all = g_strdup_printf("redis_version:%s\r\nredis_mode:standalone\r\n|"
                                "connected_clients:%u\r\n|"
                                "used_memory:%zu\r\nmaxmemory:%lld\r\n|"
                                "role:master\r\nconnected_slaves:0\r\n|%s",
                                VERSION, all_clients.length, memory_used(),
                                memory_limit, keys);
    char **texts = g_strsplit(all, "|", G_N_ELEMENTS(names));
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        if (wants_section(c, names[i]))
            g_string_append_printf(to, "%s# %s\r\n%s",
                                   to->len > 0 ? "\r\n" : "", names[i],
                                   texts[i]);
    asynchat_push_printf(c->ch,
                         c->resp == 3 ? "=%zu\r\ntxt:%s\r\n" : "$%zu\r\n%s\r\n",
                         to->len + (c->resp == 3 ? 4 : 0), to->str);
    g_strfreev(texts);
    g_free(all);
    g_string_free(to, TRUE);
    return NULL;
}

static const char *set_name(struct client *c, const struct word *name)
{
    for (size_t i = 0; i < name->len; i++)
        if (name->bytes[i] <= ' ' || name->bytes[i] > '~')
            return "ERR Client names cannot contain spaces, newlines or "
                   "special characters.";
    clients_used -= c->name ? strlen(c->name) : 0;
    g_free(c->name);
    c->name = name->len > 0 ? g_strdup(name->bytes) : NULL;
    clients_used += name->len;
    return NULL;
}

/* CLIENT GETNAME, CLIENT SETNAME */
static const char *run_client_name(struct client *c)
{
    if (c->argc == 2)
        return c->name ? say_text(c, c->name) : say_null(c);
    const char *error = set_name(c, &c->args[2]);
    return error ? error : say(c, "+OK\r\n");
}

/* CLIENT SETINFO, of a later Redis; CLIENT NO-EVICT, whose n is 1. */
static const char *run_client_set(struct client *c)
{
    const struct word *w = &c->args[2];
    if (c->command->n ? !is(w, "on") && !is(w, "off")
                      : !is(w, "lib-name") && !is(w, "lib-ver"))
        return SYNTAX;
    return say(c, "+OK\r\n");
}

static const char *run_select(struct client *c)
{
    long long n;
    if (!is_number(&c->args[1], &n))
        return NO_NUMBER;
    return n == 0 ? say(c, "+OK\r\n") : "ERR DB index is out of range";
}

static const char *run_quit(struct client *c)
{
    say(c, "+OK\r\n");
    return goodbye(c);
}

static const char *run_reset(struct client *c)
{
    transaction_end(c);
    leave_all(c, ~0u);
    set_limits(c, false);
    set_name(c, &(struct word){"", 0, false});
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
        if (is(option, "auth") && left >= 2) {
            if (!is(option + 1, "default"))
                return "WRONGPASS invalid username-password pair or user is "
                       "disabled.";
            i += 2;
        } else if (is(option, "setname") && left >= 1) {
            error = set_name(c, &c->args[++i]);
        } else {
            say_error(c, "ERR Syntax error in HELLO option '%.256s'",
                      option->bytes);
            return "";
        }
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
    say(c, "$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n"
           "$6\r\n" VERSION "\r\n$5\r\nproto\r\n");
    say_number(c, ':', n);
    say(c, "$2\r\nid\r\n");
    say_number(c, ':', c->id);
    return say(c, "$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n"
                  "$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n");
}

/* --- transactions --- */

static const char *run_multi(struct client *c)
{
    if (c->queue)
        return "ERR MULTI calls can not be nested";
    c->queue = g_array_new(FALSE, FALSE, sizeof(struct queued));
    return say(c, "+OK\r\n");
}

static const char *enqueue(struct client *c)
{
    struct queued q = {c->command, c->first, c->argc};
    g_array_append_val(c->queue, q);
    c->fills |= c->command->flags & 1;
    c->queued = c->size;
    return say(c, "+QUEUED\r\n");
}

/* Forgets the requests of a transaction, and the keys that are watched. */
void transaction_end(struct client *c)
{
    if (c->queue)
        g_array_free(c->queue, TRUE);
    c->queue = NULL;
    c->queued = 0;
    c->dirty = c->broken = c->fills = false;
    leave_all(c, 1u << WATCHED);
}

static void run_queued(struct client *c, const struct queued *q)
{
    c->command = q->command;
    c->args = c->words + q->first;
    c->argc = q->count;
    c->at = c->total = c->spent = 0;
    const char *error = c->command->run(c);
    if (error && *error)
        say_error(c, error, c->command->name);
}

static const char *run_exec(struct client *c)
{
    if (!c->queue)
        return "ERR EXEC without MULTI";
    touch_watched(c);
    bool broken = c->broken, dirty = c->dirty;
    GArray *queue = c->queue;
    c->queue = NULL;
    transaction_end(c);
    if (!broken && !dirty) {
        say_number(c, '*', queue->len);
        c->whole = true;
        for (unsigned i = 0; i < queue->len; i++)
            run_queued(c, &g_array_index(queue, struct queued, i));
        c->whole = false;
    }
    g_array_free(queue, TRUE);
    if (broken)
        return "EXECABORT Transaction discarded because of previous errors.";
    return dirty ? say(c, c->resp == 3 ? "_\r\n" : "*-1\r\n") : NULL;
}

static const char *run_discard(struct client *c)
{
    if (!c->queue)
        return "ERR DISCARD without MULTI";
    transaction_end(c);
    return say(c, "+OK\r\n");
}

static const char *watch(struct client *c)
{
    return c->queue ? "ERR WATCH inside MULTI is not allowed" : run_watch(c);
}

static const char *run_command(struct client *c);

/* --- which command a request is --- */

/* The flags of a command: it takes memory; a subscriber may use it; its
 * subcommands are below; it is not queued in a transaction. */
enum { FILLS = 1, LISTENS = 2, GROUP = 4, NOW = 8 };
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
    {"getset", run_mset, 3, FILLS, 1, 1, true},
    {"hello", run_hello, -1, 0, 0, 0, 0},
    {"incr", run_incr, 2, FILLS, 1, 1, 1},
    {"incrby", run_incr, 3, FILLS, 1, 1, 1},
    {"info", run_info, -1, 0, 0, 0, 0},
    {"keys", run_keys, 2, 0, 0, 0, 0},
    {"mget", run_get, -2, 0, -1, 1, true},
    {"mset", run_mset, -3, FILLS, -1, 2, false},
    {"multi", run_multi, 1, NOW, 0, 0, 0},
    {"persist", run_expire, 2, 0, 1, 1, 0},
    {"pexpire", run_expire, -3, 0, 1, 1, 1},
    {"ping", run_ping, -1, LISTENS, 0, 0, 0},
    {"psetex", run_setex, 4, FILLS, 1, 1, 1},
    {"psubscribe", run_subscribe, -2, LISTENS | FILLS, 0, 0, PATTERNS},
    {"pttl", run_ttl, 2, 0, 1, 1, 1},
    {"publish", run_publish, 3, 0, 0, 0, 0},
    {"punsubscribe", run_unsubscribe, -1, LISTENS, 0, 0, PATTERNS},
    {"quit", run_quit, -1, LISTENS | NOW, 0, 0, 0},
    {"reset", run_reset, 1, LISTENS | NOW, 0, 0, 0},
    {"scan", run_scan, -2, 0, 0, 0, 0},
    {"select", run_select, 2, 0, 0, 0, 0},
    {"set", run_set, -3, FILLS, 1, 1, 0},
    {"setex", run_setex, 4, FILLS, 1, 1, 1000},
    {"setnx", run_setex, 3, FILLS, 1, 1, 0},
    {"strlen", run_strlen, 2, 0, 1, 1, false},
    {"subscribe", run_subscribe, -2, LISTENS | FILLS, 0, 0, TOPICS},
    {"ttl", run_ttl, 2, 0, 1, 1, 1000},
    {"type", run_strlen, 2, 0, 1, 1, true},
    {"unsubscribe", run_unsubscribe, -1, LISTENS, 0, 0, TOPICS},
    {"unwatch", run_watch, 1, 0, 0, 0, true},
    {"watch", watch, -2, FILLS | NOW, -1, 1, false},
};

static const struct command below[] = {
    {"client|getname", run_client_name, 2, 0, 0, 0, 0},
    {"client|id", run_dbsize, 2, 0, 0, 0, true},
    {"client|no-evict", run_client_set, 3, 0, 0, 0, true},
    {"client|setinfo", run_client_set, 4, 0, 0, 0, false},
    {"client|setname", run_client_name, 3, 0, 0, 0, 0},
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
    while (*b && (*a | 32) == *b)
        a++, b++;
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
    say_error(c, "ERR unknown command '%.128s', with args beginning with: %s",
              c->args->bytes, args);
    return "";
}

/* Looks in the second table. */
static const char *choose_below(struct client *c, const char *group)
{
    const struct word *sub = &c->args[1];
    char full[32];
    snprintf(full, sizeof full, "%s|%s", group, sub->bytes);
    c->command =
        bsearch(full, below, G_N_ELEMENTS(below), sizeof *below, by_name);
    if (c->command && strlen(c->command->name) == strlen(group) + 1 + sub->len)
        return NULL;
    char *name = g_ascii_strup(c->args->bytes, -1);
    say_error(c, "ERR unknown subcommand '%.128s'. Try %s HELP.", sub->bytes,
              name);
    g_free(name);
    return "";
}

/* Finds the command. Returns an error, or "" if the client has been told. */
static const char *choose(struct client *c)
{
    static const struct command *last = commands; /* mostly the same again */
    if (!last || by_name(c->args->bytes, last) != 0)
        last = bsearch(c->args->bytes, commands, G_N_ELEMENTS(commands),
                       sizeof *commands, by_name);
    c->command = last;
    if (!c->command || strlen(c->command->name) != c->args->len)
        return say_unknown(c);
    if (c->command->flags & GROUP && c->argc > 1)
        return choose_below(c, c->command->name);
    return NULL;
}

static bool needs_memory(const struct client *c)
{
    int flags = c->command->flags;
    if (c->command->run == run_exec)
        return c->fills;
    return flags & FILLS || (c->queue && !(flags & NOW));
}

/* Returns why the command may not be run now, or NULL. */
static const char *refuse(struct client *c)
{
    long long count = (long long)c->argc, arity = c->command->arity;
    if (arity < 0 ? count < -arity : count != arity)
        return WRONG_COUNT;
    if (memory_limit && needs_memory(c) &&
        memory_used() - (c->size - c->queued) >
            (unsigned long long)memory_limit)
        return OUT_OF_MEMORY;
    if (c->resp == 2 && c->listening[TOPICS] + c->listening[PATTERNS] > 0 &&
        !(c->command->flags & LISTENS))
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
    say_error(c, "EXECABORT Transaction discarded because of: %s",
              text + (strncmp(text, "ERR ", 4) == 0 ? 4 : 0));
    return "";
}

const char *run_request(struct client *c)
{
    const char *error = choose(c);
    if (!error)
        error = refuse(c);
    if (error && *error && c->command->run == run_exec)
        return abort_exec(c, error);
    if (error) {
        c->broken = c->queue != NULL;
        return error;
    }
    return c->queue && !(c->command->flags & NOW) ? enqueue(c)
                                                  : c->command->run(c);
}
