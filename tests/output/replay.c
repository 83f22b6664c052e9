/* Replays output scripts over a channel whose socket takes as many bytes as it
 * is told to. It must print the same as CPython's asynchat. The scripts, the
 * output and the rules are described in tests/conformance/README.md.
 *
 * usage: replay_output < scripts
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include <asynchat.h>

#include "sink.h"

#define ENTRIES 1024 /* pushes and chunks of one script */
#define INSIDES 8    /* commands in one callback */
#define QUIET 3      /* passes of the loop in which nothing happens */
#define PASSES 20000 /* of the loop in one turn */
#define SECONDS 100  /* of all */

struct command {
    int line;
    char *words;
};

/* A producer was asked for a chunk, which begins at this byte of the output. */
struct ask {
    char name[8];
    size_t bytes;
    size_t at;
};

struct script {
    struct event_base *base;
    struct asynchat_channel *ch; /* NULL once it has closed */
    int peer;
    int line;
    unsigned long happened;
    bool peer_ends; /* the peer ends with the next turn */
    bool ends;      /* close_when_done was called */
    bool closed;    /* handle_close was called */
    size_t closed_at;
    struct command insides[INSIDES];
    size_t inside_count;
    size_t base_at;       /* where the output begins that was not dropped */
    size_t lens[ENTRIES]; /* the length of each entry, as far as known */
    size_t entry_count;
    struct ask asks[ENTRIES]; /* asks that are not printed yet */
    size_t ask_count, asks_printed;
    bool dropped;
    int lent; /* references that the library must still release */
};

static void check(bool failed, const char *what)
{
    if (failed) {
        fprintf(stderr, "replay_output: %s\n", what);
        exit(1);
    }
}

static void rule(const char *name)
{
    printf("# rule %s\n", name);
}

/* --- words --- */

/* "6162*3" is ababab; "-", or no word, is no bytes. */
static unsigned char *parse_data(const char *word, size_t *len)
{
    const char *times = word ? strchr(word, '*') : NULL;
    size_t unit = !word || *word == '-' ? 0 : strcspn(word, "*") / 2;
    *len = unit * (times ? strtoul(times + 1, NULL, 10) : 1);
    unsigned char *bytes = malloc(*len > 0 ? *len : 1);
    check(!bytes, "out of memory");
    for (size_t i = 0; i < *len; i++) {
        const char two[3] = {word[i % unit * 2], word[i % unit * 2 + 1], '\0'};
        bytes[i] = (unsigned char)strtoul(two, NULL, 16);
    }
    return bytes;
}

static char *next_word(char **rest)
{
    char *word;
    do
        word = strsep(rest, " ");
    while (word && !*word);
    return word;
}

/* --- where in the output everything is --- */

static void entry_add(struct script *s, size_t len)
{
    check(s->entry_count == ENTRIES, "a script pushes too often");
    s->lens[s->entry_count++] = len;
}

static size_t entry_end(const struct script *s, size_t entry)
{
    size_t end = s->base_at;
    for (size_t i = 0; i <= entry; i++)
        end += s->lens[i];
    return end;
}

/* Prints each ask when everything before its chunk has gone out. That is when
 * CPython asks; the library may have asked a little earlier. */
static void print_asks(struct script *s)
{
    for (; s->asks_printed < s->ask_count; s->asks_printed++) {
        const struct ask *ask = &s->asks[s->asks_printed];
        if (ask->at > sink_taken())
            return;
        printf("ask %s %zu\n", ask->name, ask->bytes);
    }
}

static void ask_add(struct script *s, const struct ask *ask)
{
    check(s->ask_count == ENTRIES, "a script asks too often");
    s->asks[s->ask_count++] = *ask;
    print_asks(s);
}

static void check_early(const struct script *s, size_t before)
{
    size_t half = (asynchat_get_out_buffer_size(s->ch) + 1) / 2;
    if (before >= half)
        printf("problem: asked while %zu bytes wait before it\n", before);
    if (before > 0)
        rule("half-a-write");
}

/* Forgets asks that came early, as if they had never been. */
static void drop(struct script *s)
{
    print_asks(s);
    s->ask_count = s->asks_printed;
    s->entry_count = 0;
    s->base_at = sink_taken();
    s->dropped = true;
    s->ends = false;
}

/* --- a producer of pieces --- */

struct scripted {
    struct script *s;
    int line;
    char *words, *rest;
    const char *name;
    unsigned char *piece;
    size_t len, at;
    size_t entry;
};

static void run_command(struct script *s, int line, char *words);

/* Runs the commands before the next piece, and finds the piece. It is empty at
 * the end. */
static void scripted_next(struct scripted *p)
{
    struct script *s = p->s;
    char *word, *equals;
    while ((word = next_word(&p->rest)) && *word == '!') {
        if ((equals = strchr(word, '=')))
            *equals = ' ';
        run_command(s, p->line, word + 1);
    }
    free(p->piece);
    p->piece = parse_data(word, &p->len);
    p->at = 0;
}

