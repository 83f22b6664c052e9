/* Sequences of calls for a dozen connections of all kinds, from outside and
 * from inside every callback. The promises of the headers about callbacks,
 * releases and the order of bytes must hold.
 *
 * The front of the input says what is done, the back what callbacks do.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include "ends.h"

typedef unsigned (*source)(struct input *in); /* input_front or input_back */

static unsigned next_of(source next)
{
    return next(&world.in);
}

/* Picks an end for an action. */
static struct end *pick(unsigned which)
{
    return &world.ends[which % ENDS];
}

/* --- time --- */

static unsigned long now; /* in milliseconds */

/* This clock stands still, for the library and for libevent. The fuzzer itself
 * uses the time of day. */
int clock_gettime(clockid_t clock, struct timespec *time)
{
    if (clock == CLOCK_REALTIME)
        return (int)syscall(SYS_clock_gettime, clock, time);
    time->tv_sec = (time_t)(1000 + now / 1000);
    time->tv_nsec = (long)(now % 1000 * 1000000);
    return 0;
}

/* --- what is lent --- */

/* A reference or a producer that the library has. */
struct loan {
    unsigned number;
    struct end *e;
    unsigned segment;
    size_t given;
    unsigned char bytes[];
};

static struct loan *lend(struct end *e, size_t len)
{
    struct loan *loan = calloc(1, sizeof *loan + len);
    CHECK(loan && world.lent < LENT);
    loan->number = world.lent++;
    loan->e = e;
    return loan;
}

/* Called exactly once for each loan. Anything may be called here. */
static void released(struct loan *loan)
{
    CHECK(world.released[loan->number]++ == 0);
    wire_end(&loan->e->sent, loan->segment);
    free(loan);
    react();
}

static void on_reference_released(const void *data, size_t len, void *arg)
{
    struct loan *loan = arg;
    (void)len;
    CHECK(data == loan->bytes);
    released(loan);
}

static void on_producer_released(void *arg)
{
    released(arg);
}

/* --- producers --- */

/* If the producer was dropped meanwhile, the bytes that it gives go nowhere. */
static void give(struct loan *loan, struct evbuffer *out, size_t len)
{
    uint8_t bytes[256];
    wire_fill(bytes, loan->segment, loan->given, len);
    evbuffer_add(out, bytes, len);
    wire_grow(&loan->e->sent, loan->segment, len);
    loan->given += len;
}

static int on_more(struct asynchat_channel *ch, struct evbuffer *out,
                   size_t room, void *arg)
{
    static const int answers[] = {
        ASYNCHAT_DONE, ASYNCHAT_MORE,  ASYNCHAT_LATER, ASYNCHAT_MORE,
        ASYNCHAT_MORE, ASYNCHAT_LATER, -EIO,           77};
    struct loan *loan = arg;
    unsigned what = next_of(input_back);
    size_t len = what / 16 * 17;
    CHECK(room > 0 && world.released[loan->number] == 0);
    CHECK(loan->e->ch == ch || !loan->e->ch);
    if (what & 8)
        react();
    give(loan, out, len < room ? len : room);
    if (what & 8)
        react();
    /* a failure drops everything queued behind, unless it was dropped itself */
    if (what % 8 >= 6 && loan->e->sent.segments[loan->segment].open)
        wire_cut(&loan->e->sent);
    return answers[what % 8];
}

static const struct asynchat_producer_ops loan_ops = {
    .size = sizeof loan_ops, .more = on_more, .release = on_producer_released};

/* Returns NULL if there is no room for the producer's segment. */
static struct asynchat_producer *make_producer(struct end *e)
{
    struct asynchat_producer *producer;
    unsigned segment = wire_add(&e->sent, 0, true);
    if (segment == SEGMENTS)
        return NULL;
    struct loan *loan = lend(e, 0);
    loan->segment = segment;
    CHECK(asynchat_producer_new(&loan_ops, loan, &producer) == 0);
    return producer;
}

/* --- pushing --- */

