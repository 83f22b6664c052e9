/* Scenarios with posts and with workers. The calls of a worker's thread count
 * while it is the only thread that runs.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "world.h"

#include <errno.h>

/* Called in any thread; this thread reads the result after the others are
 * joined. */
static void lend(struct world *w)
{
    __atomic_add_fetch(&w->lent, 1, __ATOMIC_RELAXED);
}

static void release(struct world *w)
{
    __atomic_add_fetch(&w->released, 1, __ATOMIC_RELAXED);
}

/* --- posts --- */

/* If there is no id, asynchat_get_id() does not say why. */
static uint64_t id_of(struct side *s)
{
    uint64_t id = asynchat_get_id(s->ch);
    if (id == 0) {
        note(s, fault_code());
        id = asynchat_get_id(s->ch);
    }
    return id;
}

/* A write that can be tried again is tried again, and not reported. */
static bool is_told(int error)
{
    return error == -ENOMEM || error == -EIO;
}

/* A post that is accepted is called once: lent, and released. */
static int post(struct side *s, uint64_t id,
                void (*function)(struct asynchat_channel *ch, void *arg))
{
    int error = asynchat_post(id, function, s);
    note(s, error);
    if (is_told(error)) {
        error = asynchat_post(id, function, s);
        note(s, error);
    }
    if (!error)
        lend(s->world);
    return error;
}

static void hello(struct asynchat_channel *ch, void *arg)
{
    struct side *s = arg;
    release(s->world);
    if (ch && ch == s->ch)
        say(s, "hello\r\n");
}

static void good_bye(struct asynchat_channel *ch, void *arg)
{
    struct side *s = arg;
    release(s->world);
    if (ch && ch == s->ch)
        close_when_done(s);
}

static void post_some(struct side *s)
{
    uint64_t id = id_of(s);
    crlf(s);
    if (id == 0 || post(s, id, hello) || post(s, id, hello) ||
        post(s, id, good_bye))
        close_now(s);
}

/* The post is too late for the channel, and for the loop if the channel was its
 * last. */
static void post_late(struct side *s)
{
    uint64_t id = asynchat_get_id(s->ch);
    if (id)
        post(s, id, hello);
}

static const struct program poster = {.connected = post_some,
                                      .closed = post_late};
static const struct program listener = {.connected = crlf};

void posts_over_sockets(struct world *w)
{
    over_sockets(w, &poster, &listener);
}

void posts_over_a_pair(struct world *w)
{
    over_pair(w, &poster, &listener);
}

/* --- workers --- */

static void opened(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    lend(arg);
}

static void closed(struct asynchat_channel *ch, int status, void *arg)
{
    (void)ch;
    (void)status;
    release(arg);
}

static const struct asynchat_handler handler = {
    .size = sizeof handler, .handle_close = closed, .handle_connect = opened};

/* These channels exist, so their handle_close is called. */
static const struct asynchat_handler made = {.size = sizeof made,
                                             .handle_close = closed};

static int start(struct event_base *base, unsigned index, void *arg)
{
    const struct asynchat_handler *handlers[2] = {&made, &made};
    void *args[2] = {arg, arg};
    struct asynchat_channel *pair[2];
    struct asynchat_server *server;
    (void)index;
    int error = asynchat_pair_new(base, handlers, args, pair);
    if (!error) {
        lend(arg);
        lend(arg);
        error = asynchat_server_new(base, "127.0.0.1:0", &handler, arg, NULL,
                                    &server);
    }
    inject_apart();
    return error;
}

static void visit(struct event_base *base, unsigned index, void *arg)
{
    (void)base;
    (void)index;
    release(arg);
}

static int workers_make(struct side *s, struct asynchat_workers **workers,
                        int (*begin)(struct event_base *, unsigned, void *))
{
    static struct asynchat_worker_ops ops = {.size = sizeof ops};
    struct asynchat_workers *const none = (void *)&ops;
    *workers = none;
    ops.start = begin;
    int error = asynchat_workers_new(2, &ops, s->world, workers);
    note(s, error);
    if (error && *workers != none)
        complain(s->world, "*out has changed though it failed");
    return error;
}

static void workers_visit(struct side *s, struct asynchat_workers *workers,
                          unsigned index)
{
    int error = asynchat_workers_post(workers, index, visit, s->world);
    note(s, error);
    if (is_told(error))
        error = asynchat_workers_post(workers, index, visit, s->world);
    note(s, error);
    if (!error)
        lend(s->world);
    else if (!is_told(error))
        complain(s->world, "a post has failed with %d", error);
}

/* The workers start, each gets a post, and they end. */
void workers_that_talk(struct world *w)
{
    struct side *s = side(w, &listener);
    struct asynchat_workers *workers;
    if (workers_make(s, &workers, start) && workers_make(s, &workers, start))
        return;
    for (unsigned i = 0; i < 4; i++)
        workers_visit(s, workers, i % 2);
    if (asynchat_workers_free(workers))
        complain(w, "not freed");
}

static int start_apart(struct event_base *base, unsigned index, void *arg)
{
    (void)base;
    (void)index;
    (void)arg;
    inject_apart();
    return 0;
}

/* For each connection that was reported, its end is reported as well, at the
 * latest when the workers end. */
void connections_for_workers(struct world *w)
{
    struct side *s = side(w, &listener);
    struct asynchat_server_options options = {.size = sizeof options};
    if (workers_make(s, &options.workers, start_apart) &&
        workers_make(s, &options.workers, start_apart))
        return;
    int error = asynchat_server_new(w->base, "127.0.0.1:0", &handler, w,
                                    &options, &w->server);
    note(s, error);
    if (!error && connect_raw(w))
        settle(w);
    asynchat_server_free(w->server);
    w->server = NULL;
    asynchat_workers_free(options.workers);
}