/* A piece longer than the room is asked for several times. A producer whose
 * name begins with d says with its last piece that it is done. */
static int scripted_more(struct asynchat_channel *ch, struct evbuffer *out,
                         size_t room, void *arg)
{
    struct scripted *p = arg;
    struct script *s = p->s;
    bool next = p->at == p->len;
    size_t at = entry_end(s, p->entry);
    (void)ch;
    check_early(s, at - sink_taken());
    s->happened++;
    s->dropped = false;
    if (next)
        scripted_next(p);
    else
        rule("room");
    size_t n = p->len - p->at < room ? p->len - p->at : room;
    check(evbuffer_add(out, p->piece + p->at, n) < 0, "out of memory");
    p->at += n;
    if (next) {
        struct ask ask = {"", p->len, s->dropped ? 0 : at};
        snprintf(ask.name, sizeof ask.name, "%s", p->name);
        ask_add(s, &ask);
    }
    if (!s->dropped)
        s->lens[p->entry] += n;
    bool last = p->at == p->len && (!p->rest || !*p->rest);
    return last && *p->name == 'd' ? ASYNCHAT_DONE : ASYNCHAT_MORE;
}

static void scripted_release(void *arg)
{
    struct scripted *p = arg;
    p->s->lent--;
    free(p->words);
    free(p->piece);
    free(p);
}

static struct asynchat_producer *scripted_new(struct script *s, int line,
                                              char *words)
{
    static const struct asynchat_producer_ops ops = {
        .size = sizeof ops,
        .more = scripted_more,
        .release = scripted_release,
    };
    struct asynchat_producer *producer;
    struct scripted *p = calloc(1, sizeof *p);
    check(!p || !(p->words = strdup(words)), "out of memory");
    p->s = s;
    p->line = line;
    p->rest = p->words;
    p->name = next_word(&p->rest);
    p->entry = s->entry_count;
    check(asynchat_producer_new(&ops, p, &producer), "producer_new");
    s->lent++;
    return producer;
}

/* --- pushing --- */

static void release_bytes(const void *data, size_t len, void *arg)
{
    (void)len;
    ((struct script *)arg)->lent--;
    free((void *)(uintptr_t)data);
}

static int push_reference(struct script *s, const void *bytes, size_t len)
{
    void *copy = malloc(len > 0 ? len : 1);
    check(!copy, "out of memory");
    memcpy(copy, bytes, len);
    s->lent++;
    return asynchat_push_reference(s->ch, copy, len, release_bytes, s);
}

static int push_evbuffer(struct script *s, const void *bytes, size_t len)
{
    struct evbuffer *buffer = evbuffer_new();
    check(!buffer || evbuffer_add(buffer, bytes, len) < 0, "out of memory");
    int error = asynchat_push_evbuffer(s->ch, buffer);
    evbuffer_free(buffer);
    return error;
}

/* Pushes in one of three ways, which must all have the same effect. */
static int push_bytes(struct script *s, int way, const void *bytes, size_t len)
{
    if (way == 0)
        return asynchat_push(s->ch, bytes, len);
    return way == 1 ? push_evbuffer(s, bytes, len)
                    : push_reference(s, bytes, len);
}

/* Returns the result of the push. *len of its bytes will certainly go out. */
static int push(struct script *s, int line, char *words, size_t *len)
{
    const char *kind = next_word(&words);
    *len = 0;
    if (!s->ch)
        return ASYNCHAT_ECLOSED;
    if (strcmp(kind, "producer") == 0)
        return asynchat_push_producer(s->ch, scripted_new(s, line, words));
    bool simple = strcmp(kind, "simple") == 0;
    size_t size = simple ? strtoul(next_word(&words), NULL, 10) : 0;
    unsigned char *bytes = parse_data(next_word(&words), len);
    int error = simple ? asynchat_push_producer(
                             s->ch, asynchat_producer_simple(bytes, *len, size))
                       : push_bytes(s, line % 3, bytes, *len);
    free(bytes);
    return error;
}

/* --- commands --- */

static void run_push(struct script *s, int line, char *words)
{
    size_t len;
    int error = push(s, line, words, &len);
    if (error == ASYNCHAT_ECLOSED)
        printf("late %d\n", line);
    else if (error)
        printf("problem: %s\n", asynchat_strerror(error));
    else
        entry_add(s, len);
}

static void run_command(struct script *s, int line, char *words)
{
    if (strcmp(words, "cwd") == 0) {
        s->ends = s->ch && asynchat_close_when_done(s->ch) == 0;
    } else if (strcmp(words, "discard") == 0) {
        if (s->ch)
            asynchat_discard_buffers(s->ch);
        drop(s);
    } else if (strcmp(words, "close") == 0) {
        asynchat_close(s->ch);
        drop(s);
    } else {
        run_push(s, line, words);
    }
}