/* Whether a push can return this. */
static bool can_be(const struct end *e, int error)
{
    return error == 0 || error == ASYNCHAT_ECLOSED ||
           (error == ASYNCHAT_EFULL && e->limited);
}

/* A push that is refused sends nothing. */
static void pushed(struct end *e, unsigned segment, int error)
{
    CHECK(can_be(e, error));
    if (error)
        e->sent.segments[segment] = (struct segment){0, false};
}

/* A length that can be sent and received in reasonable time. */
static size_t length_of(const struct end *e, unsigned value)
{
    size_t len = value < 240 ? value : (value - 239) * 4000u;
    return len < 200 * e->size ? len : 200 * e->size;
}

/* Returns the bytes of a new segment, to be freed, or NULL if there is no
 * room. */
static uint8_t *segment_bytes(struct end *e, size_t len, unsigned *segment)
{
    *segment = wire_add(&e->sent, len, false);
    if (*segment == SEGMENTS)
        return NULL;
    uint8_t *bytes = malloc(len + 1);
    CHECK(bytes);
    wire_fill(bytes, *segment, 0, len);
    return bytes;
}

static void push(struct end *e, size_t len)
{
    unsigned segment;
    uint8_t *bytes = segment_bytes(e, len, &segment);
    if (bytes)
        pushed(e, segment, asynchat_push(e->ch, bytes, len));
    free(bytes);
}

static void push_shared(struct end *e, size_t len)
{
    unsigned segment;
    uint8_t *bytes = segment_bytes(e, len, &segment);
    struct asynchat_block *block =
        bytes ? asynchat_block_new(bytes, len) : NULL;
    if (block)
        pushed(e, segment, asynchat_push_shared(e->ch, block));
    asynchat_block_free(block);
    free(bytes);
}

static void push_reference(struct end *e, size_t len)
{
    unsigned segment = wire_add(&e->sent, len, false);
    if (segment == SEGMENTS || world.lent == LENT)
        return;
    struct loan *loan = lend(e, len);
    loan->segment = segment;
    wire_fill(loan->bytes, segment, 0, len);
    /* the release callback may have freed the channel */
    int error = asynchat_push_reference(e->ch, loan->bytes, len,
                                        on_reference_released, loan);
    pushed(e, segment, error);
}

static void tell(struct end *e, unsigned what, source next);

/* Runs inside the call that takes from the evbuffer: does something to the same
 * channel, or to any channel. */
static void on_taken(struct evbuffer *buffer,
                     const struct evbuffer_cb_info *info, void *arg)
{
    struct end *e = arg;
    (void)buffer;
    if (info->n_deleted == 0)
        return;
    unsigned what = next_of(input_back);
    if (what >= 0x80 && e->ch)
        tell(e, what, input_back);
    else
        react();
}

static void push_evbuffer(struct end *e, size_t len)
{
    unsigned segment;
    struct evbuffer *buffer = evbuffer_new();
    uint8_t *bytes = segment_bytes(e, len, &segment);
    if (bytes) {
        evbuffer_add(buffer, bytes, len);
        CHECK(evbuffer_add_cb(buffer, on_taken, e));
        int error = asynchat_push_evbuffer(e->ch, buffer);
        CHECK(error || evbuffer_get_length(buffer) == 0);
        pushed(e, segment, error);
    }
    free(bytes);
    evbuffer_free(buffer);
}

static void push_own(struct end *e, unsigned parts)
{
    struct asynchat_producer *all[3];
    size_t count = 0;
    while (count < parts && world.lent < LENT)
        if ((all[count] = make_producer(e)))
            count++;
        else
            break;
    if (count == 0)
        return;
    struct asynchat_producer *producer =
        parts == 1 ? all[0] : asynchat_producer_concat(all, count);
    CHECK(can_be(e, asynchat_push_producer(e->ch, producer)));
}

static void push_simple(struct end *e, size_t len, size_t chunk)
{
    unsigned segment;
    uint8_t *bytes = segment_bytes(e, len, &segment);
    if (bytes)
        pushed(e, segment,
               asynchat_push_producer(
                   e->ch, asynchat_producer_simple(bytes, len, chunk)));
    free(bytes);
}

