/* The state of a channel: the rules for it, the setters that keep to them, and
 * the ways in which a channel ends.
 *
 * Tested by tests/test_channel_state.c and tests/test_channel.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "channel/object.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include <asynchat/error.h>

#include "base/log.h"
#include "output/slot.h"

/* Room for the text of an error, and for what a layer says of it. */
#define ERROR_TEXT 512

/* After a reset over a Unix socket, or a bufferevent, only this side's address
 * is still known. */
void asynchat__channel_log(const struct asynchat_channel *ch,
                           enum asynchat_log_level level,
                           enum asynchat_log_event event, int code,
                           const char *text)
{
    char name[ASYNCHAT_ADDRESS_SIZE] = "channel";
    if (!asynchat__log_wants(level))
        return;
    if (asynchat_peer_address(ch, name, sizeof name) < 0)
        asynchat_local_address(ch, name, sizeof name);
    asynchat__log((struct asynchat_log_record){.level = level,
                                               .event = event,
                                               .id = ch->id,
                                               .peer = name,
                                               .code = code,
                                               .text = text});
}

const char *asynchat__channel_layer_text(const struct asynchat_channel *ch)
{
    const struct stage *stage = ch->transport.stage;
    return stage && stage->codec->text ? stage->codec->text(stage->layer)
                                       : NULL;
}

static void channel_log_error(const struct asynchat_channel *ch, int error)
{
    char text[ERROR_TEXT], about[PROXIED_TEXT];
    enum asynchat_log_level level = asynchat__proxied_level(ch, error);
    const char *more;
    if (ch->owner && ch->owner->quiet)
        level = ASYNCHAT_LOG_DEBUG;
    if (!asynchat__log_wants(level))
        return;
    more = asynchat__proxied_text(ch, error, about);
    if (!more)
        more = asynchat__channel_layer_text(ch);
    (void)snprintf(text, sizeof text, "%s%s%s", asynchat_strerror(error),
                   more ? ": " : "", more ? more : ""); /* cut, if need be */
    asynchat__channel_log(ch, level, ASYNCHAT_LOG_ERROR, error, text);
}

/* Records why the channel ends, and reports it if it is an error. The first
 * error counts; if there is none, the first reason does. */
static void channel_explain(struct asynchat_channel *ch, int status)
{
    if (channel_is_error(ch->status) || ch->state == CHANNEL_FREED)
        return;
    if (ch->status == 0 || channel_is_error(status))
        ch->status = status;
    if (!channel_is_error(status))
        return;
    channel_log_error(ch, status);
    if (ch->handler->handle_error)
        ch->handler->handle_error(ch, status, ch->arg);
}

/* --- the rules --- */

#define TO(what) (1u << (what))

static bool is_allowed(const unsigned *rules, unsigned from, unsigned to)
{
    return from == to || (rules[from] & TO(to));
}

bool asynchat__channel_may_enter(enum channel_state from, enum channel_state to)
{
    enum { END = TO(CHANNEL_ENDED) | TO(CHANNEL_FREED) };
    static const unsigned rules[] = {
        [CHANNEL_CONNECTING] = TO(CHANNEL_OPEN) | END,
        [CHANNEL_OPEN] = TO(CHANNEL_SENDING) | TO(CHANNEL_RECEIVING) |
                         TO(CHANNEL_LINGERING) | END,
        [CHANNEL_SENDING] = TO(CHANNEL_LINGERING) | END,
        [CHANNEL_RECEIVING] = END,
        [CHANNEL_LINGERING] = END,
        [CHANNEL_ENDED] = TO(CHANNEL_FREED),
        [CHANNEL_FREED] = 0,
    };
    return is_allowed(rules, from, to);
}

/* HALF_KEPT means that the peer's end does not end the channel. Only an error,
 * which ends both directions, takes that back. */
bool asynchat__channel_may_halve(enum channel_half from, enum channel_half to)
{
    static const unsigned rules[] = {
        [HALF_NEITHER] = TO(HALF_KEPT) | TO(HALF_SHUT) | TO(HALF_STAGES),
        [HALF_KEPT] = TO(HALF_NEITHER),
        [HALF_SHUT] = TO(HALF_NEITHER) | TO(HALF_KEPT) | TO(HALF_STAGES),
        [HALF_STAGES] = TO(HALF_NEITHER),
    };
    return is_allowed(rules, from, to);
}

