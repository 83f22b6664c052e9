/* Requests, their words and steps; and the callbacks of a client.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "kv.h"

#define CHUNK 4096
#define BLANKS " \f\n\r\t\v"
#define BROKEN_TIME 300   /* milliseconds */
#define TICK 100          /* milliseconds */
#define HOLDS_LEAST 65536 /* bytes; who holds less is not ended */

/* Memory for words that are not large. */
struct chunk {
    struct chunk *older;
    size_t len, room;
    char bytes[];
};

const char again[] = "again";
GQueue all_clients = G_QUEUE_INIT;
long long last_client_id, memory_limit;
size_t clients_used;
static size_t held_back; /* bytes that came or go, when it was last looked */
static GQueue waiting = G_QUEUE_INIT; /* clients whose request has more steps */
static struct event *timer;
static bool soon; /* the timer is due at once */
static struct chunk *spare;

/* --- words --- */

static void count_size(struct client *c, size_t more, size_t less)
{
    c->size += more - less;
    clients_used += more - less;
}

static char *room_for(struct client *c, size_t len)
{
    struct chunk *k = c->chunk;
    if (!k || k->room - k->len < len) {
        size_t room = len > CHUNK ? len : CHUNK;
        k = room == CHUNK && spare ? spare : g_malloc(sizeof *k + room);
        spare = k == spare ? NULL : spare;
        *k = (struct chunk){.older = c->chunk, .room = room};
        c->chunk = k;
        count_size(c, sizeof *k + room, 0);
    }
    k->len += len;
    return k->bytes + k->len - len;
}

static void more_words(struct client *c)
{
    size_t room = c->room * 2 + 8;
    c->words = g_renew(struct word, c->words, room);
    count_size(c, (room - c->room) * sizeof *c->words, 0);
    c->room = room;
}

static void add_word(struct client *c, const char *bytes, size_t len)
{
    struct word w = {NULL, len, len >= LARGE};
    if (c->count == c->room)
        more_words(c);
    if (w.large) {
        w.bytes = share_new(bytes, len, len);
        c->size += len + 1; /* the share is counted with the keys */
    } else {
        w.bytes = room_for(c, len + 1);
        memcpy(w.bytes, bytes, len);
        w.bytes[len] = '\0';
    }
    c->words[c->count++] = w;
}

static void free_chunk(struct chunk *k)
{
    if (!spare && k->room == CHUNK)
        spare = k;
    else
        g_free(k);
}

static void drop_words(struct client *c)
{
    for (; c->count > 0; c->count--) {
        const struct word *w = &c->words[c->count - 1];
        if (w->large) {
            c->size -= w->len + 1;
            share_release(NULL, 0, w->bytes);
        }
    }
    while (c->chunk) {
        struct chunk *k = c->chunk;
        c->chunk = k->older;
        count_size(c, 0, sizeof *k + k->room);
        free_chunk(k);
    }
    if (c->room > WORDS_KEPT) {
        count_size(c, 0, c->room * sizeof *c->words);
        g_clear_pointer(&c->words, g_free);
        c->room = 0;
    }
    c->first = 0;
}

/* --- steps --- */

/* Whether a command has done enough at once, and returns `again`. */
bool step_over(struct client *c)
{
    return ++c->spent > STEP && !c->whole;
}

static void wait_for_step(struct client *c)
{
    c->waits = true;
    asynchat_pause_reading(c->ch);
    g_queue_push_tail(&waiting, c);
    work_soon(0);
}

/* A command has returned. The words of a transaction stay until its end. */
static void ran(struct client *c, const char *error)
{
    if (error == again) {
        wait_for_step(c);
        return;
    }
    if (error && *error)
        say_error(c, error, c->command->name);
    if (c->queue && c->queue->len > 0)
        c->first = c->count;
    else
        drop_words(c);
    if (c->stops)
        goodbye(c);
}

static const char *run(struct client *c)
{
    c->expected = 0;
    c->args = c->words + c->first;
    c->argc = c->count - c->first;
    c->at = c->total = c->spent = 0;
    ran(c, run_request(c));
    return NULL;
}