static void push_file(struct end *e, size_t len)
{
    unsigned segment;
    uint8_t *bytes = segment_bytes(e, len, &segment);
    int fd = bytes ? memfd_create("fuzz", MFD_CLOEXEC) : -1;
    if (fd >= 0) {
        CHECK(write(fd, bytes, len) == (ssize_t)len);
        pushed(
            e, segment,
            asynchat_push_producer(e->ch, asynchat_producer_file(fd, 0, len)));
    }
    free(bytes);
}

/* --- slots --- */

enum { PLACES_KEPT = 8 };

/* The slots of a run, of any channel. */
static struct kept {
    struct asynchat_slot *slot; /* or NULL */
    struct end *e;
    unsigned segment;
    size_t given;
} kept[PLACES_KEPT];

static void reserve(struct end *e, struct kept *k)
{
    unsigned segment = wire_add(&e->sent, 0, true);
    if (segment == SEGMENTS)
        return;
    *k = (struct kept){.e = e, .segment = segment};
    pushed(e, segment, asynchat_reserve(e->ch, &k->slot));
    e->slots += k->slot != NULL;
}

static void finish_slot(struct kept *k)
{
    struct asynchat_slot *slot = k->slot;
    if (!slot)
        return;
    k->slot = NULL;
    wire_end(&k->e->sent, k->segment);
    k->e->slots--;
    int error = asynchat_slot_finish(slot);
    CHECK(error == 0 || error == ASYNCHAT_ECLOSED);
}

/* A slot that is gone takes nothing, and its segment does not grow. */
static void fill_slot(struct kept *k, size_t len)
{
    uint8_t bytes[256];
    struct end *e = k->e;
    wire_fill(bytes, k->segment, k->given, len);
    wire_grow(&e->sent, k->segment, len);
    k->given += len;
    CHECK(can_be(e, asynchat_slot_push(k->slot, bytes, len)));
}

/* Reserves a slot, or goes on with one, which may be another channel's. */
static void use_slot(struct end *e, unsigned what)
{
    struct kept *k = &kept[what % PLACES_KEPT];
    if (!k->slot)
        reserve(e, k);
    else if (what >= 0x80)
        finish_slot(k);
    else
        fill_slot(k, 1 + what);
    if (e->ch && what % 32 == 31)
        CHECK(asynchat_set_slot_limit(e->ch, 1 + what / 32) == 0);
}

/* NULL: those of all channels. */
static void finish_slots(const struct end *e)
{
    for (unsigned i = 0; i < PLACES_KEPT; i++)
        if (!e || kept[i].e == e)
            finish_slot(&kept[i]);
}

/* --- the other calls --- */

static void set_terminator(struct end *e, unsigned what)
{
    static const char *const strings[] = {"\r\n", "a",   "aab",  "ab",
                                          "\n",   "aaa", "b\na", ""};
    static const char *const longer = "aabaabaabaabaab";
    const char *string = strings[what % 8];
    int error = 0;
    if (what < 128)
        error = asynchat_set_terminator(e->ch, string, strlen(string));
    else if (what < 192)
        error = asynchat_set_terminator_length(e->ch, what % 64);
    else if (what < 224)
        error = asynchat_set_terminator(e->ch, longer, 4 + what % 12);
    else
        error = asynchat_set_terminator_none(e->ch);
    CHECK(error == 0);
    e->counting = what >= 128 && what < 192 && what % 64 > 0;
}

/* The peer cannot know which input was dropped. Whether this cancels
 * asynchat_close_when_done depends on how far the channel has come. */
static void discard(struct end *e)
{
    bool ended = e->closed || e->close;
    if (!ended) {
        e->dropped = true;
        e->after = false;
        e->pressed = false;
        wire_cut(&e->sent);
        if (e->peer)
            e->peer->sent.lost = true;
    }
    asynchat_discard_buffers(e->ch);
}

static void close_when_done(struct end *e)
{
    int error = asynchat_close_when_done(e->ch);
    CHECK(error == 0 || error == ASYNCHAT_ECLOSED);
    if (error == 0)
        e->done = true;
}

