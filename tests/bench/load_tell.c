/* A line that one connection sends, and that all of them get.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "load.h"

#include <stdlib.h>
#include <string.h>

static struct tape tape;
static int *connections;
static size_t count, size;

/* The one that gets the line last is looked at first, so that the server wakes
 * this program once. */
static void tell(int from, const char *line, char *answer)
{
    send_all(from, line, size);
    for (size_t i = count; i-- > 0;) {
        receive_all(connections[i], answer, size);
        if (memcmp(answer, line, size) != 0)
            wrong("another line than was sent");
    }
}

/* What is counted is what comes back. */
static void run(long lines, struct result *result)
{
    char *answer = malloc(size);
    if (!answer)
        fail("malloc");
    lines = (lines + (long)count - 1) / (long)count;
    for (long i = 0; i < lines; i++)
        tell(connections[0], tape.bytes + (size_t)i * size % tape.period,
             answer);
    free(answer);
    result->count = lines * (long)count;
}

/* The server accepts the last one last, so all of them get its line. */
static void open(char **argument)
{
    count = (size_t)atol(argument[0]);
    size = (size_t)atol(argument[1]);
    make_tape(&tape, size, 23, 0);
    connections = calloc(count, sizeof *connections);
    char *answer = malloc(size);
    if (!connections || !answer)
        fail("malloc");
    for (size_t i = 0; i < count; i++)
        connections[i] = open_connection();
    tell(connections[count - 1], tape.bytes, answer);
    free(answer);
}

const struct load load_tell = {"tell", 2, open, run};
