/* Calls in any order, from outside and from inside every callback, on four
 * channels with layers of any kind, some of which fail. Nothing is known of
 * what comes of it, but that all ends, and that every layer is released once:
 * to be run with a sanitizer. SEED=n COUNT=1 runs one again.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "clock.h"
#include "fixture.h"
#include "toy.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

#define SEEDS 500
#define ENDS 4
#define STEPS 120
#define DEPTH 3 /* of calls inside of callbacks */

struct end {
    struct asynchat_channel *ch; /* NULL once it has closed */
    bool client;
};

static struct end ends[ENDS];
static struct event_base *base;
static int depth;
static char bytes[30000];

/* --- chance --- */

static uint64_t chance;

static unsigned draw(unsigned below)
{
    chance ^= chance >> 12;
    chance ^= chance << 25;
    chance ^= chance >> 27;
    return (unsigned)((chance * UINT64_C(2685821657736338717)) >> 33) % below;
}

static bool one_in(unsigned n)
{
    return draw(n) == 0;
}

static size_t draw_size(void)
{
    return 40 + draw(one_in(2) ? 10 : 70000);
}

/* --- callbacks --- */

static void act(struct end *e);

/* Does something to the end, or to any. */
static void react(struct end *e)
{
    if (depth == DEPTH)
        return;
    depth++;
    if (e && one_in(4))
        act(e);
    if (one_in(3))
        act(&ends[draw(ENDS)]);
    depth--;
}

static void on_any(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    react(arg);
}

static void on_data(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg)
{
    (void)ch;
    (void)data;
    (void)len;
    react(arg);
}

static void on_eof(struct asynchat_channel *ch, int cut_off, void *arg)
{
    (void)cut_off;
    if (one_in(2))
        asynchat_keep_open(ch);
    react(arg);
}

static void on_error(struct asynchat_channel *ch, int error, void *arg)
{
    (void)ch;
    (void)error;
    react(arg);
}

static void on_close(struct asynchat_channel *ch, int status, void *arg)
{
    struct end *e = arg;
    (void)status;
    assert_ptr_equal(e->ch, ch);
    e->ch = NULL;
    react(NULL);
}

static void on_release(const void *data, size_t len, void *arg)
{
    (void)data;
    (void)len;
    (void)arg;
    react(NULL);
}

static const struct asynchat_handler handler = {
    .size = sizeof handler,
    .collect_incoming_data = on_data,
    .found_terminator = on_any,
    .handle_connect = on_any,
    .handle_eof = on_eof,
    .handle_error = on_error,
    .handle_close = on_close,
    .handle_drained = on_any,
    .handle_pressure = on_any,
};

/* --- calls --- */

static void set_layer(struct end *e)
{
    const struct asynchat_layer_options options = {
        .size = sizeof options,
        .flags = one_in(3) ? ASYNCHAT_LAYER_REFUSE_EARLY : 0,
        .time = draw(3000),
        .up = on_any};
    struct toy *toy = toy_new(e->client);
    toy->steps = one_in(4) ? (int)draw(5) : 2;
    toy->talks = (int)draw(3);
    toy->waits = (int)draw(4);
    toy->takes = (int)draw(3);
    toy->greedy = (int)draw(3);
    toy->fail_open = one_in(8) ? 1 + (int)draw(10) : 0;
    toy->fail_seal = one_in(8) ? 1 + (int)draw(10) : 0;
    toy->fail_finish = one_in(20);
    if (asynchat_set_layer(e->ch, &toy_ops, toy, one_in(2) ? &options : NULL))
        toy_ops.release(toy);
}

static void set_rates(struct end *e)
{
    const struct asynchat_rates rates = {.size = sizeof rates,
                                         .read = one_in(2) ? 100000 : 0,
                                         .write = one_in(2) ? 100000 : 0};
    asynchat_set_rates(e->ch, one_in(2) ? &rates : NULL);
}

static void set_timeouts(struct end *e)
{
    const struct asynchat_timeouts times = {.size = sizeof times,
                                            .idle = draw(2) * 1000,
                                            .write_idle = draw(2) * 1000};
    asynchat_set_timeouts(e->ch, &times);
}

static void set_something(struct end *e)
{
    switch (draw(8)) {
    case 0:
        (void)!asynchat_set_terminator(e->ch, "ab", 1 + draw(2));
        break;
    case 1:
        asynchat_set_terminator_length(e->ch, 1 + draw(100));
        break;
    case 2:
        asynchat_set_message_budget(e->ch, 1 + draw(5));
        break;
    case 3:
        set_rates(e);
        break;
    case 4:
        set_timeouts(e);
        break;
    case 5:
        asynchat_set_in_buffer_size(e->ch, draw_size());
        break;
    case 6:
        asynchat_set_slot_limit(e->ch, 1 + draw(3));
        break;
    default:
        asynchat_set_out_buffer_size(e->ch, draw_size());
    }
}

/* Of one block, or of two. */
static void share_something(struct end *e)
{
    static const size_t lengths[] = {10, 2000, sizeof bytes};
    struct asynchat_block *block = asynchat_block_new(bytes, lengths[draw(3)]);
    assert_non_null(block);
    asynchat_push_shared(e->ch, block);
    if (e->ch && one_in(2))
        asynchat_push_shared(e->ch, block);
    asynchat_block_free(block);
}

