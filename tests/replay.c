/* Replays conformance scripts over a real channel: replay.h says which. It must print the same as
 * CPython's asynchat. The scripts and the output are described in
 * tests/conformance/README.md.
 *
 * usage: replay < scripts
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

struct terminator {
    enum { KEEP, NONE, NUM, STR } kind;
    uint64_t number;
    char *bytes;
    size_t len;
    struct terminator *next;
};

struct script {
    struct event_base *base;
    struct asynchat_channel *ch;
    int in_collect; /* the line is begun, but not ended */
    struct terminator *queue, **last;
};

static void check(int failed, const char *what)
{
    if (failed) {
        fprintf(stderr, "replay: %s\n", what);
        exit(1);
    }
}

static void print_hex(const void *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        printf("%02x", ((const unsigned char *)data)[i]);
}

static void end_collect(struct script *s)
{
    if (s->in_collect)
        printf("\n");
    s->in_collect = 0;
}

/* --- terminators --- */

static char *parse_hex(const char *text, size_t *len)
{
    char *bytes = malloc(strlen(text) / 2 + 1);
    check(!bytes, "out of memory");
    for (*len = 0; text[0] && text[1]; text += 2) {
        char two[3] = {text[0], text[1], '\0'};
        bytes[(*len)++] = (char)strtoul(two, NULL, 16);
    }
    return bytes;
}

static struct terminator *parse_terminator(void)
{
    struct terminator *t = calloc(1, sizeof *t);
    const char *kind = strtok(NULL, " ");
    const char *value = strtok(NULL, " ");
    check(!t || !kind, "a terminator is missing");
    if (strcmp(kind, "none") == 0)
        t->kind = NONE;
    else if (strcmp(kind, "num") == 0)
        t->kind = NUM, t->number = strtoull(value ? value : "", NULL, 10);
    else if (strcmp(kind, "str") == 0)
        t->kind = STR, t->bytes = parse_hex(value ? value : "", &t->len);
    else
        check(strcmp(kind, "keep") != 0, "a bad terminator");
    return t;
}

static void set_terminator(struct script *s, struct terminator *t)
{
    int error = 0;
    if (t->kind == NONE)
        error = asynchat_set_terminator_none(s->ch);
    else if (t->kind == NUM)
        error = asynchat_set_terminator_length(s->ch, t->number);
    else if (t->kind == STR)
        error = asynchat_set_terminator(s->ch, t->bytes, t->len);
    check(error, "set_terminator");
    free(t->bytes);
    free(t);
}

static struct terminator *pop(struct script *s)
{
    struct terminator *t = s->queue;
    s->queue = t->next;
    if (!s->queue)
        s->last = &s->queue;
    return t;
}

static void print_terminator(struct script *s)
{
    const void *bytes;
    uint64_t len;
    switch (asynchat_get_terminator(s->ch, &bytes, &len)) {
    case ASYNCHAT_NONE:
        printf("step none\n");
        break;
    case ASYNCHAT_LENGTH:
        printf("step num %llu\n", (unsigned long long)len);
        break;
    case ASYNCHAT_STRING:
        printf(len > 0 ? "step str " : "step str");
        print_hex(bytes, len);
        printf("\n");
        break;
    default: /* no script sets a framing */
        break;
    }
}

/* --- the channel --- */

static void collect(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg)
{
    struct script *s = arg;
    (void)ch;
    if (!s->in_collect)
        printf("collect ");
    s->in_collect = 1;
    print_hex(data, len);
}

static void found(struct asynchat_channel *ch, void *arg)
{
    struct script *s = arg;
    (void)ch;
    end_collect(s);
    printf("found\n");
    if (s->queue)
        set_terminator(s, pop(s));
}

static const struct asynchat_handler handler = {
    .size = sizeof handler,
    .collect_incoming_data = collect,
    .found_terminator = found,
};

static void begin(struct script *s)
{
    s->ch = line_open(s->base, &handler, s);
    s->last = &s->queue;
}

static void end(struct script *s)
{
    while (s->queue) {
        struct terminator *t = pop(s);
        free(t->bytes);
        free(t);
    }
    asynchat_channel_free(s->ch);
    line_close();
}

static void receive(struct script *s, const char *hex)
{
    size_t len;
    char *bytes = parse_hex(hex ? hex : "", &len);
    check(line_send(s->base, bytes, len) < 0, "send");
    end_collect(s);
    print_terminator(s);
    free(bytes);
}

static void run_line(struct script *s, char *line)
{
    line[strcspn(line, "#\n")] = '\0';
    const char *word = strtok(line, " ");
    if (!word)
        return;
    if (strcmp(word, "term") == 0) {
        set_terminator(s, parse_terminator());
    } else if (strcmp(word, "next") == 0) {
        *s->last = parse_terminator();
        s->last = &(*s->last)->next;
    } else if (strcmp(word, "recv") == 0) {
        receive(s, strtok(NULL, " "));
    } else if (strcmp(word, "discard") == 0) {
        asynchat_discard_buffers(s->ch);
    } else if (strcmp(word, "---") == 0) {
        end(s);
        printf("---\n");
        begin(s);
    } else {
        check(1, "a bad line");
    }
}

int main(void)
{
    struct script s = {.base = event_base_new()};
    char *line = NULL;
    size_t size = 0;
    check(!s.base, "event_base_new");
    begin(&s);
    while (getline(&line, &size, stdin) >= 0)
        run_line(&s, line);
    end(&s);
    free(line);
    event_base_free(s.base);
    return 0;
}
