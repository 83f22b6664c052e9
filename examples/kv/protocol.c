/* Requests, their words and steps; and the callbacks of a client.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "kv.h"

#define LINE_MOST 65536
#define HEAD_MOST 64 /* bytes; a line that is longer is rare */
#define REQUEST_MOST (1u << 30)
#define CHUNK 4096
#define BLANKS " \f\n\r\t\v"
#define BROKEN_TIME 300   /* milliseconds */
#define HOLDS_LEAST 65536 /* bytes; who holds less is not ended */

/* While QUEUE_HIGH bytes wait for a client, the server does not read from it:
 * many clients send all their requests before they read. At QUEUE_MOST bytes
 * the client is dropped. A subscriber, whose queue is filled by others, has
 * less. A client whose queue stays above the first figure for UNREAD_TIME
 * milliseconds is ended. */
#define QUEUE_HIGH (512u << 20)
#define QUEUE_MOST (1u << 30)
#define SUBSCRIBER_QUEUE_HIGH (8u << 20)
#define SUBSCRIBER_QUEUE_MOST (32u << 20)
#define UNREAD_TIME 60000

/* Memory for the words of requests, and for the tables of these. */
struct chunk {
    struct chunk *older;
    size_t len, room;
    char bytes[];
};

GQueue all_clients = G_QUEUE_INIT;
long long last_client_id, memory_limit;
size_t clients_used;
static size_t held_back; /* bytes that came or go, when it was last looked */
static GQueue waiting = G_QUEUE_INIT; /* clients whose request has more steps */
static struct event *timer;
static struct chunk *spare;

/* --- words --- */

void count(struct client *c, long bytes)
{
    c->size += (size_t)bytes;
    clients_used += (size_t)bytes;
}

static void *room_for(struct client *c, size_t len)
{
    struct chunk *k = c->chunk;
    len = (len + 7) & ~(size_t)7;
    if (!k || k->room - k->len < len) {
        size_t room = len > CHUNK ? len : CHUNK;
        k = room == CHUNK && spare ? spare : g_malloc(sizeof *k + room);
        spare = k == spare ? NULL : spare;
        *k = (struct chunk){.older = c->chunk, .room = room};
        c->chunk = k;
        count(c, (long)(sizeof *k + room));
    }
    k->len += len;
    return k->bytes + k->len - len;
}

static void more_words(struct client *c)
{
    struct word *words = c->words;
    c->room = c->room * 2 + 8;
    c->words = room_for(c, c->room * sizeof *words);
    if (words)
        memcpy(c->words, words, c->count * sizeof *words);
}

static void add_word(struct client *c, const char *bytes, size_t len)
{
    char *to;
    if (c->count == c->room)
        more_words(c);
    if (len >= LARGE) {
        to = share_new(bytes, len, len);
        c->size += len + 1; /* the share is counted with the keys */
    } else {
        to = room_for(c, len + 1);
        memcpy(to, bytes, len);
        to[len] = '\0';
    }
    c->words[c->count++] = (struct word){to, len};
}

static void drop_words(struct client *c)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct word *w = &c->words[i];
        if (w->len >= LARGE) {
            c->size -= w->len + 1;
            share_release(NULL, 0, w->bytes);
        }
    }
    c->words = NULL;
    c->count = c->room = c->first = 0;
    while (c->chunk) {
        struct chunk *k = c->chunk;
        c->chunk = k->older;
        count(c, -(long)(sizeof *k + k->room));
        if (!spare && k->room == CHUNK)
            spare = k;
        else
            g_free(k);
    }
}

/* --- requests and their steps --- */

/* A request has had a step. The words of a transaction stay until its end. */
static void ran(struct client *c, const char *error)
{
    c->waits = error == again;
    if (c->waits) {
        asynchat_pause_reading(c->ch);
        g_queue_push_tail(&waiting, c);
        work_soon(0);
        return;
    }
    if (error && *error)
        say_error(c, error, c->command->name);
    if (c->queue && c->queue->len > 0)
        c->first = c->count;
    else
        drop_words(c);
    c->kept = c->size;
    if (c->stops)
        asynchat_close_after(c->ch);
}

static const char *got_request(struct client *c)
{
    c->expected = 0;
    c->args = c->words + c->first;
    c->argc = c->count - c->first;
    ran(c, run_request(c));
    return NULL;
}

/* --- memory: what clients have, and what is on the way to and from them --- */

size_t memory_used(void)
{
    return keys_used + clients_used + held_back;
}

/* Beyond the limit, commands that need memory are refused. If clients have more
 * than a quarter of it, the one that has most is ended. */