static void close_in_stages(struct end *e)
{
    int error = asynchat_close_in_stages(e->ch);
    CHECK(error == 0 || error == ASYNCHAT_ECLOSED);
    if (error == 0)
        e->done = true;
}

/* The peer cannot know which input is delivered. */
static void close_after(struct end *e)
{
    int error = asynchat_close_after(e->ch);
    CHECK(error == 0 || error == ASYNCHAT_ECLOSED);
    if (error)
        return;
    e->done = e->after = true;
    if (e->peer)
        e->peer->sent.lost = true;
}

static void flush(struct end *e)
{
    int error = asynchat_flush(e->ch);
    CHECK(can_be(e, error) || error == -EBUSY || error == -EPIPE ||
          error == -ECONNRESET);
}

static void close_now(struct end *e)
{
    e->close = true;
    asynchat_close(e->ch);
}

static void set_least(struct end *e, size_t size)
{
    if (size < e->size)
        e->size = size;
    if (e->peer && size < e->peer->size)
        e->peer->size = size;
}

static void set_sizes(struct end *e, unsigned what)
{
    size_t size = 1 + what / 4;
    int error = 0;
    switch (what % 4) {
    case 0:
        error = asynchat_set_in_buffer_size(e->ch, size);
        set_least(e, size);
        break;
    case 1:
        error = asynchat_set_out_buffer_size(e->ch, size);
        set_least(e, size);
        break;
    case 2:
        error = asynchat_set_message_limit(e->ch, size * 16);
        break;
    default:
        error = asynchat_set_linger(e->ch, (unsigned)size * 1000);
    }
    CHECK(error == 0);
}

static void join(struct end *e, struct end *other)
{
    CHECK(asynchat_join(e->ch, other->ch) == 0);
}

/* Now handle_pressure may be called again. */
static void set_marks(struct end *e, unsigned what)
{
    size_t low = what % 16 * 16;
    e->high = low + 1 + (what / 16) * 100u;
    e->pressed = false;
    CHECK(asynchat_set_output_marks(e->ch, low, e->high) == 0);
}

static void set_output_limit(struct end *e, unsigned what)
{
    CHECK(asynchat_set_output_limit(e->ch, 1 + what * 100u) == 0);
    e->limited = true;
}

static void set_times(struct end *e, unsigned what, unsigned milliseconds)
{
    struct asynchat_timeouts times = {
        .size = sizeof times,
        .idle = what & 1 ? milliseconds : 0,
        .read_idle = what & 2 ? 2 * milliseconds : 0,
        .write_idle = what & 4 ? milliseconds : 0,
        .message = what & 8 ? milliseconds : 0,
        .min_rate = what & 16 ? what : 0,
        .rate_time = what & 32 ? milliseconds : 0};
    CHECK(asynchat_set_timeouts(e->ch, &times) == 0);
    e->timed = true;
}

static void set_deadline(struct end *e, unsigned what)
{
    unsigned milliseconds = what & 1 ? 1u << what / 16 : 0;
    if (what & 2)
        CHECK(asynchat_set_steady_deadline(e->ch, milliseconds) == 0);
    else
        CHECK(asynchat_set_deadline(e->ch, milliseconds) == 0);
    CHECK((asynchat_get_deadline(e->ch) > 0) == (milliseconds > 0));
    e->timed = true;
}

static const struct asynchat_handler *handler_of(unsigned what, bool full);

static void set_handler(struct end *e, unsigned what)
{
    CHECK(asynchat_set_handler(e->ch, handler_of(what, what & 2)) == 0);
    e->pressed = false; /* the handler before may not hear of the end */
    e->stopping = e->stopping && (what & 2);
}

/* The calls that came last. */
static void tell_last(struct end *e, unsigned what)
{
    if (what % 4 < 2)
        flush(e);
    else if (what % 4 == 2)
        set_deadline(e, what / 4);
    else if (what >= 128)
        close_after(e);
}