static void next_step(struct client *c)
{
    c->waits = false;
    c->spent = 0;
    asynchat_resume_reading(c->ch);
    ran(c, c->command->run(c));
}

/* --- memory: what clients have, and what is on the way to and from them --- */

size_t memory_used(void)
{
    return keys_used + clients_used + held_back;
}

static size_t on_the_way(const struct client *c)
{
    return asynchat_get_queued(c->ch) + asynchat_get_collected(c->ch, NULL) +
           (c->to ? c->to->len : 0);
}

/* Beyond the limit, commands that need memory are refused. If clients have more
 * than a quarter of it, the one that has most is ended. */
static void check_memory(void)
{
    size_t most = HOLDS_LEAST, sum = 0;
    struct client *largest = NULL;
    held_back = 0;
    for (GList *l = all_clients.head; l; l = l->next) {
        struct client *c = l->data;
        size_t way = on_the_way(c), holds = c->size + c->held + way;
        held_back += way;
        sum += holds;
        if (holds > most) {
            most = holds;
            largest = c;
        }
    }
    if (largest && memory_used() > (unsigned long long)memory_limit &&
        sum > (unsigned long long)memory_limit / 4) {
        fprintf(stderr, "kv: client %lld is ended: it holds %zu bytes\n",
                largest->id, most);
        asynchat_close(largest->ch);
    }
}

/* --- work in between --- */

/* Each part of this work is bounded, and between two turns all clients have
 * theirs. */
static void work(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what, (void)arg;
    soon = false;
    bool more = table_sweep(STEP);
    more |= deliver(STEP);
    if (waiting.length > 0)
        next_step(g_queue_pop_head(&waiting));
    if (memory_limit)
        check_memory();
    if (more || waiting.length > 0)
        work_soon(0);
    else if (memory_limit || table_expiring() > 0)
        work_soon(TICK);
}

void work_open(void)
{
    timer = evtimer_new(base, work, NULL);
    require(timer ? 0 : -ENOMEM, "timer");
    if (memory_limit)
        work_soon(TICK);
}

void work_soon(long milliseconds)
{
    struct timeval tv = {0, milliseconds * 1000};
    if (!timer || soon || (milliseconds > 0 && evtimer_pending(timer, NULL)))
        return;
    soon = milliseconds == 0;
    require(evtimer_add(timer, &tv) ? -ENOMEM : 0, "timer");
}

/* Afterwards no work keeps the loop running. */
void work_close(void)
{
    g_clear_pointer(&timer, event_free);
    g_clear_pointer(&spare, g_free);
}

/* --- requests: NULL, or what is wrong with the protocol --- */

/* Reads an escape, behind a \ in double quotes, as a byte. Returns its last
 * character. */
static char *read_escape(char *at, char *byte)
{
    static const char names[] = "nrtba", bytes[] = "\n\r\t\b\a";
    const char *name = strchr(names, *at);
    *byte = name ? bytes[name - names] : *at;
    if (*at != 'x' || strspn(at + 1, "0123456789abcdefABCDEF") < 2)
        return at;
    *byte = (char)strtol((char[]){at[1], at[2], '\0'}, NULL, 16);
    return at + 2;
}

/* Reads a word: bare, 'in single quotes' or "in double quotes". Puts its meaning
 * in its place, up to *to. Returns where the word ends, or NULL if its quotes are
 * not balanced. */
static char *read_word(char *at, char **to)
{
    char quote = '\0';
    for (*to = at; *at && (quote || !strchr(" \n\r\t", *at)); at++) {
        if (!quote && (*at == '"' || *at == '\''))
            quote = *at;
        else if (quote && *at == quote)
            return strchr(BLANKS, at[1]) ? at + 1 : NULL;
        else if (quote == '"' && *at == '\\' && at[1])
            at = read_escape(at + 1, (*to)++);
        else if (quote && *at == '\\' && at[1] == '\'')
            *(*to)++ = *++at;
        else
            *(*to)++ = *at;
    }
    return quote ? NULL : at;
}

