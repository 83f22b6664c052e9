/* With ASYNCHAT_TEST_BATCH each event base of a test program has a batch, whose
 * calls are plain ones. In the environment, ASYNCHAT_TEST_BATCH=wild makes them
 * in another order, and moves less than could be moved, or nothing.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <asynchat/batch.h>

#include "every_base.h"

static bool wild;

static unsigned draw(unsigned below)
{
    static _Thread_local unsigned chance = 1;
    chance = chance * 1664525u + 1013904223u;
    return (chance >> 8) % below;
}

static void make_call(struct asynchat_batch_call *c)
{
    size_t len = wild && draw(4) == 0 ? 1 + draw((unsigned)c->len) : c->len;
    ssize_t n = c->sends
                    ? send(c->fd, c->data, len, MSG_DONTWAIT | MSG_NOSIGNAL)
                    : recv(c->fd, c->data, len, MSG_DONTWAIT);
    c->result = n < 0 ? -errno : (int)n;
}

static int run(void *ring, struct asynchat_batch_call *calls, unsigned count)
{
    unsigned first = wild ? draw(count) : 0;
    (void)ring;
    for (unsigned i = 0; i < count; i++) {
        struct asynchat_batch_call *c = &calls[(first + i) % count];
        if (wild && draw(8) == 0)
            c->result = draw(2) ? -EAGAIN : -EINTR;
        else
            make_call(c);
    }
    return 0;
}

static const struct asynchat_batch_ops ops = {.size = sizeof ops, .run = run};

void give_batch(struct event_base *base)
{
    const char *how = getenv("ASYNCHAT_TEST_BATCH");
    wild = how && strcmp(how, "wild") == 0;
    if (asynchat_set_batch(base, &ops, NULL) < 0)
        fprintf(stderr, "there is no batch\n");
}
