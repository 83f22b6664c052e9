/* The channels of a run: checks everything that they call back.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "ends.h"

struct world world;

struct end *end_new(void)
{
    for (unsigned i = 0; i < ENDS; i++) {
        struct end *e = &world.ends[i];
        if (e->used)
            continue;
        e->used = true;
        e->fd = -1;
        e->high = 65536;
        e->size = 65536;
        wire_init(&e->sent);
        return e;
    }
    return NULL;
}

void end_free(struct end *e)
{
    struct asynchat_channel *ch = e->ch;
    e->ch = NULL;
    e->dropped = true;
    asynchat_channel_free(ch);
}

void end_got(struct end *e, const void *data, size_t len)
{
    if (e->peer)
        CHECK(wire_got(&e->peer->sent, data, len));
}

/* --- around every callback --- */

/* A server gives its own arg to the channels that it accepts. */
static struct end *accepted(struct asynchat_channel *ch)
{
    struct end *e = end_new();
    struct end *peer = NULL;
    if (world.first_waiting < world.last_waiting)
        peer = world.waiting[world.first_waiting++];
    if (!e) {
        asynchat_channel_free(ch);
        return NULL;
    }
    e->ch = ch;
    e->peer = peer;
    if (peer)
        peer->peer = e;
    asynchat_set_arg(ch, e);
    return e;
}

/* Callbacks come only from the loop, one at a time, and for existing
 * channels. */
static struct end *enter(struct asynchat_channel *ch, void *arg)
{
    struct end *e = arg;
    CHECK(world.inside == 0 && world.depth == 0);
    CHECK(e >= world.ends && e < world.ends + ENDS);
    CHECK(e->ch == ch && !e->closed);
    world.inside = 1;
    return e;
}

static void leave(void)
{
    react();
    world.inside = 0;
}

static struct end *enter_open(struct asynchat_channel *ch, void *arg)
{
    struct end *e = enter(ch, arg);
    CHECK(e->connected && !e->eof && !e->error && !e->close);
    return e;
}

static struct end *enter_delivery(struct asynchat_channel *ch, void *arg)
{
    struct end *e = enter_open(ch, arg);
    CHECK(!e->paused && !e->after);
    return e;
}

/* --- the callbacks --- */

static void on_connect(struct asynchat_channel *ch, void *arg)
{
    struct end *e = arg == &world ? accepted(ch) : arg;
    if (!e)
        return;
    enter(ch, e);
    CHECK(!e->connected && !e->eof && !e->error && !e->close);
    e->connected = true;
    leave();
}

/* If the number of bytes is reached here, the message ends, whatever is set
 * now. */
static void on_data(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg)
{
    struct end *e = enter_delivery(ch, arg);
    uint64_t left;
    CHECK(len > 0 && !e->due);
    end_got(e, data, len);
    if (asynchat_get_terminator(ch, NULL, &left) == ASYNCHAT_LENGTH &&
        left == 0 && e->counting) {
        e->counting = false;
        e->due = true;
    }
    leave();
}

/* A terminator is not data, but it was received as well. */
static void end_found(struct end *e)
{
    const void *bytes;
    uint64_t len;
    enum asynchat_terminator kind =
        asynchat_get_terminator(e->ch, &bytes, &len);
    if (!e->due && kind == ASYNCHAT_STRING && len > 0)
        end_got(e, bytes, (size_t)len);
    if (kind == ASYNCHAT_LENGTH && len == 0)
        e->counting = false;
    e->due = false;
}

static void on_found(struct asynchat_channel *ch, void *arg)
{
    struct end *e = enter_delivery(ch, arg);
    end_found(e);
    leave();
}

static void on_message(struct asynchat_channel *ch, const void *data,
                       size_t len, void *arg)
{
    struct end *e = enter_delivery(ch, arg);
    CHECK(data);
    end_got(e, data, len);
    end_found(e);
    leave();
}

/* A peer that ended in order has sent everything before. */
static bool has_sent_all(const struct end *peer)
{
    return peer && peer->fd < 0 && (peer->done || peer->shut) && !peer->close &&
           !peer->dropped && !peer->error && peer->connected;
}

/* This may also come while the channel is paused, if nothing is undelivered. */
static void on_eof(struct asynchat_channel *ch, int cut_off, void *arg)
{
    struct end *e = enter_open(ch, arg);
    struct end *peer = e->peer;
    bool whole = has_sent_all(peer);
    bool kept = asynchat_get_arg(ch) == e && cut_off;
    CHECK(!e->due && !e->after);
    e->eof = true;
    if (whole && !kept)
        CHECK(wire_is_at_end(&peer->sent));
    leave();
}

/* Whether an error was to be expected: some errors need a call that allows
 * them. */
