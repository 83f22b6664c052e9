/* The producer of dotted data: a dot goes before each line that begins with a
 * dot, each line ends with CR LF, and a line that is a single dot comes last.
 *
 * The inner producer is asked for half of the room, since no byte of its
 * becomes more than two. So all that it gives is passed on at once, unless
 * there is room for one byte only.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "output/producer.h"

#include <errno.h>
#include <string.h>

#include <event2/buffer.h>

#include "base/memory.h"
#include "framer/any.h"

struct dotted_out {
    struct asynchat_producer *inner; /* NULL: it is done */
    struct evbuffer *from;           /* what it gave, not yet passed on */
    const char *owed;                /* what is to be said before that */
    struct any ends;                 /* CR and LF */
    bool begin;                      /* at the beginning of a line */
    bool cr;                         /* the last byte was a CR */
    bool marked;                     /* the end mark was said or is owed */
};

/* Where the bytes go. */
struct dotted_space {
    uint8_t *at;
    size_t room;
};

/* --- bytes --- */

static void dotted_put(struct dotted_space *to, const void *bytes, size_t len)
{
    memcpy(to->at, bytes, len);
    to->at += len;
    to->room -= len;
}

static void dotted_pay(struct dotted_out *d, struct dotted_space *to)
{
    size_t len = strlen(d->owed);
    if (len > to->room)
        len = to->room;
    dotted_put(to, d->owed, len);
    d->owed += len;
}

/* CR LF, a bare CR and a bare LF end a line alike. The line ends with its first
 * byte; an LF behind a CR is passed over. */
static void dotted_line_end(struct dotted_out *d, uint8_t byte)
{
    if (byte == '\r' || !d->cr)
        d->owed = "\r\n";
    d->cr = byte == '\r';
    d->begin = true;
}

/* Passes on a part of a line, or a line end. Answers how many bytes it took. */
static size_t dotted_pass(struct dotted_out *d, struct dotted_space *to,
                          const uint8_t *bytes, size_t len)
{
    if (*bytes == '\r' || *bytes == '\n') {
        dotted_line_end(d, *bytes);
        return 1;
    }
    bool stuffs = d->begin && *bytes == '.';
    d->begin = false;
    d->cr = false;
    if (stuffs) {
        d->owed = ".";
        return 0;
    }
    size_t most = len < to->room ? len : to->room;
    size_t run = asynchat__any_find(&d->ends, bytes, 0, most);
    dotted_put(to, bytes, run);
    return run;
}

/* Passes on what there is room for. False: there is no memory. */
static bool dotted_pass_all(struct dotted_out *d, struct dotted_space *to)
{
    size_t used = 0, len = evbuffer_get_length(d->from);
    const uint8_t *bytes = len > 0 ? evbuffer_pullup(d->from, -1) : NULL;
    if (len > 0 && !bytes)
        return false;
    dotted_pay(d, to);
    while (used < len && to->room > 0) {
        used += dotted_pass(d, to, bytes + used, len - used);
        dotted_pay(d, to);
    }
    evbuffer_drain(d->from, used);
    return true;
}

/* --- the producer --- */

static size_t dotted_waits(const struct dotted_out *d)
{
    return evbuffer_get_length(d->from) + strlen(d->owed);
}

/* Asks the inner producer, unless something waits. */
static int dotted_ask(struct dotted_out *d, struct asynchat_channel *ch,
                      size_t room)
{
    if (!d->inner || dotted_waits(d) > 0)
        return ASYNCHAT_MORE;
    int answer =
        asynchat__producer_more(d->inner, ch, d->from, room > 1 ? room / 2 : 1);
    if (answer == ASYNCHAT_DONE) {
        asynchat_producer_free(d->inner);
        d->inner = NULL;
    }
    return answer;
}

/* Says the end mark once the rest has been said. */
static void dotted_finish(struct dotted_out *d, struct dotted_space *to)
{
    if (d->inner || d->marked || dotted_waits(d) > 0)
        return;
    d->owed = d->begin ? ".\r\n" : "\r\n.\r\n";
    d->marked = true;
    dotted_pay(d, to);
}

/* What waits becomes at most twice as long, and then comes the end mark. */
static int dotted_say(struct dotted_out *d, struct evbuffer *out, size_t room)
{
    struct evbuffer_iovec space;
    size_t most = 2 * dotted_waits(d) + sizeof "\r\n.\r\n";
    if (room > most)
        room = most;
    if (evbuffer_reserve_space(out, (ev_ssize_t)room, &space, 1) < 1)
        return -ENOMEM;
    struct dotted_space to = {space.iov_base, room};
    bool passed = dotted_pass_all(d, &to);
    dotted_finish(d, &to);
    space.iov_len = room - to.room;
    evbuffer_commit_space(out, &space, 1);
    return passed ? 0 : -ENOMEM;
}

/* ASYNCHAT_LATER is passed on only at once: later on, the program may have
 * resumed the producer already. */
static int dotted_more(struct asynchat_channel *ch, struct evbuffer *out,
                       size_t room, void *arg)
{
    struct dotted_out *d = arg;
    int answer = dotted_ask(d, ch, room);
    if (d->inner && dotted_waits(d) == 0)
        return answer;
    int error = dotted_say(d, out, room);
    if (error || answer < 0)
        return answer < 0 ? answer : error;
    if (dotted_waits(d) > 0)
        return ASYNCHAT_MORE;
    return d->marked ? ASYNCHAT_DONE : answer;
}

static void dotted_out_release(void *arg)
{
    struct dotted_out *d = arg;
    asynchat_producer_free(d->inner);
    evbuffer_free(d->from);
    asynchat__free(d);
}

static const struct asynchat_producer_ops dotted_out_ops = {
    .size = sizeof dotted_out_ops,
    .more = dotted_more,
    .release = dotted_out_release,
};

struct asynchat_producer *asynchat_producer_dotted(
    struct asynchat_producer *inner)
{
    struct evbuffer *from = inner ? evbuffer_new() : NULL;
    struct dotted_out *d = from ? asynchat__calloc(1, sizeof *d) : NULL;
    if (!d) {
        if (from)
            evbuffer_free(from);
        asynchat_producer_free(inner);
        return NULL;
    }
    d->inner = inner;
    d->from = from;
    d->owed = "";
    d->begin = true;
    asynchat__any_add(&d->ends, '\r');
    asynchat__any_add(&d->ends, '\n');
    return asynchat__producer_make(&dotted_out_ops, d);
}