static struct asynchat_slot *slots[8]; /* or NULL; of any channel */

static void finish_slot(unsigned which)
{
    struct asynchat_slot *slot = slots[which];
    slots[which] = NULL;
    if (slot)
        asynchat_slot_finish(slot);
}

/* Reserves a slot, or goes on with one. */
static void use_slot(struct end *e)
{
    unsigned which = draw(8);
    if (!slots[which] && asynchat_reserve(e->ch, &slots[which]) < 0)
        return;
    if (one_in(3))
        finish_slot(which);
    else
        asynchat_slot_push(slots[which], bytes,
                           1 + draw(one_in(2) ? 10 : 5000));
}

static void push_something(struct end *e)
{
    switch (draw(7)) {
    case 4:
        use_slot(e);
        break;
    case 3:
        share_something(e);
        break;
    case 0:
        asynchat_push_reference(e->ch, bytes, 1 + draw(5000), on_release, NULL);
        break;
    case 1:
        asynchat_push(e->ch, bytes, 1 + draw(sizeof bytes));
        break;
    case 2:
        (void)!asynchat_push_producer(
            e->ch, asynchat_producer_simple(bytes, 1 + draw(sizeof bytes),
                                            30 + draw(3000)));
        break;
    default:
        asynchat_push(e->ch, bytes, 1 + draw(200));
    }
}

static void free_it(struct end *e)
{
    struct asynchat_channel *ch = e->ch;
    e->ch = NULL;
    asynchat_channel_free(ch);
}

static void end_it(struct end *e)
{
    static void (*const calls[])(struct asynchat_channel * ch) = {
        asynchat_close, asynchat_abort, asynchat_discard_buffers};
    static int (*const orders[])(struct asynchat_channel * ch) = {
        asynchat_close_when_done, asynchat_shutdown_write,
        asynchat_close_between_messages, asynchat_close_in_stages};
    if (one_in(4))
        free_it(e);
    else if (one_in(2))
        calls[draw(3)](e->ch);
    else
        orders[draw(4)](e->ch);
}

static void act(struct end *e)
{
    unsigned what = draw(12);
    if (!e->ch)
        return;
    if (what == 0)
        set_layer(e);
    else if (what == 1 && one_in(2))
        end_it(e);
    else if (what == 2)
        asynchat_pause_reading(e->ch);
    else if (what <= 4)
        asynchat_resume_reading(e->ch);
    else if (what == 5)
        asynchat_join(e->ch, one_in(3) ? NULL : ends[draw(ENDS)].ch);
    else if (what <= 7)
        set_something(e);
    else
        push_something(e);
}

/* --- a run --- */

static void make_pair(struct end *two)
{
    const struct asynchat_handler *handlers[2] = {&handler, &handler};
    void *args[2] = {&two[0], &two[1]};
    struct asynchat_channel *chs[2];
    assert_int_equal(asynchat_pair_new(base, handlers, args, chs), 0);
    two[0].ch = chs[0];
    two[1].ch = chs[1];
}

static void make_sockets(struct end *two)
{
    int fds[2], size = 1;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    for (int i = 0; i < 2; i++) {
        if (one_in(2))
            setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
        assert_int_equal(asynchat_channel_new_socket(base, fds[i], &handler,
                                                     &two[i], &two[i].ch),
                         0);
    }
}

static void make(void)
{
    memset(ends, 0, sizeof ends);
    for (int i = 0; i < ENDS; i += 2) {
        ends[i].client = true;
        if (one_in(2))
            make_pair(&ends[i]);
        else
            make_sockets(&ends[i]);
        if (one_in(4))
            continue;
        set_layer(&ends[i]);
        set_layer(&ends[i + 1]);
    }
}

static void finish_slots(void)
{
    for (unsigned i = 0; i < 8; i++)
        finish_slot(i);
}

static void free_all(void)
{
    depth = DEPTH; /* nothing more is done */
    for (int i = 0; i < ENDS; i++)
        free_it(&ends[i]);
    event_base_loop(base, EVLOOP_NONBLOCK);
    depth = 0;
}

static void run(uint64_t seed)
{
    chance = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    base = event_base_new();
    assert_non_null(base);
    make();
    for (int step = 0; step < STEPS; step++) {
        act(&ends[draw(ENDS)]);
        if (one_in(2))
            continue;
        clock_advance(one_in(20) ? (long)draw(12000) : (long)draw(20));
        event_base_loop(base, EVLOOP_NONBLOCK);
    }
    if (one_in(2))
        finish_slots();
    free_all();
    event_base_free(base);
    finish_slots();
}

static void all_ends_and_is_released(void **state)
{
    uint64_t fresh = (uint64_t)time(NULL) * 100000 + (uint64_t)getpid();
    uint64_t seed = from_environment("SEED", fresh);
    uint64_t count = from_environment("COUNT", SEEDS);
    int descriptors = count_descriptors();
    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = "abcd"[i * 7 % 11 % 4];
    print_message("SEED=%llu\n", (unsigned long long)seed);
    for (uint64_t i = 0; i < count; i++) {
        run(seed + i);
        if (toys > 0)
            print_error("SEED=%llu COUNT=1\n", (unsigned long long)(seed + i));
        assert_int_equal(toys, 0);
    }
    assert_int_equal(count_descriptors(), descriptors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_ends_and_is_released)};
    return RUN(tests);
}