/* Like Redis, waits until more than LINE_MOST bytes have come that are no line;
 * it does not see the end of a line with a NUL in it. */
static const char *get_stuck(struct client *c, size_t len, const char *what)
{
    c->stuck = what;
    asynchat_skip(c->ch, LINE_MOST - len);
    asynchat_set_block(c->ch, 0);
    return NULL;
}

static const char *got_line(struct client *c, const char *bytes, size_t len)
{
    char line[LINE_MOST + 1], *at = line, *end;
    if (memchr(bytes, '\0', len))
        return get_stuck(c, len, "too big inline request");
    memcpy(line, bytes, len);
    line[len] = '\0';
    while (*(at += strspn(at, BLANKS))) {
        const char *word = at;
        at = read_word(at, &end);
        if (!at)
            return "unbalanced quotes in request";
        add_word(c, word, (size_t)(end - word));
    }
    return c->count > c->first ? run(c) : NULL;
}

/* What is wrong with a line that begins with this byte. */
static const char *bad_number(const struct client *c, char first)
{
    static char expected[] = "expected '$', got ' '";
    expected[sizeof expected - 3] = first;
    return c->expected <= 0 ? "invalid multibulk length"
           : first == '$'   ? "invalid bulk length"
                            : expected;
}

/* Like Redis, looks for a return, not for a newline; and not behind a NUL. */
static const char *got_no_number(struct client *c, const char *line, size_t len)
{
    const char *end = memchr(line, '\r', len);
    char first = len > 0 ? line[0] : ' ';
    if (memchr(line, '\0', end ? (size_t)(end - line) : len))
        return get_stuck(c, len,
                         c->expected > 0 ? "too big bulk count string"
                                         : "too big mbulk count string");
    if (end)
        return bad_number(c, first);
    c->late = first;
    asynchat_set_terminator(c->ch, "\r", 1);
    return NULL;
}

static void expect_line(struct client *c)
{
    if (asynchat_set_terminator(c->ch, "\n", 1)) /* no memory */
        asynchat_close(c->ch);
    if (c->long_word)
        asynchat_set_message_limit(c->ch, LINE_MOST);
    c->counted = c->long_word = false;
}

static void expect_word(struct client *c, long long len)
{
    if (c->size + sizeof(struct word) + (size_t)len > REQUEST_MOST)
        asynchat_close(c->ch);
    c->counted = true;
    asynchat_set_terminator_length(c->ch, (uint64_t)len + 2);
    c->long_word = len > LINE_MOST - 2;
    if (c->long_word)
        asynchat_set_message_limit(c->ch, (size_t)len + 2);
}

/* Reads "*2", or "$3" if an array is in progress. An empty array is no request.
 * Like Redis, this skips the line end behind a word without checking it. */
static const char *got_number(struct client *c, const char *line, size_t len)
{
    bool counts = c->expected <= 0;
    long long n, most = counts ? INT_MAX : WORD_MOST;
    if (len < 3 || line[len - 1] != '\r' || (!counts && line[0] != '$') ||
        !parse_number(line + 1, len - 2, &n) || n > most || (!counts && n < 0))
        return got_no_number(c, line, len);
    if (counts)
        c->expected = n;
    else
        expect_word(c, n);
    return NULL;
}

static const char *got_word(struct client *c, const char *bytes, size_t len)
{
    expect_line(c);
    add_word(c, bytes, len);
    return (long long)(c->count - c->first) == c->expected ? run(c) : NULL;
}

/* --- the callbacks --- */

static const struct asynchat_options options = {
    .size = sizeof options,
    .message_limit = LINE_MOST,
    .output_limit = QUEUE_MOST,
    .low_mark = QUEUE_HIGH / 2,
    .high_mark = QUEUE_HIGH,
};

static const struct asynchat_options subscriber_options = {
    .size = sizeof options,
    .output_limit = SUBSCRIBER_QUEUE_MOST,
    .low_mark = SUBSCRIBER_QUEUE_HIGH - 1,
    .high_mark = SUBSCRIBER_QUEUE_HIGH,
};