/* Only LEAVE_BETWEEN, which the program has asked for itself, can be taken
 * back. */
bool asynchat__channel_may_leave(enum channel_leave from, enum channel_leave to)
{
    static const unsigned rules[] = {
        [LEAVE_NOT] = TO(LEAVE_BETWEEN) | TO(LEAVE_STOPPING) | TO(LEAVE_NOW),
        [LEAVE_BETWEEN] = TO(LEAVE_NOT) | TO(LEAVE_NOW),
        [LEAVE_STOPPING] = TO(LEAVE_BETWEEN) | TO(LEAVE_TOLD) | TO(LEAVE_NOW),
        [LEAVE_TOLD] = TO(LEAVE_BETWEEN) | TO(LEAVE_NOW),
        [LEAVE_NOW] = 0,
    };
    return is_allowed(rules, from, to);
}

#undef TO

/* --- the setters --- */

static bool refuses(bool allowed)
{
    assert(allowed);
    return !allowed;
}

void asynchat__channel_halve(struct asynchat_channel *ch,
                             enum channel_half half)
{
    if (!refuses(asynchat__channel_may_halve(ch->half, half)))
        ch->half = half;
}

/* A channel that begins to leave waits for no bytes yet: what it waited for
 * when it left before may be behind by more than the counts can tell. */
void asynchat__channel_take_leave(struct asynchat_channel *ch,
                                  enum channel_leave leave)
{
    if (refuses(asynchat__channel_may_leave(ch->leave, leave)))
        return;
    if (ch->leave == LEAVE_NOT)
        ch->transport.until = (uint32_t)ch->in.received;
    ch->leave = leave;
}

/* Goes back to HALF_NEITHER, if the half is `from`. */
static void state_halve_back(struct asynchat_channel *ch,
                             enum channel_half from)
{
    if (ch->half == from)
        asynchat__channel_halve(ch, HALF_NEITHER);
}

void asynchat__channel_enter(struct asynchat_channel *ch,
                             enum channel_state state)
{
    if (refuses(asynchat__channel_may_enter(ch->state, state)))
        return;
    ch->state = state;
    channel_in_look(ch);
    channel_out_busy(ch);
    if (state >= CHANNEL_ENDED)
        asynchat__channel_part(ch);
}

/* --- ending --- */

/* The only way to ENDED. handle_close is not called here, but at the end of the
 * wake-up, so that the caller may still look at the channel. */
void asynchat__channel_end(struct asynchat_channel *ch, int status)
{
    /* When all is sent, another reason comes too late. */
    bool sent = ch->state == CHANNEL_LINGERING;
    if (ch->state >= CHANNEL_ENDED)
        return;
    asynchat__channel_enter(ch, CHANNEL_ENDED);
    channel_explain(ch, sent ? ch->status : status);
}

/* An error ends the waiting for slots that are not finished, as whoever is to
 * finish them may never do so. What is behind the first of them is not sent: a
 * peer would take it for what is missing. Answers what is to be freed. */
static struct outq_entry *state_give_up(struct asynchat_channel *ch)
{
    struct outq *q = &ch->out.queue;
    if (!q->slots || !q->slots->open)
        return NULL;
    struct outq_entry *behind = asynchat__outq_give_up(q);
    channel_out_lose(ch);
    asynchat__channel_out_slots(ch);
    return behind;
}

/* During a handshake nothing that follows it can be sent. */
static bool state_shakes(const struct asynchat_channel *ch)
{
    const struct stage *stage = ch->transport.stage;
    return stage && stage->shaking;
}

/* handle_eof and handle_error may push, so asynchat__channel_out_run() makes
 * the queue end after them. If the program has asked to close when done before,
 * the status is 0 and not ASYNCHAT_EOF: the program was first. Release
 * callbacks run last, when it is settled how the channel ends. */