static bool is_expected(const struct end *e, int error)
{
    switch (error) {
    case ASYNCHAT_EFULL:
        return e->limited;
    case ASYNCHAT_EIDLE:
    case ASYNCHAT_ESTALLED:
    case ASYNCHAT_ESLOW:
    case ASYNCHAT_EDEADLINE:
        return e->timed;
    case ASYNCHAT_ESTOPPED:
        return world.stops;
    default:
        return true;
    }
}

static void on_error(struct asynchat_channel *ch, int error, void *arg)
{
    struct end *e = enter(ch, arg);
    CHECK(error < 0 && error != ASYNCHAT_EOF && !e->error && !e->close);
    CHECK(is_expected(e, error));
    e->error = error;
    if (e->slots > 0) /* what lies behind the first of them is dropped */
        wire_cut(&e->sent);
    leave();
}

/* Without handle_stopping, a server that stops closes its channels in order. */
static bool may_close_in_order(const struct end *e)
{
    return e->close || e->done || (world.stops && !e->stopping);
}

static void on_close(struct asynchat_channel *ch, int status, void *arg)
{
    struct end *e = enter(ch, arg);
    CHECK(!e->error || status == e->error);
    CHECK(e->error || status == 0 || status == ASYNCHAT_EOF);
    CHECK(status != 0 || may_close_in_order(e));
    CHECK(status != ASYNCHAT_EOF || e->eof);
    e->closed = true;
    leave();
    e->ch = NULL;
}

static void on_drained(struct asynchat_channel *ch, void *arg)
{
    struct end *e = enter(ch, arg);
    CHECK(e->connected && !e->close);
    e->pressed = false;
    leave();
}

static void on_pressure(struct asynchat_channel *ch, void *arg)
{
    struct end *e = enter(ch, arg);
    CHECK(e->connected && !e->close);
    CHECK(!e->pressed && asynchat_get_queued(ch) > e->high);
    e->pressed = true;
    leave();
}

static void on_idle(struct asynchat_channel *ch, void *arg)
{
    const struct end *e = enter_delivery(ch, arg);
    CHECK(e->timed);
    leave();
}

/* The dropped bytes are not known. */
static void on_dropped(struct asynchat_channel *ch, const void *data,
                       size_t len, uint64_t total, void *arg)
{
    struct end *e = enter_delivery(ch, arg);
    CHECK(data && len <= ASYNCHAT_DROPPED_FIRST && len < total && !e->due);
    if (e->peer)
        e->peer->sent.lost = true;
    end_found(e);
    leave();
}

static void on_stopping(struct asynchat_channel *ch, void *arg)
{
    struct end *e = enter_open(ch, arg);
    CHECK(world.stops && !e->stopping && !e->done);
    e->stopping = true;
    leave();
}

/* --- what is no channel's callback --- */

/* Posted functions run from the loop; without a channel also when the loop
 * ends. */
void end_called(struct end *e, struct asynchat_channel *ch)
{
    unsigned inside = world.inside;
    CHECK(ch == e->ch);
    CHECK(!ch || (inside == 0 && world.depth == 0));
    world.inside = 1;
    react();
    world.inside = inside;
}

void server_stopped(void)
{
    CHECK(world.inside == 0 && world.depth == 0);
    world.inside = 1;
    react();
    world.inside = 0;
}

const struct asynchat_handler pieces_handler = {
    .size = sizeof pieces_handler,
    .collect_incoming_data = on_data,
    .found_terminator = on_found,
    .handle_connect = on_connect,
    .handle_eof = on_eof,
    .handle_error = on_error,
    .handle_close = on_close,
    .handle_drained = on_drained,
};

const struct asynchat_handler whole_handler = {
    .size = sizeof whole_handler,
    .message = on_message,
    .handle_connect = on_connect,
    .handle_eof = on_eof,
    .handle_error = on_error,
    .handle_close = on_close,
};

const struct asynchat_handler full_pieces_handler = {
    .size = sizeof full_pieces_handler,
    .collect_incoming_data = on_data,
    .found_terminator = on_found,
    .handle_connect = on_connect,
    .handle_eof = on_eof,
    .handle_error = on_error,
    .handle_close = on_close,
    .handle_drained = on_drained,
    .handle_pressure = on_pressure,
    .handle_idle = on_idle,
    .message_dropped = on_dropped,
    .handle_stopping = on_stopping,
};

const struct asynchat_handler full_whole_handler = {
    .size = sizeof full_whole_handler,
    .message = on_message,
    .handle_connect = on_connect,
    .handle_eof = on_eof,
    .handle_error = on_error,
    .handle_close = on_close,
    .handle_drained = on_drained,
    .handle_pressure = on_pressure,
    .handle_idle = on_idle,
    .message_dropped = on_dropped,
    .handle_stopping = on_stopping,
};
