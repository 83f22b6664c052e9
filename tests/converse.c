/* One side of scripted conversations, whose other side is CPython's asynchat.
 * Prints what it received. See tests/conformance/README.md.
 *
 * usage: converse pieces|whole server < scripts            prints its port
 * first
 *        converse pieces|whole client PORT < scripts
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include <asynchat.h>

#define SECONDS 100 /* for all conversations */

/* A conversation is a script, run up to where it waits for a message. */
struct conversation {
    int number;
    char *rest;              /* the rest of the script */
    struct evbuffer *heard;  /* bytes of the message in progress */
    struct evbuffer *report; /* the text to be printed at the end */
    struct conversation *next;
};

static struct event_base *base;
static struct asynchat_server *server;
static struct conversation *conversations; /* not begun yet */
static const char *address;                /* to connect to; or NULL */

static void check(bool failed, const char *what)
{
    if (failed) {
        fprintf(stderr, "converse: %s\n", what);
        exit(1);
    }
}

/* --- the script --- */

static unsigned char *parse_hex(const char *hex, size_t *len)
{
    unsigned char *bytes = malloc(strlen(hex) / 2 + 1);
    check(!bytes, "out of memory");
    for (*len = 0; hex[2 * *len]; ++*len) {
        const char two[3] = {hex[2 * *len], hex[2 * *len + 1], '\0'};
        bytes[*len] = (unsigned char)strtoul(two, NULL, 16);
    }
    return bytes;
}

static void set_terminator(struct asynchat_channel *ch, char *value)
{
    const char *kind = strsep(&value, " ");
    int error;
    if (strcmp(kind, "str") == 0) {
        size_t len;
        unsigned char *bytes = parse_hex(value, &len);
        error = asynchat_set_terminator(ch, bytes, len);
        free(bytes);
    } else if (strcmp(kind, "num") == 0) {
        error = asynchat_set_terminator_length(ch, strtoull(value, NULL, 10));
    } else {
        error = asynchat_set_terminator_none(ch);
    }
    check(error, "set_terminator");
}

static void push(struct asynchat_channel *ch, const char *hex, size_t simple)
{
    size_t len;
    unsigned char *bytes = parse_hex(hex, &len);
    int error = simple == 0
                    ? asynchat_push(ch, bytes, len)
                    : asynchat_push_producer(
                          ch, asynchat_producer_simple(bytes, len, simple));
    check(error, "push");
    free(bytes);
}

/* Runs the script until it waits for the next message. */
static void go_on(struct conversation *c, struct asynchat_channel *ch)
{
    char *line;
    while ((line = strsep(&c->rest, "\n"))) {
        const char *word = strsep(&line, " ");
        if (strcmp(word, "term") == 0) {
            set_terminator(ch, line);
            return;
        }
        if (strcmp(word, "push") == 0)
            push(ch, line, 0);
        else if (strcmp(word, "simple") == 0) {
            size_t simple = strtoul(strsep(&line, " "), NULL, 10);
            push(ch, line, simple);
        } else if (strcmp(word, "cwd") == 0)
            check(asynchat_close_when_done(ch), "close_when_done");
    }
}

/* --- the channel --- */

static void collect(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg)
{
    struct conversation *c = arg;
    (void)ch;
    check(evbuffer_add(c->heard, data, len), "out of memory");
}

/* Reports what was received, and clears it. */
static void report_heard(struct conversation *c, const char *what)
{
    size_t len = evbuffer_get_length(c->heard);
    const unsigned char *bytes = evbuffer_pullup(c->heard, -1);
    evbuffer_add_printf(c->report, "%s ", what);
    for (size_t i = 0; i < len; i++)
        evbuffer_add_printf(c->report, "%02x", bytes[i]);
    evbuffer_add_printf(c->report, "\n");
    evbuffer_drain(c->heard, len);
}

static void found(struct asynchat_channel *ch, void *arg)
{
    struct conversation *c = arg;
    report_heard(c, "message");
    go_on(c, ch);
}

/* Without a terminator the message is everything up to the end. */
static void message(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg)
{
    collect(ch, data, len, arg);
    if (asynchat_get_terminator(ch, NULL, NULL) != ASYNCHAT_NONE)
        found(ch, arg);
}

static void connected(struct asynchat_channel *ch, void *arg)
{
    struct conversation *c = conversations;
    (void)arg;
    check(!c, "one connection too many");
    conversations = c->next;
    c->heard = evbuffer_new();
    c->report = evbuffer_new();
    check(!c->heard || !c->report, "out of memory");
    asynchat_set_arg(ch, c);
    evbuffer_add_printf(c->report, "conversation %d\n", c->number);
    go_on(c, ch);
}

static void begin_next(void);

static void closed(struct asynchat_channel *ch, int status, void *arg)
{
    struct conversation *c = arg;
    (void)ch;
    check(!c, "it does not connect");
    report_heard(c, "rest");
    evbuffer_add_printf(c->report, "closed %d\n", status);
    fwrite(evbuffer_pullup(c->report, -1), 1, evbuffer_get_length(c->report),
           stdout);
    evbuffer_free(c->heard);
    evbuffer_free(c->report);
    free(c);
    begin_next();
}

static const struct asynchat_handler handlers[] = {
    {.size = sizeof handlers[0],
     .collect_incoming_data = collect,
     .found_terminator = found,
     .handle_connect = connected,
     .handle_close = closed},
    {.size = sizeof handlers[0],
     .message = message,
     .handle_connect = connected,
     .handle_close = closed}};
static const struct asynchat_handler *handler = &handlers[0];

/* A server waits for the next connection instead. */
static void begin_next(void)
{
    struct asynchat_channel *ch;
    if (!conversations) {
        asynchat_server_free(server);
        server = NULL;
        return;
    }
    if (address)
        check(asynchat_connect(base, address, 0, handler, NULL, &ch),
              "connect");
}

/* --- all of them --- */

/* Reads the scripts. They are parts of the text that is returned. */
static char *read_scripts(void)
{
    struct conversation **last = &conversations;
    char *text = NULL;
    size_t size = 0;
    check(getdelim(&text, &size, '\0', stdin) <= 0, "no scripts");
    char *script, *rest = text;
    for (int number = 1; (script = rest); number++) {
        if ((rest = strstr(script, "---\n"))) {
            *rest = '\0';
            rest += 4;
        }
        struct conversation *c = calloc(1, sizeof *c);
        check(!c, "out of memory");
        c->number = number;
        c->rest = script;
        *last = c;
        last = &c->next;
    }
    return text;
}

static void serve(void)
{
    check(
        asynchat_server_new(base, "127.0.0.1:0", handler, NULL, NULL, &server),
        "server");
    printf("%d\n", asynchat_server_port(server));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    char text[32];
    check(argc < 3, "usage: converse pieces|whole server|client [PORT]");
    alarm(SECONDS);
    if (strcmp(argv[1], "whole") == 0)
        handler = &handlers[1];
    base = event_base_new();
    check(!base, "event_base_new");
    char *scripts = read_scripts();
    if (argc > 3) {
        snprintf(text, sizeof text, "127.0.0.1:%s", argv[3]);
        address = text;
        begin_next();
    } else {
        serve();
    }
    event_base_dispatch(base);
    event_base_free(base);
    free(scripts);
    return 0;
}
