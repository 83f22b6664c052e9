/* Dialing: a channel that has no connection yet, and the attempts of which one
 * becomes its connection.
 *
 * The channel's transport has no socket until then. Its table of operations is
 * a copy, which ends the dialing if the channel is closed; so nothing else has
 * to know of it. The hooks are called from the loop only.
 *
 * If the race is over only when the handshake is, the channel's `ready` is a
 * function of this file during a handshake. A handshake that fails is undone:
 * nothing of what the program has pushed was sealed before the layer is up.
 *
 * Tested by tests/test_dial.c. SPDX-License-Identifier: BSD-3-Clause */
#include "channel/calls/dial.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/socket.h"
#include "channel/calls/layer.h"
#include "channel/object.h"
#include "loop/base.h"
#include "loop/timer.h"
#include "names/lookup.h"
#include "names/race.h"

/* No attempt's connection is taken. */
#define NOBODY UINT_MAX

/* Room for what a layer says of an error. */
#define DIAL_TEXT 256

/* One attempt. The event is pending while the attempt is under way. */
struct attempt {
    struct event event;
    struct dial *dial;
    unsigned which;
    int fd; /* or -1 */
    struct address to;
};

/* Invariant: `attempts` has as many attempts as the race has addresses. The
 * table comes first: the dial is found by it. */
struct dial {
    struct transport_ops ops;        /* the transport's own, but for `close` */
    const struct transport_ops *own; /* the transport's own */
    void (*ready)(struct transport *t); /* the channel's own */
    struct asynchat_channel *ch;
    struct event_base *base;
    struct lookup *lookup; /* or NULL; ends by `cancel` */
    void (*cancel)(struct lookup *lookup);
    struct timer timer;
    struct race race;
    struct attempt **attempts;
    unsigned room;  /* for attempts */
    unsigned taken; /* whose connection the channel has, or NOBODY */
    uint32_t late;  /* when that connection's handshake is too late, if timed */
    uint32_t due;   /* when the timer fires */
    uint32_t now;   /* when the timer has fired last */
    bool timed;     /* that connection's handshake may be too late */
    bool shakes;    /* that connection's handshake is under way */
    bool proxied;   /* a PROXY header was there before the hook was called */
    bool layered;   /* a layer was there before the hook was called */
    int error;      /* of the look-up, or 0 */
    int own_error;  /* of an attempt that could not be made, or 0 */
    bool handshake; /* the race is over only when the handshake is */
    int (*prepare)(int fd, const struct sockaddr *to, socklen_t len, void *arg);
    int (*candidate)(struct asynchat_channel *ch, void *arg);
    char name[]; /* for the log */
};

static struct dial *dial_of(const struct transport *t)
{
    return (struct dial *)(t->stage ? t->stage->below : t->ops);
}

/* The clock of the system is a little behind the timers of libevent. */
static uint32_t dial_now(const struct dial *d)
{
    uint32_t now = time_of_base(d->base);
    return (int32_t)(d->now - now) > 0 ? d->now : now;
}

/* --- the log --- */

static void dial_log(const struct attempt *attempt, int code, const char *text)
{
    char name[ASYNCHAT_ADDRESS_SIZE] = "";
    if (!asynchat__log_wants(ASYNCHAT_LOG_DEBUG))
        return;
    asynchat__address_format(&attempt->to, name, sizeof name);
    asynchat__log((struct asynchat_log_record){.level = ASYNCHAT_LOG_DEBUG,
                                               .event = ASYNCHAT_LOG_ATTEMPT,
                                               .id = attempt->dial->ch->id,
                                               .peer = name,
                                               .code = code,
                                               .text = text});
}

static void dial_log_answer(const struct dial *d,
                            const struct lookup_answer *answer)
{
    const char *why = answer->text;
    char text[64];
    if (!asynchat__log_wants(ASYNCHAT_LOG_DEBUG))
        return;
    (void)snprintf(text, sizeof text, "has %u addresses", answer->count);
    if (!why && answer->error)
        why = asynchat_strerror(answer->error);
    asynchat__log((struct asynchat_log_record){.level = ASYNCHAT_LOG_DEBUG,
                                               .event = ASYNCHAT_LOG_LOOKUP,
                                               .id = d->ch->id,
                                               .peer = d->name,
                                               .code = answer->error,
                                               .text = why ? why : text});
}