static struct asynchat_rates some_rates(unsigned what)
{
    return (struct asynchat_rates){.size = sizeof(struct asynchat_rates),
                                   .read = what & 1 ? what * 8u : 0,
                                   .write = what & 2 ? what * 8u : 0,
                                   .read_burst = what & 4 ? what : 0,
                                   .write_burst = what & 8 ? 1 : 0};
}

static void set_rates(struct end *e, unsigned what)
{
    struct asynchat_rates rates = some_rates(what);
    CHECK(asynchat_set_rates(e->ch, what ? &rates : NULL) == 0);
}

static void set_group(struct end *e, unsigned what)
{
    struct asynchat_rates rates = some_rates(what);
    if (!world.group)
        CHECK(asynchat_rate_group_new(world.base, &rates, &world.group) == 0);
    if (what & 16)
        CHECK(asynchat_rate_group_set(world.group, &rates) == 0);
    CHECK(asynchat_set_rate_group(e->ch, what & 32 ? NULL : world.group) == 0);
}

static void free_group(void)
{
    asynchat_rate_group_free(world.group);
    world.group = NULL;
}

static void rate(struct end *e, unsigned how, unsigned what)
{
    if (how % 4 == 0)
        free_group();
    else if (how % 4 == 1)
        set_group(e, what);
    else
        set_rates(e, what);
}

static void on_transcript(struct asynchat_channel *ch,
                          enum asynchat_transcript what, const void *data,
                          size_t len, void *arg)
{
    const struct end *e = arg;
    CHECK(ch == e->ch || !e->ch);
    CHECK(what == ASYNCHAT_TRANSCRIPT_FOUND ? !data : len > 0);
    react();
}

static void transcribe(struct end *e, unsigned what)
{
    CHECK(asynchat_set_transcript(e->ch, what & 1 ? on_transcript : NULL, e) ==
          0);
    asynchat_set_secret(e->ch, what & 2);
}

static void shutdown_write(struct end *e)
{
    int error = asynchat_shutdown_write(e->ch);
    CHECK(error == 0 || error == ASYNCHAT_ECLOSED);
    if (error == 0)
        e->shut = true;
}

static void abort_now(struct end *e)
{
    e->close = true;
    asynchat_abort(e->ch);
}

static void pause_reading(struct end *e)
{
    e->paused = true;
    asynchat_pause_reading(e->ch);
}

static void resume_reading(struct end *e)
{
    e->paused = false;
    asynchat_resume_reading(e->ch);
}

/* --- posting --- */

static void on_call(struct asynchat_channel *ch, void *arg)
{
    struct loan *loan = arg;
    struct end *e = loan->e;
    CHECK(world.released[loan->number]++ == 0);
    free(loan);
    end_called(e, ch);
}

/* Posts also when the channel is gone, but then the loop may be gone as
 * well. */
static void post(struct end *e)
{
    if (world.lent == LENT)
        return;
    struct loan *loan = lend(e, 0);
    int error = asynchat_post(e->id, on_call, loan);
    CHECK(error == 0 || (error == ASYNCHAT_ECLOSED && !e->ch));
    if (error) {
        world.released[loan->number]++;
        free(loan);
    }
}

/* The id stays the same. A channel that has closed no longer gets one. */
static void post_to(struct end *e)
{
    uint64_t id = asynchat_get_id(e->ch);
    CHECK(id == e->id || e->id == 0);
    CHECK(id != 0 || e->closed);
    e->id = id;
    if (id)
        post(e);
}

/* --- stopping --- */

static void on_stopped(void *arg)
{
    CHECK(arg == &world && world.server);
    world.server = NULL;
    server_stopped();
}

static void stop_server(unsigned grace)
{
    if (!world.server)
        return;
    CHECK(asynchat_server_stop(world.server, grace, on_stopped, &world) == 0);
    world.stops = true;
    world.first_waiting = world.last_waiting = 0;
}

/* --- telling --- */