/* --- the channel --- */

static void collect(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg)
{
    struct script *s = arg;
    (void)ch;
    (void)data;
    (void)len;
    s->happened++;
    for (size_t i = 0; i < s->inside_count; i++)
        run_command(s, s->insides[i].line, s->insides[i].words);
}

static void closed(struct asynchat_channel *ch, int status, void *arg)
{
    struct script *s = arg;
    (void)ch;
    s->happened++;
    s->ch = NULL;
    s->closed = true;
    s->closed_at = sink_taken();
    if (status != 0 && !(status == ASYNCHAT_EOF && s->peer_ends))
        printf("problem: closed with %s\n", asynchat_strerror(status));
}

static void begin(struct script *s)
{
    static const struct asynchat_handler handler = {
        .size = sizeof handler,
        .collect_incoming_data = collect,
        .handle_close = closed,
    };
    int fds[2];
    memset(s, 0, sizeof *s);
    s->base = event_base_new();
    check(!s->base || socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0, "begin");
    check(asynchat_channel_new_socket(s->base, fds[0], &handler, s, &s->ch),
          "channel");
    sink_open(fds[0]);
    s->peer = fds[1];
}

static void forget_insides(struct script *s)
{
    while (s->inside_count > 0)
        free(s->insides[--s->inside_count].words);
}

static void end(struct script *s)
{
    asynchat_channel_free(s->ch);
    forget_insides(s);
    event_base_free(s->base);
    close(s->peer);
    sink_open(-1);
    if (s->lent)
        printf("problem: %d were not released\n", s->lent);
}

/* --- a turn of the loop --- */

/* Runs one pass at a time, since a socket that refuses stays ready to write. */
static void settle(struct script *s)
{
    unsigned passes = 0;
    for (int quiet = 0; quiet < QUIET; passes++) {
        unsigned long before = s->happened + sink_taken();
        event_base_loop(s->base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
        quiet = s->happened + sink_taken() == before ? quiet + 1 : 0;
        check(passes == PASSES, "it never comes to rest");
    }
}

/* Whether it matters if the input or the output of a turn comes first. A push
 * after the end is printed, and so is an ask; a dropped producer is not
 * asked. */
static bool order_matters(const struct script *s)
{
    bool matters = s->ends;
    for (size_t i = 0; i < s->inside_count; i++)
        matters = matters || strcmp(s->insides[i].words, "cwd") == 0 ||
                  strcmp(s->insides[i].words, "discard") == 0 ||
                  strcmp(s->insides[i].words, "close") == 0;
    return matters;
}

/* Receives a byte from the peer, and runs the commands in its callback. */
static void receive(struct script *s)
{
    if (!s->ch || s->inside_count == 0 ||
        send(s->peer, "x", 1, MSG_NOSIGNAL) != 1 || !order_matters(s))
        return;
    rule("either-first");
    settle(s);
}

static void go(struct script *s, size_t budget)
{
    bool was_closed = s->closed;
    receive(s);
    if (s->peer_ends)
        shutdown(s->peer, SHUT_WR);
    sink_allow(budget);
    settle(s);
    sink_allow(0);
    forget_insides(s);
    print_asks(s);
    if (s->ch && sink_offered() > asynchat_get_out_buffer_size(s->ch))
        printf("problem: one write is more than out_buffer_size\n");
    printf("sent ");
    sink_print();
    printf("\n");
    if (s->closed && !was_closed)
        printf("closed %zu\n", s->closed_at);
}

/* --- the script --- */

static void add_inside(struct script *s, const char *words)
{
    struct command *command = &s->insides[s->inside_count++];
    check(s->inside_count > INSIDES, "too many commands inside");
    *command = (struct command){s->line, strdup(words)};
    check(!command->words, "out of memory");
}

static void run_line(struct script *s, char *line)
{
    s->line++;
    line[strcspn(line, "#\n")] = '\0';
    if (strcmp(line, "---") == 0) {
        end(s);
        printf("---\n");
        begin(s);
    } else if (strncmp(line, "out ", 4) == 0) {
        check(asynchat_set_out_buffer_size(s->ch, strtoul(line + 4, NULL, 10)),
              "out_buffer_size");
    } else if (strncmp(line, "in ", 3) == 0) {
        add_inside(s, line + 3);
    } else if (strncmp(line, "go ", 3) == 0) {
        go(s, strtoul(line + 3, NULL, 10));
    } else if (strcmp(line, "eof") == 0) {
        s->peer_ends = true;
    } else if (*line) {
        run_command(s, s->line, line);
    }
}

int main(void)
{
    static struct script s;
    char *line = NULL;
    size_t size = 0;
    alarm(SECONDS);
    begin(&s);
    while (getline(&line, &size, stdin) >= 0)
        run_line(&s, line);
    end(&s);
    free(line);
    return 0;
}
