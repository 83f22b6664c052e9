/* Requests, and the callbacks of a client.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "kv.h"

long long clients, last_client_id;

/* --- requests: NULL, or what is wrong with the protocol --- */

static const char *run(struct client *c)
{
    const char *error = run_request(c);
    if (error)
        say_error(c, error, c->command->name);
    drop_words(c);
    return c->stops ? goodbye(c) : NULL;
}

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

static const char *got_line(struct client *c, const char *bytes, size_t len)
{
    char line[LINE_MOST + 1], *at = line, *end;
    memcpy(line, bytes, len);
    line[len] = '\0';
    while (*(at += strspn(at, BLANKS))) {
        const char *word = at;
        at = read_word(at, &end);
        if (!at)
            return "unbalanced quotes in request";
        add_word(c, word_new(word, (size_t)(end - word), 0));
    }
    return c->count > 0 ? run(c) : NULL;
}

/* Reads "*2", or "$3" if an array is in progress. An empty array is no request.
 * Like Redis, this skips the line end behind a word without checking it. */
static const char *got_number(struct client *c, const char *line, size_t len)
{
    static char expected[] = "expected '$', got ' '";
    bool counts = c->expected <= 0;
    long long n, most = counts ? INT_MAX : WORD_MOST;
    expected[sizeof expected - 3] = len > 0 ? line[0] : ' ';
    if (!counts && (len == 0 || line[0] != '$'))
        return expected;
    if (len < 3 || line[len - 1] != '\r' ||
        !parse_number(line + 1, len - 2, &n) || n > most || (!counts && n < 0))
        return counts ? "invalid multibulk length" : "invalid bulk length";
    if (counts) {
        c->expected = n;
        return NULL;
    }
    if (c->size + sizeof(struct word) + (size_t)n > REQUEST_MOST)
        asynchat_close(c->ch);
    c->counted = true;
    asynchat_set_terminator_length(c->ch, (uint64_t)n + 2);
    asynchat_set_message_limit(c->ch, (size_t)n + 2);
    return NULL;
}

static void expect_line(struct client *c)
{
    if (asynchat_set_terminator(c->ch, "\n", 1)) /* no memory */
        asynchat_close(c->ch);
    asynchat_set_message_limit(c->ch, LINE_MOST);
    c->counted = false;
}

static const char *got_word(struct client *c, const char *bytes, size_t len)
{
    expect_line(c);
    add_word(c, word_new(bytes, len, 0));
    return (long long)c->count == c->expected ? run(c) : NULL;
}

/* --- the callbacks --- */

static const struct asynchat_options options = {
    .size = sizeof options,
    .message_limit = LINE_MOST,
    .output_limit = QUEUE_MOST,
    .low_mark = QUEUE_HIGH / 2,
    .high_mark = QUEUE_HIGH,
};

static void connected(struct asynchat_channel *ch, void *arg)
{
    struct client *c = allocate(NULL, sizeof *c);
    (void)arg;
    *c = (struct client){.ch = ch, .id = ++last_client_id};
    clients++;
    memory_used += sizeof *c;
    asynchat_set_arg(ch, c);
    asynchat_set_options(ch, &options);
    expect_line(c);
    asynchat_join(ch, ch); /* reading pauses while much is queued */
}

static void message(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg)
{
    struct client *c = arg;
    const char *bytes = data, *error;
    (void)ch;
    if (c->counted)
        error = got_word(c, bytes, len - 2);
    else if (c->expected > 0 || (len > 0 && bytes[0] == '*'))
        error = got_number(c, bytes, len);
    else
        error = got_line(c, bytes, len);
    if (error) {
        say_error(c, "ERR Protocol error: %s", error);
        goodbye(c);
    }
}

static void failed(struct asynchat_channel *ch, int error, void *arg)
{
    struct client *c = arg;
    (void)ch;
    if (error == ASYNCHAT_ETOOLONG)
        say_error(c, "ERR Protocol error: too big %s",
                  c->expected > 0 ? "bulk count string" : "inline request");
}

/* The server waits for the rest of a line that has begun, and for the words of
 * an array, which belong together. */
static void stopping(struct asynchat_channel *ch, void *arg)
{
    struct client *c = arg;
    c->stops = true;
    if (c->expected <= 0)
        asynchat_close_between_messages(ch);
}

static void closed(struct asynchat_channel *ch, int status, void *arg)
{
    struct client *c = arg;
    (void)ch, (void)status;
    if (c->listens > 0)
        DL_DELETE(listeners, c);
    delete_all(&c->topics[TOPICS]);
    delete_all(&c->topics[PATTERNS]);
    drop_words(c);
    free(c->words);
    word_release(c->name);
    free(c);
    clients--;
    memory_used -= sizeof *c;
}

const struct asynchat_handler handler = {
    .size = sizeof handler,
    .handle_connect = connected,
    .message = message,
    .handle_error = failed,
    .handle_stopping = stopping,
    .handle_close = closed,
};
