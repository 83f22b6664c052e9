/* What the peers written in C have in common: command line, what they send, and
 * for those whose library has no parser, lines found in pieces.
 *
 * usage: PEER MODE PORT [FILE]      on 127.0.0.1, until it is killed
 *
 *     line    each line that ends in "\r\n" is answered with the same line
 *     length  each message of PEER_MESSAGE bytes with the same bytes
 *     sink    lines are counted; an empty one is answered "LINES BYTES\r\n"
 *     source  "N\r\n" is answered with N bytes of memory, see peer_block()
 *     file    "N\r\n" is answered with the first N bytes of FILE
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef PEER_H
#define PEER_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#define PEER_MESSAGE 1000000
#define PEER_BLOCK 65536
#define PEER_BACKLOG 4096

/* The most that is sent at once, from memory and from a file: less costs more
 * calls, more does not gain. */
#define PEER_CHUNK (4 * PEER_BLOCK)

enum peer_mode { PEER_LINE, PEER_LENGTH, PEER_SINK, PEER_SOURCE, PEER_FILE };

/* The command line. */
extern enum peer_mode peer_mode;
extern struct sockaddr_in peer_address;
extern int peer_file;

/* Reads the command line, or ends the program. */
void peer_begin(int argc, char **argv);

/* What source sends: these PEER_BLOCK bytes over and over. Gives a place from
 * which PEER_CHUNK bytes of it follow, `at` being what was sent before. */
const char *peer_block(uint64_t at);

/* Where the line in progress ends, behind its "\r\n", or NULL when it does not
 * in data up to `end`. *held, 0 at first, is a '\r' at the end of a piece. */
const char *peer_line_end(char *held, const char *data, const char *end);

/* "N\r\n", which may come in pieces. */
struct peer_request {
    char text[24];
    size_t len;
};

/* Appends to the request; 1 when it is complete, and *number what it says. */
int peer_request(struct peer_request *r, const char *data, size_t len,
                 uint64_t *number);

/* What sink has counted. */
struct peer_upload {
    unsigned long lines, bytes;
    size_t length; /* of the line in progress */
};

#define PEER_ANSWER 64

/* A line ended. Writes the answer if one is due, and gives its length, or 0. */
size_t peer_upload_line(struct peer_upload *u, char answer[PEER_ANSWER]);

#endif