static void ask(const struct end *e)
{
    char text[ASYNCHAT_ADDRESS_SIZE];
    CHECK(asynchat_get_base(e->ch) == world.base);
    CHECK(asynchat_get_bufferevent(e->ch));
    CHECK(asynchat_peer_address(e->ch, text, sizeof text) <= 0);
    CHECK(asynchat_local_address(e->ch, text, sizeof text) <= 0);
}

/* Actions that were added later than the others. */
static void tell_more(struct end *e, unsigned what, source next)
{
    switch (what) {
    case 0:
        ask(e);
        break;
    case 1:
        pause_reading(e);
        break;
    case 2:
        resume_reading(e);
        break;
    case 3:
        join(e, pick(next_of(next)));
        break;
    case 4:
        set_marks(e, next_of(next));
        break;
    case 5:
        set_output_limit(e, next_of(next));
        break;
    case 6:
        CHECK(asynchat_set_message_budget(e->ch, 1 + next_of(next)) == 0);
        break;
    case 7:
        what = next_of(next);
        set_times(e, what, 1u << next_of(next) % 16);
        break;
    case 8:
        shutdown_write(e);
        break;
    case 9:
        asynchat_keep_open(e->ch);
        break;
    case 10:
        abort_now(e);
        break;
    case 11:
        post_to(e);
        break;
    case 12:
        CHECK(asynchat_set_message_limit(e->ch, 1 + next_of(next)) == 0);
        break;
    case 13:
        what = next_of(next);
        rate(e, what, next_of(next));
        break;
    case 14:
        what = next_of(next);
        if (what & 4)
            close_in_stages(e);
        else
            transcribe(e, what);
        break;
    default:
        stop_server(next_of(next));
    }
}

/* Does an action to the channel of an end. */
static void tell(struct end *e, unsigned what, source next)
{
    switch (what % 16) {
    case 0:
        push(e, length_of(e, next_of(next)));
        break;
    case 1:
        push_shared(e, length_of(e, next_of(next)));
        break;
    case 2:
        push_reference(e, length_of(e, next_of(next)));
        break;
    case 3:
        push_evbuffer(e, length_of(e, next_of(next)));
        break;
    case 4:
        push_own(e, 1 + next_of(next) % 3);
        break;
    case 5:
        push_simple(e, next_of(next), what / 16);
        break;
    case 6:
        push_file(e, next_of(next));
        break;
    case 7:
        set_terminator(e, next_of(next));
        break;
    case 8:
        if (what & 128)
            set_handler(e, next_of(next));
        else
            use_slot(e, next_of(next));
        break;
    case 9:
        close_now(e);
        break;
    case 10:
        close_when_done(e);
        break;
    case 11:
        discard(e);
        break;
    case 12:
        end_free(e);
        break;
    case 13:
        if (what & 128)
            tell_last(e, next_of(next));
        else
            asynchat_resume_producer(e->ch);
        break;
    case 14:
        set_sizes(e, next_of(next));
        break;
    default:
        tell_more(e, what / 16, next);
    }
}

/* --- plain sockets --- */