/* --- the end of dialing --- */

static void attempt_close(struct attempt *attempt)
{
    if (attempt->fd < 0)
        return;
    event_del(&attempt->event);
    close(attempt->fd);
    attempt->fd = -1;
}

static void dial_free(struct dial *d)
{
    if (d->lookup)
        d->cancel(d->lookup);
    asynchat__timer_end(&d->timer);
    for (unsigned i = 0; i < d->race.count; i++) {
        attempt_close(d->attempts[i]);
        asynchat__free(d->attempts[i]);
    }
    asynchat__free(d->attempts);
    asynchat__race_end(&d->race);
    asynchat__free(d);
}

/* The `close` of the table: the channel ends while it dials. */
static void dial_close(struct transport *t)
{
    struct dial *d = dial_of(t);
    d->own->close(t);
    dial_free(d);
}

/* The channel has its connection, or an error in place of it. A look-up that is
 * cancelled may end the channel. */
static void dial_over(struct dial *d)
{
    struct transport *t = &d->ch->transport;
    if (t->stage)
        t->stage->below = d->own;
    else
        t->ops = d->own;
    dial_free(d);
}

/* --- attempts --- */

static void dial_run(struct dial *d);

static int attempt_check(const struct attempt *attempt)
{
    int error = 0;
    socklen_t len = sizeof error;
    return getsockopt(attempt->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0
               ? -errno
               : -error;
}

/* Tells the race how an attempt has ended. */
static void attempt_over(struct attempt *attempt, int error)
{
    if (error)
        attempt_close(attempt);
    dial_log(attempt, error, error ? asynchat_strerror(error) : "is up");
    asynchat__race_told(&attempt->dial->race, attempt->which, error);
}

static void attempt_writable(evutil_socket_t fd, short what, void *arg)
{
    struct attempt *attempt = arg;
    (void)fd;
    (void)what;
    attempt_over(attempt, attempt_check(attempt));
    dial_run(attempt->dial);
}

static bool dial_is_own(int fd, const struct address *address)
{
    struct address own;
    return address->storage.ss_family != AF_UNIX &&
           asynchat__address_of(fd, getsockname, &own) == 0 &&
           own.len == address->len &&
           memcmp(&own.storage, &address->storage, own.len) == 0;
}

/* A connection to oneself is no connection: a socket that dials a port which
 * nobody listens on may get this port for its own. It has it as soon as
 * connect(2) has returned. */
int asynchat__dial_connect(int fd, const struct address *address)
{
    int error = connect(fd, (const struct sockaddr *)&address->storage,
                        address->len) < 0
                    ? -errno
                    : 0;
    if (error == -EINTR)
        error = -EINPROGRESS;
    if ((!error || error == -EINPROGRESS) && dial_is_own(fd, address))
        error = -ECONNREFUSED;
    return error;
}

/* What the hooks get. Those of an owner find the owner by it, whatever the
 * program sets for the channel meanwhile. */
static void *dial_arg(const struct dial *d)
{
    const struct asynchat_channel *ch = d->ch;
    return ch->owner ? ch->owner->arg : ch->arg;
}

/* A hook's answer as an error code, or 0. */
static int answer_of(int answer)
{
    return answer > 0 ? -ECONNABORTED : answer;
}

/* Makes the socket and gives it to the hook. 0 or an error. */
static int attempt_prepare(struct attempt *attempt)
{
    struct dial *d = attempt->dial;
    const struct address *to = &attempt->to;
    int fd = asynchat__socket_new(to->storage.ss_family);
    if (fd < 0)
        return fd;
    attempt->fd = fd;
    event_assign(&attempt->event, d->base, fd, EV_WRITE, attempt_writable,
                 attempt);
    int error = asynchat__base_check(d->base, fd);
    if (!error && d->prepare)
        error = answer_of(d->prepare(fd, (const struct sockaddr *)&to->storage,
                                     to->len, dial_arg(d)));
    return error;
}

/* If the queue of a Unix socket is full, the attempt is made again. */
static void attempt_begin(struct attempt *attempt)
{
    struct dial *d = attempt->dial;
    int error = attempt_prepare(attempt);
    if (d->ch->state != CHANNEL_CONNECTING)
        return;
    if (error && error != -EAFNOSUPPORT)
        d->own_error = error;
    if (!error)
        error = asynchat__dial_connect(attempt->fd, &attempt->to);
    if (error == -EAGAIN && attempt->to.storage.ss_family == AF_UNIX) {
        attempt_close(attempt);
        dial_log(attempt, error, "the queue is full");
        asynchat__race_put_off(&d->race, attempt->which, dial_now(d));
        return;
    }
    if (error == -EINPROGRESS) {
        dial_log(attempt, 0, "is dialed");
        if (event_add(&attempt->event, NULL) == 0)
            return;
        d->own_error = error = -ENOMEM;
    }
    attempt_over(attempt, error);
}

/* --- the connection that is taken --- */

/* Undoes what the candidate's hook did. A layer that was there before waits for
 * the next connection, with the header in front of it. */
static void dial_undo(struct dial *d)
{
    struct transport *t = &d->ch->transport;
    if (d->layered)
        return;
    if (t->stage)
        asynchat__channel_layer_undo(d->ch);
    asynchat__proxied_again(d->ch, d->proxied);
    t->ready = d->ready;
}

/* The connection that was taken is none: the channel has no socket and no peer
 * again. Output that was refused stays missing. */
static void dial_drop(struct dial *d, int error)
{
    struct attempt *attempt = d->attempts[d->taken];
    struct transport *t = &d->ch->transport;
    dial_undo(d);
    d->own->adopt(t, -1);
    d->ch->peer = (struct peer_address){.family = 0};
    t->phase = TRANSPORT_CONNECTING;
    t->ended = 0;
    if (!channel_out_gap(d->ch))
        t->broken = 0;
    d->taken = NOBODY;
    d->timed = d->shakes = false;
    attempt_over(attempt, error);
}

static void dial_log_handshake(const struct dial *d, int error)
{
    char text[DIAL_TEXT];
    const char *more = asynchat__channel_layer_text(d->ch);
    if (!more || !*more || !asynchat__log_wants(ASYNCHAT_LOG_DEBUG))
        return;
    (void)snprintf(text, sizeof text, "%s", more); /* cut, if need be */
    dial_log(d->attempts[d->taken], error, text);
}

/* If the error is the one that the channel ends with, the layer stays, so that
 * it can be asked why. */
static void dial_fail_handshake(struct dial *d, int error)
{
    dial_log_handshake(d, error);
    if (d->taken > 0 || d->own_error || !asynchat__race_is_last(&d->race, 0)) {
        dial_drop(d, error);
        return;
    }
    asynchat__channel_layer_hand_over(d->ch, d->ready);
    d->ch->transport.ended = error;
    d->timed = d->shakes = false;
}

/* What is called during a handshake in place of the channel's `ready`. The peer
 * may have sent all that it has to say right behind the handshake: then the end
 * is the channel's. */
static void dial_shakes(struct transport *t)
{
    struct dial *d = dial_of(t);
    void (*ready)(struct transport *) = d->ready;
    int error = t->ended ? t->ended : t->broken;
    if (d->ch->running || d->ch->state != CHANNEL_CONNECTING) {
        ready(t);
        return;
    }
    if (error && t->stage->shaking) {
        dial_fail_handshake(d, error == ASYNCHAT_EOF ? ASYNCHAT_EHANDSHAKE
                                                     : error);
        dial_run(d);
        return;
    }
    if (!t->stage->shaking) {
        const bool *gone = t->stage->gone;
        t->stage->ready = ready;
        dial_over(d);
        if (*gone)
            return;
    }
    ready(t);
}

/* Has the handshake's time end here, and not by the channel's clock, which
 * would end the channel. */
static void dial_await_handshake(struct dial *d)
{
    unsigned time = asynchat__channel_layer_take_time(d->ch);
    d->shakes = true;
    d->timed = time > 0;
    d->late = dial_now(d) + time;
}

/* Calls the candidate's hook, for the connection that was taken. */
static void dial_ask(struct dial *d)
{
    struct asynchat_channel *ch = d->ch;
    struct transport *t = &ch->transport;
    bool races = d->handshake && !t->stage;
    d->proxied = ch->proxy != NULL;
    d->layered = t->stage != NULL;
    if (races)
        t->ready = dial_shakes;
    int error = answer_of(d->candidate(ch, dial_arg(d)));
    if (ch->state != CHANNEL_CONNECTING)
        return;
    if (error)
        dial_drop(d, error);
    else if (races && t->stage)
        dial_await_handshake(d);
    else if (races)
        t->ready = d->ready;
}

static void dial_take(struct dial *d, unsigned which)
{
    struct attempt *attempt = d->attempts[which];
    struct transport *t = &d->ch->transport;
    int fd = attempt->fd;
    event_del(&attempt->event);
    attempt->fd = -1;
    d->own->adopt(t, fd);
    t->phase = TRANSPORT_UP;
    d->taken = which;
    asynchat__address_keep(&d->ch->peer, &attempt->to);
    if (d->candidate)
        dial_ask(d);
}

/* --- running --- */

/* Ends the dialing without a connection. */
static void dial_fail(struct dial *d, int error)
{
    struct transport *t = &d->ch->transport;
    if (d->shakes)
        dial_drop(d, error);
    t->phase = TRANSPORT_FAILED;
    t->ended = error;
}

static void dial_expire(struct dial *d)
{
    if (d->timed && (int32_t)(dial_now(d) - d->late) >= 0)
        dial_fail_handshake(d, ASYNCHAT_ELATE);
}

/* Sets the timer to when there is something to do, `wait` milliseconds from now
 * at the latest. */
static void dial_arm(struct dial *d, uint32_t wait)
{
    uint32_t now = dial_now(d), late = d->late - now;
    if (d->timed && late < wait)
        wait = (int32_t)late > 0 ? late : 0;
    d->due = now + wait;
    if (wait < UINT32_MAX && asynchat__timer_set(&d->timer, wait) < 0)
        dial_fail(d, -ENOMEM);
}

/* An attempt that could not be made says nothing about the peer, but most about
 * what is to be mended, so its error counts first. A system without IPv6 has
 * nothing to mend. Then comes the error of the first address, which the name
 * means most; and that of the look-up, if there was no address. */
static int dial_error(const struct dial *d)
{
    int error = d->own_error;
    if (!error)
        error = asynchat__race_error(&d->race);
    if (!error)
        error = d->error;
    return error ? error : ASYNCHAT_ENOADDRESS;
}

/* Whether the race goes on. */
static bool dial_races(const struct dial *d)
{
    return d->ch->state == CHANNEL_CONNECTING &&
           (d->taken == NOBODY || d->shakes);
}

/* Does what the race wants, as far as it can be done now. If output was
 * refused, no connection can mend that. */
static void dial_go(struct dial *d)
{
    enum race_step step = RACE_CONNECT;
    uint32_t wait;
    unsigned which;
    while (dial_races(d) && !channel_out_gap(d->ch)) {
        step = asynchat__race_next(&d->race, dial_now(d), &which, &wait);
        if (step == RACE_CONNECT)
            attempt_begin(d->attempts[which]);
        else if (step == RACE_TAKE)
            dial_take(d, which);
        else
            break;
    }
    if (dial_races(d) && channel_out_gap(d->ch))
        dial_fail(d, d->ch->transport.broken);
    else if (step == RACE_FAILED)
        dial_fail(d, dial_error(d));
    else if (step == RACE_WAIT)
        dial_arm(d, wait);
}

/* Hooks may close or free the channel. */
static void dial_run(struct dial *d)
{
    struct asynchat_channel *ch = d->ch;
    struct transport *t = &ch->transport;
    asynchat__channel_hold(ch);
    dial_expire(d);
    dial_go(d);
    if (ch->state == CHANNEL_CONNECTING &&
        (t->phase == TRANSPORT_FAILED ||
         (t->phase == TRANSPORT_UP && !d->shakes))) {
        dial_over(d);
        t->ops->wake(t);
    }
    asynchat__channel_release(ch);
}

static void dial_fired(evutil_socket_t fd, short what, void *arg)
{
    struct dial *d = arg;
    (void)fd;
    (void)what;
    d->now = d->due;
    dial_run(d);
}

/* --- addresses --- */

static int dial_make_room(struct dial *d)
{
    if (d->race.count < d->room)
        return 0;
    unsigned room = d->room ? d->room * 2 : 8;
    struct attempt **attempts = asynchat__malloc(room * sizeof(void *));
    if (!attempts)
        return -ENOMEM;
    if (d->race.count > 0)
        memcpy(attempts, d->attempts, d->race.count * sizeof(void *));
    asynchat__free(d->attempts);
    d->attempts = attempts;
    d->room = room;
    return 0;
}

/* 0 or -ENOMEM. */
static int dial_add(struct dial *d, const struct address *address)
{
    int error = dial_make_room(d);
    struct attempt *attempt =
        error ? NULL : asynchat__calloc(1, sizeof *attempt);
    if (!attempt)
        return -ENOMEM;
    error = asynchat__race_add(&d->race, (uint8_t)address->storage.ss_family);
    if (error) {
        asynchat__free(attempt);
        return error;
    }
    *attempt = (struct attempt){
        .dial = d, .which = d->race.count - 1, .fd = -1, .to = *address};
    d->attempts[attempt->which] = attempt;
    return 0;
}

/* Some addresses have come, or the look-up is over. */
static void dial_answered(void *arg, const struct lookup_answer *answer)
{
    struct dial *d = arg;
    int error = 0;
    for (unsigned i = 0; i < answer->count && !error; i++)
        error = dial_add(d, &answer->addresses[i]);
    if (error)
        d->own_error = error;
    d->error = answer->error;
    d->race.more = answer->more;
    if (!answer->more)
        d->lookup = NULL;
    dial_log_answer(d, answer);
    dial_run(d);
}

/* --- making --- */

static struct dial *dial_new(struct asynchat_channel *ch,
                             struct event_base *base, const char *name,
                             const struct asynchat_connect_options *options)
{
    struct transport *t = &ch->transport;
    size_t size = strlen(name) + 1;
    struct dial *d = asynchat__calloc(1, sizeof *d + size);
    if (!d)
        return NULL;
    memcpy(d->name, name, size);
    d->own = t->ops;
    d->ops = *t->ops;
    d->ops.close = dial_close;
    d->ops.give_socket = NULL;
    d->ready = t->ready;
    d->ch = ch;
    d->base = base;
    d->race.delay = options->delay;
    d->taken = NOBODY;
    d->handshake = options->flags & ASYNCHAT_CONNECT_HANDSHAKE;
    d->prepare = options->prepare;
    d->candidate = options->candidate;
    d->due = d->now = time_of_base(base);
    asynchat__timer_init(&d->timer, base, dial_fired, d);
    t->ops = &d->ops;
    t->phase = TRANSPORT_CONNECTING;
    return d;
}

static int dial_begin(struct dial *d, const struct dial_target *target)
{
    int error;
    if (!target->address) {
        d->race.more = true;
        d->cancel = target->lookup->cancel;
        return target->lookup->begin(d->ch->transport.loop, target->host,
                                     target->service, dial_answered, d,
                                     &d->lookup);
    }
    error = dial_add(d, target->address);
    return error ? error : asynchat__timer_set(&d->timer, 0);
}

int asynchat__dial(struct event_base *base, const struct dial_target *target,
                   const struct asynchat_connect_options *options,
                   const struct asynchat_handler *handler, void *arg,
                   struct asynchat_channel **out)
{
    const struct address nobody = {.len = 0};
    struct asynchat_channel *ch;
    int error = asynchat__channel_socket(base, -1, &nobody, handler, arg, &ch);
    if (error)
        return error;
    struct dial *d = dial_new(ch, base, target->host, options);
    error = d ? dial_begin(d, target) : -ENOMEM;
    if (!error)
        error = asynchat__channel_time_connect(ch, base, options->timeout);
    if (error) {
        asynchat_channel_free(ch);
        return error;
    }
    *out = ch;
    return 0;
}
