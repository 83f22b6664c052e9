/* Long streams over one connection: to the server in lines or in mails, which
 * it counts, and from the server, as described in peer.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "load.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define LINE 65536          /* of an upload, "\r\n" included */
#define BLOCK 65536         /* what source and file send, over and over */
#define REQUEST (64L << 20) /* the most bytes asked for at once */
#define BUFFER (16 * LINE)

static int fd;
static struct tape tape;
static char *block; /* from any place below BLOCK, BUFFER bytes follow */

/* --- sink, and mail --- */

static const char *empty; /* an empty message, which is answered */
static long counted;      /* what the server counts of a message */

static void open_sink(char **argument)
{
    (void)argument;
    fd = open_connection();
    make_tape(&tape, LINE, BUFFER / LINE, 0);
    empty = "\r\n";
    counted = LINE - 2;
}

/* A mail is 16 lines of the tape; the last one is ".\r\n" shorter. Every
 * `dots`-th line begins with a dot, which is doubled. */
#define MAIL_LINES 16
#define MAIL_LINE (LINE / MAIL_LINES)

static void open_mail(char **argument)
{
    bool dotted = strcmp(argument[0], "dotted") == 0;
    long dots = atol(argument[1]);
    fd = open_connection();
    make_tape(&tape, MAIL_LINE, BUFFER / MAIL_LINE, 0);
    empty = dotted ? ".\r\n" : "\r\n.\r\n";
    counted = LINE - (dotted ? 3 : 5);
    for (char *at = tape.bytes; at < tape.bytes + BUFFER; at += LINE)
        memcpy(at + LINE - 5, "\r\n.\r\n", 5);
    for (long i = 0; dots > 0 && i < BUFFER / MAIL_LINE; i += dots)
        memcpy(tape.bytes + i * MAIL_LINE, "..", 2);
    if (dotted && dots > 0)
        counted -= (MAIL_LINES + dots - 1) / dots;
}

/* The answer comes when the server has seen everything, so only finished work
 * is timed. */
static void run_sink(long bytes, struct result *result)
{
    char answer[64], expected[64];
    long lines = bytes / LINE;
    for (long left = lines; left > 0; left -= BUFFER / LINE)
        send_all(fd, tape.bytes,
                 (size_t)(left < BUFFER / LINE ? left : BUFFER / LINE) * LINE);
    send_all(fd, empty, strlen(empty));
    int len = snprintf(expected, sizeof expected, "%ld %ld\r\n", lines,
                       lines * counted);
    receive_all(fd, answer, (size_t)len);
    if (memcmp(answer, expected, (size_t)len) != 0)
        wrong("another count of lines or bytes");
    result->count = lines * LINE;
}

const struct load load_sink = {"sink", 0, open_sink, run_sink};
const struct load load_mail = {"mail", 2, open_mail, run_sink};

/* --- source, and file, which has the same bytes --- */

static void open_source(char **argument)
{
    (void)argument;
    fd = open_connection();
    block = malloc(BLOCK + BUFFER);
    if (!block)
        fail("malloc");
    for (size_t i = 0; i < BLOCK + BUFFER; i++)
        block[i] = (char)(i % BLOCK % 251);
}

static void receive_stream(long bytes)
{
    static char data[BUFFER];
    for (long at = 0; at < bytes;) {
        ssize_t n = recv(fd, data, sizeof data, 0);
        if (n < 0)
            fail("recv");
        if (n == 0)
            wrong("the connection ended");
        if (memcmp(data, block + at % BLOCK, (size_t)n) != 0)
            wrong("another byte than was asked for");
        at += n;
        if (at > bytes)
            wrong("more than was asked for");
    }
}

static void run_source(long bytes, struct result *result)
{
    char request[32];
    for (long left = bytes; left > 0; left -= REQUEST) {
        long part = left < REQUEST ? left : REQUEST;
        int n = snprintf(request, sizeof request, "%ld\r\n", part);
        send_all(fd, request, (size_t)n);
        receive_stream(part);
    }
    result->count = bytes;
}

const struct load load_source = {"source", 0, open_source, run_source};