static void send_plain(struct end *e, size_t len)
{
    unsigned segment;
    uint8_t *bytes = segment_bytes(e, len, &segment);
    if (!bytes)
        return;
    ssize_t n = send(e->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    e->sent.segments[segment].len = n > 0 ? (size_t)n : 0;
    free(bytes);
}

static void receive_plain(struct end *e)
{
    char data[4096];
    ssize_t n = recv(e->fd, data, sizeof data, MSG_DONTWAIT);
    if (n > 0)
        end_got(e, data, (size_t)n);
}

static void close_plain(struct end *e)
{
    close(e->fd);
    e->fd = -1;
    e->close = true;
}

static void use_plain(struct end *e, unsigned what, source next)
{
    switch (what % 4) {
    case 0:
        send_plain(e, next_of(next));
        break;
    case 1:
        receive_plain(e);
        break;
    case 2:
        shutdown(e->fd, SHUT_WR);
        break;
    default:
        close_plain(e);
    }
}

/* --- making --- */

static const struct asynchat_handler *handler_of(unsigned what, bool full)
{
    if (full)
        return what & 1 ? &full_whole_handler : &full_pieces_handler;
    return what & 1 ? &whole_handler : &pieces_handler;
}

/* Makes two ends that are each other's peer. */
static bool make_two(struct end *both[2])
{
    both[0] = end_new();
    both[1] = both[0] ? end_new() : NULL;
    if (!both[1]) {
        if (both[0])
            both[0]->used = false;
        return false;
    }
    both[0]->peer = both[1];
    both[1]->peer = both[0];
    return true;
}

static void make_pair(unsigned what)
{
    struct end *both[2];
    struct asynchat_channel *out[2];
    if (!make_two(both))
        return;
    const struct asynchat_handler *handlers[2] = {
        handler_of(what, what & 4), handler_of(what / 2, what & 8)};
    CHECK(asynchat_pair_new(world.base, handlers, (void *[2]){both[0], both[1]},
                            out) == 0);
    both[0]->ch = out[0];
    both[1]->ch = out[1];
}

static void make_channel(struct end *e, int fd, unsigned what, bool socket)
{
    const struct asynchat_handler *handler = handler_of(what, what & 32);
    struct bufferevent *bev;
    int error = 0;
    if (socket) {
        error = asynchat_channel_new_socket(world.base, fd, handler, e, &e->ch);
    } else {
        evutil_make_socket_nonblocking(fd);
        bev = bufferevent_socket_new(world.base, fd, BEV_OPT_CLOSE_ON_FREE);
        CHECK(bev);
        error = asynchat_channel_new(bev, 0, handler, e, &e->ch);
    }
    CHECK(error == 0);
}

/* Makes a channel, and as its peer another channel or the test's own socket. */
static void make_sockets(unsigned what)
{
    struct end *both[2];
    int fds[2];
    if (!make_two(both))
        return;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    make_channel(both[0], fds[0], what, what & 4);
    if (what & 8)
        make_channel(both[1], fds[1], what / 2, what & 16);
    else
        both[1]->fd = fds[1];
}

static const char *server_address(void)
{
    static char text[ASYNCHAT_ADDRESS_SIZE];
    const char *folder = getenv("TMPDIR");
    snprintf(text, sizeof text, "unix:%s/asynchat_fuzz_%d",
             folder ? folder : "/tmp", (int)getpid());
    return text;
}

/* Posts that are left may run meanwhile, and do anything. */
static void free_server(void)
{
    struct asynchat_server *server = world.server;
    world.server = NULL;
    asynchat_server_free(server);
    world.first_waiting = world.last_waiting = 0;
}

static void make_server(unsigned what)
{
    while (world.server)
        free_server();
    CHECK(asynchat_server_new(world.base, server_address(),
                              handler_of(what, what & 4), &world, NULL,
                              &world.server) == 0);
}

/* The end is about to connect to the server. */
static void end_connects(struct end *e)
{
    if (world.server && world.last_waiting < ENDS)
        world.waiting[world.last_waiting++] = e;
}

static int on_prepare(int fd, const struct sockaddr *to, socklen_t len,
                      void *arg)
{
    struct end *e = arg;
    CHECK(fd >= 0 && to->sa_family == AF_UNIX && len > 0);
    CHECK(e->ch && !e->connected && !e->error && !e->closed);
    end_connects(e);
    return 0;
}

/* Anything may be called here, too. */
static int on_candidate(struct asynchat_channel *ch, void *arg)
{
    struct end *e = arg;
    CHECK(ch == e->ch && !e->connected && !e->error && !e->closed);
    react();
    return 0;
}

static void make_client(unsigned what)
{
    static const struct asynchat_connect_options hooks = {
        .size = sizeof hooks, .prepare = on_prepare, .candidate = on_candidate};
    struct end *e = end_new();
    if (!e)
        return;
    const struct asynchat_handler *handler = handler_of(what, what & 4);
    if (what & 8) {
        CHECK(asynchat_connect_name(world.base, server_address(), NULL, &hooks,
                                    handler, e, &e->ch) == 0);
        return;
    }
    CHECK(asynchat_connect(world.base, server_address(), what & 2 ? 1000 : 0,
                           handler, e, &e->ch) == 0);
    end_connects(e);
}

static void make(unsigned what)
{
    switch (what / 32 % 8) {
    case 0:
    case 1:
    case 2:
        make_sockets(what);
        break;
    case 3:
    case 4:
        make_pair(what);
        break;
    case 5:
        make_client(what);
        break;
    case 6:
        make_server(what);
        break;
    default:
        free_server();
    }
}

/* --- deeds --- */

static void deed(source next)
{
    unsigned what = next_of(next);
    if (world.deeds == 0 || world.depth > 4)
        return;
    world.deeds--;
    world.depth++;
    struct end *e = pick(next_of(next));
    if (what >= 0xe0)
        make(next_of(next));
    else if (e->ch)
        tell(e, what, next);
    else if (e->fd >= 0 && e->used)
        use_plain(e, what, next);
    else if (e->id)
        post(e);
    world.depth--;
}

/* Most callbacks do nothing, so that the conversations go on. */
void react(void)
{
    unsigned what = next_of(input_back);
    for (unsigned deeds = what < 0x60 ? 0 : 1 + what % 2; deeds > 0; deeds--)
        deed(input_back);
}

static void pass(void)
{
    event_base_loop(world.base, EVLOOP_NONBLOCK);
}

/* Lets up to some minutes pass. */
static void wait_some(unsigned power)
{
    now += 10ul << power;
    pass();
}

static void turn(void)
{
    unsigned what = next_of(input_front);
    if (what < 0x40)
        pass();
    else if (what < 0x50)
        wait_some(what % 16);
    else
        deed(input_front);
}

/* --- the end --- */

/* Whether a channel still has a reason to exist: its plain peer does not read,
 * or does not end; or, after errors, both sides have stopped reading and wait
 * for the linger time. */
static bool may_stay(const struct end *e)
{
    const struct end *peer = e->peer;
    return !e->ch || (peer && (peer->fd >= 0 || (e->error && peer->error)));
}

/* Ends everything by which the program keeps the channel waiting. */
static void let_go_on(struct end *e)
{
    if (!e->ch)
        return;
    asynchat_resume_producer(e->ch);
    finish_slots(e);
    if (!e->ch)
        return;
    resume_reading(e);
    CHECK(asynchat_join(e->ch, NULL) == 0);
    CHECK(asynchat_set_rates(e->ch, NULL) == 0);
    CHECK(asynchat_set_rate_group(e->ch, NULL) == 0);
}

/* All channels close when done, and must come to their end. */
static void finish(void)
{
    for (unsigned i = 0; i < ENDS; i++)
        if (world.ends[i].ch)
            close_when_done(&world.ends[i]);
    for (unsigned passes = 0; passes < 2000; passes++) {
        bool all = true;
        pass();
        for (unsigned i = 0; i < ENDS; i++) {
            let_go_on(&world.ends[i]);
            all = may_stay(&world.ends[i]) && all;
        }
        if (all)
            return;
    }
    CHECK(!"all channels have closed");
}

static void clean_up(void)
{
    world.deeds = 0;
    free_server();
    free_group();
    for (unsigned i = 0; i < ENDS; i++) {
        struct end *e = &world.ends[i];
        if (e->ch)
            end_free(e);
        if (e->used && e->fd >= 0)
            close(e->fd);
    }
    pass();
    pass();
    event_base_free(world.base);
    finish_slots(NULL);
    for (unsigned i = 0; i < world.lent; i++)
        CHECK(world.released[i] == 1);
}

/* Returns the next descriptor that would be given. */
static int next_descriptor(void)
{
    int fd = dup(STDERR_FILENO);
    close(fd);
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int descriptor = next_descriptor();
    memset(&world, 0, sizeof world);
    world.in = (struct input){data, data + size};
    world.base = event_base_new();
    world.deeds = 200;
    unsigned mode = input_front(&world.in);
    make(mode);
    while (world.in.at < world.in.end)
        turn();
    if (!(mode & 1))
        finish();
    clean_up();
    CHECK(next_descriptor() == descriptor);
    return 0;
}