void set_limits(struct client *c, bool listens)
{
    if (c->limited == listens)
        return;
    c->limited = listens;
    if (asynchat_set_options(c->ch, listens ? &subscriber_options : &options))
        asynchat_close(c->ch);
}

static void connected(struct asynchat_channel *ch, void *arg)
{
    struct client *c = g_new(struct client, 1);
    (void)arg;
    *c = (struct client){.ch = ch, .id = ++last_client_id, .resp = 2};
    c->in_all.data = c;
    g_queue_push_tail_link(&all_clients, &c->in_all);
    clients_used += sizeof *c;
    asynchat_set_arg(ch, c);
    if (asynchat_set_options(ch, &options))
        asynchat_close(ch);
    expect_line(c);
    asynchat_join(ch, ch); /* reading pauses while much is queued */
}

/* Whoever has broken the protocol may be sending anything. It gets the answers
 * and the error if it takes them, and soon the connection ends. */
static void break_off(struct client *c, const char *error)
{
    asynchat_set_linger(c->ch, BROKEN_TIME);
    say_error(c, "ERR Protocol error: %s", error);
    asynchat_close_in_stages(c->ch);
    goodbye(c);
}

static void message(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg)
{
    struct client *c = arg;
    const char *bytes = data, *error;
    (void)ch;
    if (c->stuck || c->late)
        error = c->stuck ? c->stuck : bad_number(c, c->late);
    else if (c->counted)
        error = got_word(c, bytes, len - 2);
    else if (c->expected > 0 || (len > 0 && bytes[0] == '*'))
        error = got_number(c, bytes, len);
    else
        error = got_line(c, bytes, len);
    if (error)
        break_off(c, error);
    else if (c->stops && c->expected <= 0 && !c->waits)
        goodbye(c);
}

static void failed(struct asynchat_channel *ch, int error, void *arg)
{
    struct client *c = arg;
    const void *begin = NULL;
    if (error == ASYNCHAT_EDEADLINE) {
        fprintf(stderr, "kv: client %lld is ended: it does not read\n", c->id);
        if (c->limited)
            asynchat_close(ch);
        else
            say_error(c, "ERR answers were not read in time");
    }
    if (error != ASYNCHAT_ETOOLONG)
        return;
    asynchat_get_collected(ch, &begin);
    bool counts = begin && *(const char *)begin == '*';
    break_off(c, c->expected > 0 ? "too big bulk count string"
                 : counts        ? "too big mbulk count string"
                                 : "too big inline request");
}

static void pressed(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    asynchat_set_steady_deadline(ch, UNREAD_TIME);
}

static void drained(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    asynchat_set_deadline(ch, 0);
}

/* The server waits for the rest of a line that has begun, for the words of an
 * array, which belong together, and for the steps of a request. */
static void stopping(struct asynchat_channel *ch, void *arg)
{
    struct client *c = arg;
    c->stops = true;
    if (c->expected <= 0 && !c->waits && asynchat_get_collected(ch, NULL) == 0)
        asynchat_close_between_messages(ch);
}

static void closed(struct asynchat_channel *ch, int status, void *arg)
{
    struct client *c = arg;
    (void)ch, (void)status;
    g_queue_unlink(&all_clients, &c->in_all);
    if (c->waits)
        g_queue_remove(&waiting, c);
    deliveries_forget(c);
    transaction_end(c);
    leave_all(c, ~0u);
    drop_words(c);
    if (c->to)
        g_byte_array_free(c->to, TRUE);
    clients_used -= sizeof *c + c->room * sizeof *c->words +
                    (c->name ? strlen(c->name) : 0);
    g_free(c->words);
    g_free(c->name);
    g_free(c);
}

const struct asynchat_handler handler = {
    .size = sizeof handler,
    .handle_connect = connected,
    .message = message,
    .handle_error = failed,
    .handle_pressure = pressed,
    .handle_drained = drained,
    .handle_stopping = stopping,
    .handle_close = closed,
};