void asynchat__channel_stop(struct asynchat_channel *ch, int status,
                            int cut_off)
{
    if (!channel_sends(ch) || (channel_is_error(status) && state_shakes(ch))) {
        asynchat__channel_end(ch, status);
        return;
    }
    struct outq_entry *behind = NULL;
    asynchat__channel_enter(ch, CHANNEL_SENDING);
    if (channel_is_error(status)) {
        state_halve_back(ch, HALF_KEPT);
        behind = state_give_up(ch);
    }
    if (channel_is_error(status) || !ch->out.queue.ends ||
        ch->half == HALF_SHUT)
        channel_explain(ch, status);
    if (status == ASYNCHAT_EOF && ch->handler->handle_eof)
        ch->handler->handle_eof(ch, cut_off, ch->arg);
    asynchat__outq_free(&ch->out.queue, behind);
}

void asynchat__channel_linger(struct asynchat_channel *ch, bool progress)
{
    if (asynchat__channel_time_linger(ch, progress) < 0)
        asynchat__channel_end(ch, -ENOMEM);
}

/* A peer that has reset the connection may have sent much before. This input
 * lies in the socket and can still be received, with the end behind it. Other
 * errors, and bufferevents, give no such promise. */
static bool state_has_input_left(const struct asynchat_channel *ch, int error)
{
    const struct transport *t = &ch->transport;
    bool reset = error == -EPIPE || error == -ECONNRESET;
    bool wanted = ch->state == CHANNEL_OPEN && !(ch->in.paused & PAUSE_CLOSE);
    return wanted && reset && !t->ended && t->ops->left && t->ops->left(t);
}

/* The state changes first. Release callbacks of the output that is dropped may
 * push, and such pushes could never be sent: in the new state they are refused.
 * If the channel ends, its output is dropped right before handle_close. A peer
 * that only refuses to read may never send an end, so it has no more than the
 * linger time. */
void asynchat__channel_broken(struct asynchat_channel *ch, int error)
{
    if (!state_has_input_left(ch, error)) {
        asynchat__channel_end(ch, error);
        return;
    }
    state_halve_back(ch, HALF_SHUT);
    asynchat__channel_enter(ch, CHANNEL_RECEIVING);
    asynchat__channel_out_discard(ch);
    asynchat__channel_pressure(ch);
    asynchat__channel_linger(ch, true);
}

/* Ends the output; the input goes on. */
static void channel_shut(struct asynchat_channel *ch)
{
    asynchat__channel_linger_stop(ch);
    ch->transport.ops->shut(&ch->transport);
    if (ch->state == CHANNEL_OPEN) /* a filter's callback may have ended it */
        asynchat__channel_enter(ch, CHANNEL_RECEIVING);
}

/* Whether the channel ends in the middle of a message of the peer's. */
static bool state_has_refused(int status)
{
    return status == ASYNCHAT_ETOOLONG || status == ASYNCHAT_EBARE ||
           status == ASYNCHAT_EFRAMING;
}

/* As in Python the channel closes at once, unless the peer would lose what it
 * was just sent. `more`: the peer is still sending. It is if its message was
 * too long, or bad; of another peer the program may know it, and say so by
 * asynchat_close_in_stages(). */
void asynchat__channel_sent(struct asynchat_channel *ch)
{
    bool more = state_has_refused(ch->status) || ch->half == HALF_STAGES;
    if (ch->half == HALF_SHUT && ch->state == CHANNEL_OPEN) {
        channel_shut(ch);
        return;
    }
    bool lost = ch->transport.ops->finish(&ch->transport, more);
    if (!lost || channel_out_gap(ch)) { /* last words may have no memory */
        asynchat__channel_end(ch, channel_out_gap(ch) ? ch->transport.broken
                                                      : ch->status);
    } else if (ch->state != CHANNEL_LINGERING) {
        asynchat__channel_linger(ch, true);
        if (ch->state >= CHANNEL_ENDED)
            return; /* no memory: this error can still be reported */
        asynchat__channel_enter(ch, CHANNEL_LINGERING);
        /* Input is only dropped from now on, so it may come in large pieces. */
        ch->transport.read_size = ASYNCHAT_BUFFER_SIZE_MAX;
    }
}
