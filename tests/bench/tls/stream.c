/* Long streams over one connection, as load_stream.c, with TLS; and short answers
 * whose records are counted. SPDX-License-Identifier: BSD-3-Clause */
#include "client.h"

#include "../load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE 65536          /* of an upload, "\r\n" included */
#define BLOCK 65536         /* what source sends, over and over */
#define REQUEST (64L << 20) /* the most bytes asked for at once */
#define BUFFER (16 * LINE)

static SSL *ssl;
static struct tape tape;
static char *block; /* from any place below BLOCK, BLOCK bytes follow */

/* --- sink --- */

static void open_sink(char **argument)
{
    (void)argument;
    ssl = tls_open();
    make_tape(&tape, LINE, BUFFER / LINE, 0);
}

/* The answer comes when the server has seen everything, so only finished work
 * is timed. */
static void run_sink(long bytes, struct result *result)
{
    char expected[64];
    long lines = bytes / LINE;
    for (long left = lines; left > 0; left -= BUFFER / LINE)
        tls_send_all(ssl, tape.bytes,
                     (size_t)(left < BUFFER / LINE ? left : BUFFER / LINE) *
                         LINE);
    tls_send_all(ssl, "\r\n", 2);
    int len = snprintf(expected, sizeof expected, "%ld %ld\r\n", lines,
                       lines * (LINE - 2));
    tls_compare(ssl, expected, (size_t)len);
    result->count = lines * LINE;
}

const struct load load_tls_sink = {"sink", 0, open_sink, run_sink};

/* --- source --- */

static void open_source(char **argument)
{
    (void)argument;
    ssl = tls_open();
    block = malloc(2 * BLOCK);
    if (!block)
        fail("malloc");
    for (size_t i = 0; i < 2 * BLOCK; i++)
        block[i] = (char)(i % BLOCK % 251);
}

static void ask(long bytes)
{
    char request[32];
    int n = snprintf(request, sizeof request, "%ld\r\n", bytes);
    tls_send_all(ssl, request, (size_t)n);
}

static void receive_stream(long bytes)
{
    static char data[BLOCK];
    for (long at = 0; at < bytes;) {
        int n = SSL_read(ssl, data, sizeof data);
        if (n <= 0)
            tls_fail("SSL_read");
        if (memcmp(data, block + at % BLOCK, (size_t)n) != 0)
            wrong("another byte than was asked for");
        at += n;
        if (at > bytes)
            wrong("more than was asked for");
    }
}

static void run_source(long bytes, struct result *result)
{
    for (long left = bytes; left > 0; left -= REQUEST) {
        long part = left < REQUEST ? left : REQUEST;
        ask(part);
        receive_stream(part);
    }
    result->count = bytes;
}

const struct load load_tls_source = {"source", 0, open_source, run_source};

/* --- records --- */

static long answer, records;

/* OpenSSL calls this for each record, among others, with its inner type. */
static void seen(int sent, int version, int type, const void *data, size_t len,
                 SSL *session, void *arg)
{
    (void)version;
    (void)len;
    (void)session;
    (void)arg;
    if (!sent && type == SSL3_RT_INNER_CONTENT_TYPE &&
        *(const unsigned char *)data == SSL3_RT_APPLICATION_DATA)
        records++;
}

static void open_records(char **argument)
{
    open_source(argument);
    answer = atol(argument[0]);
    SSL_set_msg_callback(ssl, seen);
}

static void run_records(long answers, struct result *result)
{
    records = 0;
    for (long i = 0; i < answers; i++) {
        ask(answer);
        receive_stream(answer);
    }
    result->count = answers;
    result->delay[0] = (double)records / (double)answers;
}

const struct load load_tls_records = {"records", 1, open_records, run_records};
