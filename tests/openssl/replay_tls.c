/* A line for conformance scripts: TLS over a socket, from a peer made with
 * OpenSSL alone. The environment says how each piece comes: CUT=piece, as one
 * record; CUT=records, as records of one byte, all at once; CUT=bytes, as one
 * record, of which one byte comes at a time.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "../replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "peer.h"

static struct talk talk;
static struct peer peer;
static SSL_CTX *ctx;

static void clean(void)
{
    SSL_CTX_free(ctx);
    world_free(&world);
}

static void secure(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    (void)arg;
}

struct asynchat_channel *line_open(struct event_base *base,
                                   const struct asynchat_handler *handler,
                                   void *arg)
{
    struct asynchat_channel *ch;
    if (!ctx) {
        world_new(&world);
        ctx = peer_context(false, NULL, 0);
        atexit(clean);
    }
    int fd = peer_connect(&peer, ctx, true);
    if (asynchat_channel_new_socket(base, fd, handler, arg, &ch) < 0 ||
        asynchat_tls_start(ch, world.server, NULL, 0, secure) < 0) {
        fprintf(stderr, "replay: there is no line\n");
        exit(1);
    }
    talk.base = base;
    peer_shake(&peer, &talk);
    return ch;
}

static int send_records(struct event_base *base, const char *data, size_t len,
                        size_t record)
{
    for (size_t at = 0; at < len; at += record)
        if (SSL_write(peer.ssl, data + at, (int)record) != (int)record)
            return -1;
    peer_send(&peer, SIZE_MAX);
    event_base_loop(base, EVLOOP_NONBLOCK);
    return 0;
}

static int send_bytes(struct event_base *base, const char *data, size_t len)
{
    if (SSL_write(peer.ssl, data, (int)len) != (int)len)
        return -1;
    while (peer_send(&peer, 1) > 0)
        event_base_loop(base, EVLOOP_NONBLOCK);
    return 0;
}

int line_send(struct event_base *base, const void *data, size_t len)
{
    const char *cut = getenv("CUT");
    if (cut && strcmp(cut, "bytes") == 0)
        return send_bytes(base, data, len);
    return send_records(base, data, len,
                        cut && strcmp(cut, "records") == 0 ? 1 : len);
}

void line_close(void)
{
    peer_free(&peer);
}