static void check_memory(void)
{
    size_t most = HOLDS_LEAST, sum = 0, limit = (size_t)memory_limit;
    struct client *largest = NULL;
    held_back = 0;
    for (GList *l = all_clients.head; l; l = l->next) {
        struct client *c = l->data;
        size_t way = asynchat_get_queued(c->ch) + (c->to ? c->to->len : 0) +
                     asynchat_get_collected(c->ch, NULL);
        held_back += way;
        sum += c->size + way;
        if (c->size + way > most) {
            most = c->size + way;
            largest = c;
        }
    }
    if (largest && memory_used() > limit && sum > limit / 4) {
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
    bool more = table_sweep();
    struct client *c = g_queue_pop_head(&waiting);
    if (c) {
        asynchat_resume_reading(c->ch);
        ran(c, run_pieces(c));
    }
    if (memory_limit)
        check_memory();
    if (more || waiting.length > 0)
        work_soon(0);
    else if (memory_limit || timed_count > 0)
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
    if (timer && (milliseconds == 0 || !evtimer_pending(timer, NULL)))
        require(evtimer_add(timer, &tv) ? -ENOMEM : 0, "timer");
}

/* Afterwards no work keeps the loop running. */
void work_close(void)
{
    g_clear_pointer(&timer, event_free);
    g_clear_pointer(&spare, g_free);
}

/* --- lines: NULL, or what is wrong with the protocol --- */

/* Reads an escape, behind a \ in double quotes, as a byte. Returns its last
 * character. */
static char *read_escape(char *at, char *byte)
{
    static const char names[] = "nrtba", bytes[] = "\n\r\t\b\a";
    const char *name = strchr(names, *at);
    *byte = name ? bytes[name - names] : *at;
    if (*at != 'x' || !g_ascii_isxdigit(at[1]) || !g_ascii_isxdigit(at[2]))
        return at;
    *byte =
        (char)(g_ascii_xdigit_value(at[1]) << 4 | g_ascii_xdigit_value(at[2]));
    return at + 2;
}

/* Reads a word: bare, 'in single quotes' or "in double quotes". Puts its
 * meaning in its place, up to *to. Returns where the word ends, or NULL if its
 * quotes are not balanced. */
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

static const char *too_big(const struct client *c, char first)
{
    return c->expected > 0 ? "too big bulk count string"
           : first == '*'  ? "too big mbulk count string"
                           : "too big inline request";
}

/* Like Redis, waits until more than LINE_MOST bytes have come that are no line;
 * it does not see the end of a line with a NUL in it. */
static const char *get_stuck(struct client *c, size_t len, char first)
{
    c->broken = too_big(c, first);
    asynchat_set_block(c->ch, LINE_MOST - len);
    return NULL;
}

/* A line that is no number though it should be. Like Redis, looks for a return,
 * not for a newline; and not behind a NUL. */
static const char *got_no_number(struct client *c, const char *line, size_t len)
{
    const char *end = memchr(line, '\r', len);
    char first = len > 0 ? line[0] : ' ';
    struct word number = {(char *)line + 1, end ? (size_t)(end - line) - 1 : 0};
    long long n;
    if (c->expected <= 0 && is_number(&number, &n) && n < 0)
        return NULL; /* as an array without words */
    if (memchr(line, '\0', end ? (size_t)(end - line) : len))
        return get_stuck(c, len, first);
    c->late = first;
    const char *error = c->expected <= 0 ? "invalid multibulk length"
                        : first == '$'   ? "invalid bulk length"
                                         : "expected '$', got '%c'";
    if (end)
        return error;
    c->broken = error;
    asynchat_set_terminator(c->ch, "\r", 1);
    asynchat_set_message_limit(c->ch, LINE_MOST);
    return NULL;
}

static const char *got_line(struct client *c, char *line, size_t len)
{
    char *at = line, *end;
    if (memchr(line, '\0', len))
        return get_stuck(c, len, *line);
    while (*(at += strspn(at, BLANKS))) {
        const char *word = at;
        at = read_word(at, &end);
        if (!at)
            return "unbalanced quotes in request";
        add_word(c, word, (size_t)(end - word));
    }
    return c->count > c->first ? got_request(c) : NULL;
}

/* --- messages --- */

/* Reads "*2" or "$3" and its line end; this is a short is_number(), for each
 * word. Returns the length, or 0 if it is something else. */
static size_t read_head(const char *line, size_t len, long long most,
                        long long *n)
{
    size_t i = 1;
    *n = 0;
    for (; i < len && line[i] >= '0' && line[i] <= '9' && *n <= most; i++)
        *n = *n * 10 + (line[i] - '0');
    bool ends = i + 1 < len && line[i] == '\r' && line[i + 1] == '\n';
    return !ends || i == 1 || (i > 2 && line[1] == '0') || *n > most ? 0
                                                                     : i + 2;
}

/* A message is a line, or a length with its word and two more bytes, which
 * Redis does not look at either. Of a long line it is the first bytes. */
static int look(const void *bytes, size_t len, struct asynchat_head *head,
                void *arg)
{
    struct client *c = arg;
    const char *line = bytes, *end;
    bool word = *line == '$';
    c->begun = true;
    c->head = word || *line == '*'
                  ? read_head(line, len, word ? WORD_MOST : INT_MAX, &c->number)
                  : 0;
    if (c->head > 0) {
        head->length = c->head + (word ? (uint64_t)c->number + 2 : 0);
        return ASYNCHAT_HEAD_KNOWN;
    }
    end = memchr(line, '\n', len);
    head->length = end ? (size_t)(end + 1 - line) : len;
    return end || len == HEAD_MOST ? ASYNCHAT_HEAD_KNOWN : ASYNCHAT_HEAD_MORE;
}

static void expect_head(struct client *c)
{
    g_clear_pointer(&c->line, g_free);
    if (asynchat_set_framing(c->ch,
                             asynchat_framing_function(look, HEAD_MOST, c)))
        asynchat_close(c->ch); /* no memory */
    asynchat_set_message_limit(c->ch, WORD_MOST + HEAD_MOST + 2);
}

static const char *expect_end(struct client *c, const char *bytes, size_t len)
{
    c->line = g_memdup2(bytes, len);
    if (asynchat_set_terminator(c->ch, "\n", 1)) /* no memory */
        asynchat_close(c->ch);
    asynchat_set_message_limit(c->ch, LINE_MOST - len);
    return NULL;
}

static const char *got_word(struct client *c, const char *bytes, size_t len)
{
    add_word(c, bytes, len);
    if (c->size > REQUEST_MOST)
        asynchat_close(c->ch);
    return c->expected == (long long)(c->count - c->first) ? got_request(c)
                                                           : NULL;
}

/* A line that is no number and no word, or the rest of a long line. */
static const char *got_text(struct client *c, const char *bytes, size_t len)
{
    char line[LINE_MOST + HEAD_MOST];
    size_t before = c->line ? HEAD_MOST : 0;
    memcpy(line, c->line ? c->line : bytes, before);
    memcpy(line + before, bytes, len);
    line[before + len] = '\0';
    if (c->line)
        expect_head(c);
    return c->expected > 0 || line[0] == '*'
               ? got_no_number(c, line, before + len)
               : got_line(c, line, before + len);
}

static const char *got_message(struct client *c, const char *bytes, size_t len)
{
    if (c->broken)
        return c->broken;
    if (c->head > 0 && *bytes == '$' && c->expected > 0)
        return got_word(c, bytes + c->head, len - c->head - 2);
    if (c->head > 0 && *bytes == '*' && c->expected <= 0)
        return c->expected = c->number, NULL;
    const char *end = memchr(bytes, '\n', len);
    return end || c->line
               ? got_text(c, bytes, end ? (size_t)(end - bytes) : len)
               : expect_end(c, bytes, len);
}

/* --- the callbacks --- */

void set_limits(struct client *c)
{
    size_t high = listens(c) ? SUBSCRIBER_QUEUE_HIGH : QUEUE_HIGH;
    asynchat_set_output_marks(c->ch, listens(c) ? high - 1 : high / 2, high);
    asynchat_set_output_limit(c->ch,
                              listens(c) ? SUBSCRIBER_QUEUE_MOST : QUEUE_MOST);
}

static void connected(struct asynchat_channel *ch, void *arg)
{
    struct client *c = g_new0(struct client, 1);
    (void)arg;
    c->ch = ch;
    c->id = ++last_client_id;
    c->resp = 2;
    c->in_all.data = c;
    g_queue_push_tail_link(&all_clients, &c->in_all);
    clients_used += sizeof *c;
    asynchat_set_arg(ch, c);
    set_limits(c);
    expect_head(c);
    asynchat_join(ch, ch); /* reading pauses while much is queued */
}

/* Whoever has broken the protocol may be sending anything. It gets the answers
 * and the error if it takes them, and soon the connection ends. */
static void break_off(struct client *c, const char *error)
{
    char text[64];
    snprintf(text, sizeof text, "ERR Protocol error: %s", error);
    asynchat_set_linger(c->ch, BROKEN_TIME);
    say_error(c, text, c->late);
    asynchat_close_in_stages(c->ch);
    asynchat_close_after(c->ch);
}

static void message(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg)
{
    struct client *c = arg;
    (void)ch;
    c->begun = false;
    const char *error = got_message(c, data, len);
    if (error)
        break_off(c, error);
    else if (c->stops && c->expected <= 0 && !c->waits)
        asynchat_close_after(c->ch);
}

static void failed(struct asynchat_channel *ch, int error, void *arg)
{
    struct client *c = arg;
    if (error == ASYNCHAT_ETOOLONG)
        break_off(c, too_big(c, c->line ? *c->line : c->late));
    if (error != ASYNCHAT_EDEADLINE)
        return;
    fprintf(stderr, "kv: client %lld is ended: it does not read\n", c->id);
    if (listens(c))
        asynchat_close(ch);
    else
        say_error(c, "ERR answers were not read in time");
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
    if (c->expected <= 0 && !c->waits && !c->begun && !c->line)
        asynchat_close_between_messages(ch);
}

static void closed(struct asynchat_channel *ch, int status, void *arg)
{
    struct client *c = arg;
    (void)ch, (void)status;
    g_queue_unlink(&all_clients, &c->in_all);
    if (c->waits)
        g_queue_remove(&waiting, c);
    publish_end(c);
    transaction_end(c);
    leave_all(c, ~0u);
    drop_words(c);
    if (c->to)
        g_string_free(c->to, TRUE);
    set_name(c, "");
    clients_used -= sizeof *c;
    g_free(c->line);
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
