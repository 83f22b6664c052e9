/* What a channel with a PROXY header has: one that came, or one to be sent.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_CHANNEL_PROXIED_H
#define ASYNCHAT_CHANNEL_PROXIED_H

#include "channel/object.h"
#include "framer/proxy.h"

enum proxied {
    PROXIED_WAITS, /* the header is not complete */
    PROXIED_CAME,
    PROXIED_GOES, /* the header is to be sent before everything else */
    PROXIED_WENT
};

/* Invariants: `ready`, `end` and `make` mean something while the state is
 * WAITS. `bytes` is a header to be sent, or the TLVs of one that came; NULL if
 * `len` is 0. */
struct channel_proxy {
    enum proxied state;
    void (*ready)(struct transport *t); /* whom the transport is to call */
    /* Gives back what is needed only while the header is waited for. */
    void (*end)(struct channel_proxy *p);
    struct proxy_policy *policy;
    int (*make)(struct asynchat_channel *ch, void *arg); /* a layer; or NULL */
    void *arg;
    bool owned; /* there was an owner, to whom `arg` belongs */
    bool timed; /* the time for the header has begun */
    bool *gone; /* set when this is freed; or NULL */
    /* How many bytes in loop->received wait for a turn, since they are behind a
     * header and handle_connect goes first. */
    uint32_t behind;
    struct proxy in;
    struct peer_address balancer; /* who sends the header */
    const uint8_t *wrong; /* bytes that are no header, while this is told */
    size_t wrong_len;
    uint8_t *bytes;
    size_t len;
};

#endif
