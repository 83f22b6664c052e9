/* What the peers written in C have in common.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "peer.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum peer_mode peer_mode;
struct sockaddr_in peer_address;
int peer_file = -1;

static char block[PEER_BLOCK + PEER_CHUNK];

static int mode_of(const char *name)
{
    static const char *const names[] = {"line", "length", "sink", "source",
                                        "file"};
    for (int i = 0; i < 5; i++)
        if (strcmp(name, names[i]) == 0)
            return i;
    return -1;
}

void peer_begin(int argc, char **argv)
{
    int mode = argc > 2 ? mode_of(argv[1]) : -1;
    if (argc == 4)
        peer_file = open(argv[3], O_RDONLY | O_CLOEXEC);
    if (mode < 0 || (mode == PEER_FILE) != (peer_file >= 0)) {
        fprintf(stderr, "usage: %s line|length|sink|source|file PORT [FILE]\n",
                argv[0]);
        exit(2);
    }
    peer_mode = (enum peer_mode)mode;
    peer_address.sin_family = AF_INET;
    peer_address.sin_port = htons((uint16_t)atoi(argv[2]));
    peer_address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (char)(i % PEER_BLOCK % 251);
}

const char *peer_block(uint64_t at)
{
    return block + at % PEER_BLOCK;
}

const char *peer_line_end(char *held, const char *data, const char *end)
{
    if (*held && data < end) {
        *held = 0;
        if (*data == '\n')
            return data + 1;
    }
    while ((data = memchr(data, '\r', (size_t)(end - data)))) {
        if (++data == end) {
            *held = 1;
            return NULL;
        }
        if (*data == '\n')
            return data + 1;
    }
    return NULL;
}

int peer_request(struct peer_request *r, const char *data, size_t len,
                 uint64_t *number)
{
    if (len >= sizeof r->text - r->len)
        len = sizeof r->text - 1 - r->len;
    memcpy(r->text + r->len, data, len);
    r->len += len;
    r->text[r->len] = '\0';
    if (!strstr(r->text, "\r\n"))
        return 0;
    r->len = 0;
    *number = strtoull(r->text, NULL, 10);
    return 1;
}

size_t peer_upload_line(struct peer_upload *u, char answer[PEER_ANSWER])
{
    if (u->length > 0) {
        u->lines++;
        u->bytes += u->length;
        u->length = 0;
        return 0;
    }
    int n = snprintf(answer, PEER_ANSWER, "%lu %lu\r\n", u->lines, u->bytes);
    u->lines = u->bytes = 0;
    return (size_t)n;
}
