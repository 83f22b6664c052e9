/* Rates, with a clock of the test's own.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_struct.h>
#include <event2/event.h>

#include "clock.h"

#define WHOLE_READ 16384 /* bytes of one read of a bufferevent */

static void count_data(struct fixture *f)
{
    f->count += (int)f->data_len;
}

static struct fixture *start_counting(void **state)
{
    struct fixture *f = start(state);
    f->on_data = count_data;
    return f;
}

/* Lets time pass, in steps after which a bucket is worth a look. */
static void pass(struct fixture *f, int milliseconds)
{
    for (; milliseconds > 0; milliseconds -= 10) {
        clock_advance(10);
        settle(f);
    }
}

static void set(struct fixture *f, struct asynchat_rates rates)
{
    rates.size = sizeof rates;
    assert_int_equal(asynchat_set_rates(f->ch, &rates), 0);
}

static void feed_bytes(struct fixture *f, size_t len)
{
    char *data = big(len);
    feed(f, data, len);
    free(data);
    settle(f);
}

static void push_bytes(struct fixture *f, size_t len)
{
    char *data = big(len);
    assert_int_equal(asynchat_push(f->ch, data, len), 0);
    free(data);
    settle(f);
}

static bool is_socket(const struct fixture *f)
{
    return f->over == OVER_SOCKETPAIR || f->over == OVER_TCP;
}

static void as_much_comes_as_the_rate_says(void **state)
{
    struct fixture *f = start_counting(state);
    set(f, (struct asynchat_rates){.read = 1000});
    feed_bytes(f, 5000);
    for (int expected = 1000; is_socket(f) && expected <= 5000;
         expected += 1000, pass(f, 1000))
        assert_int_equal(f->count, expected);
    pass(f, 5000);
    assert_int_equal(f->count, 5000);
}

/* If a bufferevent has read too much, the excess is deducted. */
static void what_came_too_early_is_waited_for(void **state)
{
    struct fixture *f = start_counting(state);
    set(f, (struct asynchat_rates){.read = 1000});
    feed_bytes(f, 3000);
    assert_int_equal(f->count, 3000);
    feed_bytes(f, 100);
    pass(f, 1900);
    assert_int_equal(f->count, 3000);
    pass(f, 200);
    assert_int_equal(f->count, 3100);
}

static void as_much_is_sent_as_the_rate_says(void **state)
{
    struct fixture *f = start(state);
    set(f, (struct asynchat_rates){.write = 1000});
    push_bytes(f, 5000);
    for (size_t expected = 1000; expected <= 5000;
         expected += 1000, pass(f, 1000)) {
        assert_int_equal(f->got_len, expected);
        assert_int_equal(asynchat_get_queued(f->ch), 5000 - expected);
    }
}

/* Otherwise a writable socket would be reported again and again. */
static void what_waits_for_its_rate_does_not_spin(void **state)
{
    struct fixture *f = start(state);
    set(f, (struct asynchat_rates){.write = 1000});
    push_bytes(f, 5000);
    const struct bufferevent *bev = asynchat_get_bufferevent(f->ch);
    assert_false(event_pending(&bev->ev_write, EV_WRITE, NULL));
    assert_int_equal(asynchat_set_rates(f->ch, NULL), 0);
    settle(f);
    assert_int_equal(f->got_len, 5000);
}

static void a_silence_saves_a_burst_and_no_more(void **state)
{
    struct fixture *f = start(state);
    set(f, (struct asynchat_rates){.write = 100, .write_burst = 300});
    push_bytes(f, 400);
    assert_int_equal(f->got_len, 300);
    pass(f, 20000);
    assert_int_equal(f->got_len, 400);
    push_bytes(f, 400);
    assert_int_equal(f->got_len, 700);
}

static void one_way_does_not_hold_up_the_other(void **state)
{
    struct fixture *f = start_counting(state);
    set(f, (struct asynchat_rates){.read = 10});
    feed_bytes(f, 100);
    push_bytes(f, 100000);
    assert_int_equal(f->got_len, 100000);
}

/* --- what is sent --- */

static struct asynchat_producer *make_file(size_t len)
{
    char *data = big(len);
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, len, file), len);
    fflush(file);
    free(data);
    int fd = dup(fileno(file));
    fclose(file);
    return asynchat_producer_file(fd, 0, len);
}

static void a_file_is_sent_at_the_rate(void **state)
{
    struct fixture *f = start(state);
    set(f, (struct asynchat_rates){.write = 1000});
    assert_int_equal(asynchat_push_producer(f->ch, make_file(3000)), 0);
    settle(f);
    assert_int_equal(f->got_len, 1000);
    pass(f, 1000);
    assert_int_equal(f->got_len, 2000);
    pass(f, 1000);
    assert_int_equal(f->got_len, 3000);
}

static void it_closes_when_all_is_sent(void **state)
{
    struct fixture *f = start(state);
    set(f, (struct asynchat_rates){.write = 100});
    push_bytes(f, 4000);
    assert_int_equal(asynchat_close_when_done(f->ch), 0);
    pass(f, 38000);
    expect(f, "");
    pass(f, 2000);
    expect(f, "closed(0)");
    assert_int_equal(f->got_len, 4000);
}

/* --- what else goes on meanwhile --- */

static void the_end_of_file_comes_last(void **state)
{
    struct fixture *f = start_counting(state);
    set(f, (struct asynchat_rates){.read = 1000});
    feed_bytes(f, 2500);
    feed_eof(f);
    pass(f, 500);
    assert_null(strstr(f->log, "eof"));
    pass(f, 3000);
    assert_int_equal(f->count, 2500);
    assert_non_null(strstr(f->log, "eof"));
}

static void a_peer_that_resets_is_noticed(void **state)
{
    struct fixture *f = start_counting(state);
    need_edges(f);
    set(f, (struct asynchat_rates){.read = 10});
    feed_bytes(f, 1000);
    f->log_len = 0;
    f->in_data = false;
    feed_reset(f);
    settle(f);
    assert_non_null(strstr(f->log, "closed("));
}

static void the_times_of_a_peer_stand_still(void **state)
{
    static const struct asynchat_timeouts times = {
        .size = sizeof times, .idle = 500, .message = 20000};
    struct fixture *f = start_counting(state);
    set_crlf(f);
    set(f, (struct asynchat_rates){.read = 10});
    assert_int_equal(asynchat_set_timeouts(f->ch, &times), 0);
    feed_bytes(f, 400);
    pass(f, 35000);
    assert_int_equal(f->status, 0);
    assert_null(strstr(f->log, "error"));
    assert_true(f->count >= 350);
}

/* It is read in as many reads as the rate requires. */
static void what_had_arrived_comes_before_it_closes(void **state)
{
    struct fixture *f = start(state);
    set_crlf(f);
    set(f, (struct asynchat_rates){.read = 5});
    feed_string(f, "one\r\ntwo\r\nsix\r\n");
    assert_int_equal(asynchat_close_between_messages(f->ch), 0);
    settle(f);
    expect(f, "data(one) found");
    pass(f, 1000);
    expect(f, "data(two) found");
    pass(f, 1000);
    expect(f, "data(six) found closed(0)");
}

static void a_smaller_size_holds_for_what_the_rate_allows(void **state)
{
    struct fixture *f = start_counting(state);
    set(f, (struct asynchat_rates){.read = 10});
    assert_int_equal(asynchat_set_in_buffer_size(f->ch, 3), 0);
    feed_bytes(f, 1000);
    assert_int_equal(f->count, 10);
    assert_int_equal(f->data_max, 3);
}

/* A larger buffer size allows no more than the rate. */
static void a_larger_size_is_no_larger_rate(void **state)
{
    struct fixture *f = start_counting(state);
    set(f, (struct asynchat_rates){.read = 10});
    assert_int_equal(asynchat_set_in_buffer_size(f->ch, 65536), 0);
    feed_bytes(f, 1000);
    assert_int_equal(f->count, 10);
    pass(f, 1000);
    assert_int_equal(f->count, 20);
    assert_int_equal(asynchat_set_in_buffer_size(f->ch, 3), 0);
    pass(f, 1000);
    assert_int_equal(f->count, 30);
    assert_true(f->data_len <= 4);
}

static void it_can_be_taken_back(void **state)
{
    struct fixture *f = start_counting(state);
    set(f, (struct asynchat_rates){.read = 10, .write = 10});
    feed_bytes(f, 100000);
    push_bytes(f, 100000);
    assert_true(f->count <= 10 + WHOLE_READ);
    assert_true(f->got_len <= 10);
    assert_int_equal(asynchat_set_rates(f->ch, NULL), 0);
    settle(f);
    assert_int_equal(f->count, 100000);
    assert_int_equal(f->got_len, 100000);
    assert_int_equal(asynchat_set_rates(f->ch, NULL), 0);
}

static void others_may_be_set_inside_a_callback(struct fixture *f)
{
    set(f, (struct asynchat_rates){.read = 100, .write = 100});
}

static void rates_hold_from_inside_a_callback(void **state)
{
    struct fixture *f = start(state);
    f->on_data = others_may_be_set_inside_a_callback;
    feed_string(f, "x");
    settle(f);
    f->on_data = NULL;
    push_bytes(f, 1000);
    assert_int_equal(f->got_len, 100);
}

/* --- groups --- */

struct member {
    struct asynchat_channel *ch;
    int peer;
    size_t count;
};

static void member_data(struct asynchat_channel *ch, const void *data,
                        size_t len, void *arg)
{
    (void)ch;
    (void)data;
    ((struct member *)arg)->count += len;
}

static void member_open(struct event_base *base, struct member *m)
{
    static const struct asynchat_handler handler = {
        .size = sizeof handler, .collect_incoming_data = member_data};
    int fds[2];
    make_socketpair(fds);
    *m = (struct member){.peer = fds[1]};
    assert_int_equal(
        asynchat_channel_new_socket(base, fds[0], &handler, m, &m->ch), 0);
}

static void member_close(struct member *m)
{
    asynchat_channel_free(m->ch);
    close(m->peer);
}

static void member_send(struct member *m, size_t len)
{
    char *data = big(len);
    assert_int_equal(write(m->peer, data, len), len);
    free(data);
}

static void turn(struct event_base *base, int milliseconds)
{
    for (; milliseconds > 0; milliseconds -= 10) {
        clock_advance(10);
        for (int i = 0; i < 10; i++)
            event_base_loop(base, EVLOOP_NONBLOCK);
    }
}

#define MEMBERS 3

struct group {
    struct event_base *base;
    struct asynchat_rate_group *group;
    struct member members[MEMBERS];
};

static struct group group_open(uint64_t read)
{
    struct asynchat_rates rates = {.size = sizeof rates, .read = read};
    struct group g = {.base = event_base_new()};
    assert_int_equal(asynchat_rate_group_new(g.base, &rates, &g.group), 0);
    return g;
}

static void group_fill(struct group *g)
{
    for (int i = 0; i < MEMBERS; i++) {
        member_open(g->base, &g->members[i]);
        assert_int_equal(asynchat_set_rate_group(g->members[i].ch, g->group),
                         0);
        member_send(&g->members[i], 100000);
    }
}

static struct group group_of_senders(uint64_t write)
{
    struct asynchat_rates rates = {.size = sizeof rates, .write = write};
    struct group g = {.base = event_base_new()};
    assert_int_equal(asynchat_rate_group_new(g.base, &rates, &g.group), 0);
    for (int i = 0; i < MEMBERS; i++) {
        member_open(g.base, &g.members[i]);
        assert_int_equal(asynchat_set_rate_group(g.members[i].ch, g.group), 0);
    }
    return g;
}

static void member_push(struct member *m, size_t len)
{
    char *data = big(len);
    assert_int_equal(asynchat_push(m->ch, data, len), 0);
    free(data);
}

static size_t member_sent(const struct member *m)
{
    struct asynchat_stats stats;
    assert_int_equal(asynchat_get_stats(m->ch, &stats, sizeof stats), 0);
    return stats.sent;
}

static void group_close(struct group *g)
{
    for (int i = 0; i < MEMBERS; i++)
        member_close(&g->members[i]);
    asynchat_rate_group_free(g->group);
    event_base_free(g->base);
}

static size_t group_count(const struct group *g)
{
    size_t count = 0;
    for (int i = 0; i < MEMBERS; i++)
        count += g->members[i].count;
    return count;
}

static void a_group_has_a_rate_together(void **state)
{
    struct group g = group_open(20000);
    (void)state;
    group_fill(&g);
    turn(g.base, 10);
    assert_in_range(group_count(&g), 20000, 40000); /* a burst for each */
    turn(g.base, 3000);
    assert_in_range(group_count(&g), 79000, 80200 + MEMBERS * 1024);
    group_close(&g);
}

static void its_members_get_the_same(void **state)
{
    struct group g = group_open(20000);
    (void)state;
    group_fill(&g);
    turn(g.base, 5000);
    for (int i = 0; i < MEMBERS; i++)
        assert_in_range(g.members[i].count, 32000, 48000);
    group_close(&g);
}

/* This includes the last bytes of a channel that sends nothing more. */
static void what_one_has_sent_the_others_have_less(void **state)
{
    struct group g = group_of_senders(1000);
    (void)state;
    turn(g.base, 10);
    for (int i = 0; i < MEMBERS; i++)
        member_push(&g.members[i], 1000);
    for (int i = 0; i < 10; i++)
        event_base_loop(g.base, EVLOOP_NONBLOCK);
    assert_int_equal(member_sent(&g.members[0]) + member_sent(&g.members[1]) +
                         member_sent(&g.members[2]),
                     1000);
    turn(g.base, 2000);
    assert_in_range(member_sent(&g.members[0]) + member_sent(&g.members[1]) +
                        member_sent(&g.members[2]),
                    2900, 3000);
    group_close(&g);
}

static void its_members_send_the_same(void **state)
{
    struct group g = group_of_senders(20000);
    (void)state;
    for (int i = 0; i < MEMBERS; i++)
        member_push(&g.members[i], 60000);
    turn(g.base, 5000);
    for (int i = 0; i < MEMBERS; i++)
        assert_in_range(member_sent(&g.members[i]), 32000, 48000);
    group_close(&g);
}

static void one_alone_has_all_of_it(void **state)
{
    struct group g = group_open(20000);
    (void)state;
    for (int i = 0; i < MEMBERS; i++) {
        member_open(g.base, &g.members[i]);
        assert_int_equal(asynchat_set_rate_group(g.members[i].ch, g.group), 0);
    }
    member_send(&g.members[1], 100000);
    turn(g.base, 3000);
    assert_in_range(g.members[1].count, 79000, 80200);
    group_close(&g);
}

static void the_lesser_rate_holds(void **state)
{
    struct asynchat_rates rates = {.size = sizeof rates, .read = 1000};
    struct group g = group_open(20000);
    (void)state;
    group_fill(&g);
    assert_int_equal(asynchat_set_rates(g.members[0].ch, &rates), 0);
    turn(g.base, 4000);
    assert_in_range(g.members[0].count, 4900, 5100);
    assert_in_range(group_count(&g), 98000, 100200 + MEMBERS * 1024);
    group_close(&g);
}

static void without_the_group_there_is_no_limit(void **state)
{
    struct group g = group_open(10);
    (void)state;
    group_fill(&g);
    turn(g.base, 10);
    assert_true(group_count(&g) < 100);
    asynchat_rate_group_free(g.group);
    g.group = NULL;
    turn(g.base, 10);
    assert_int_equal(group_count(&g), MEMBERS * 100000);
    group_close(&g);
}

static void free_group(struct asynchat_channel *ch, void *group)
{
    assert_null(ch);
    asynchat_rate_group_free(group);
}

/* A function posted to the last channel of a loop runs when the channel is
 * freed. */
static void a_group_can_be_freed_by_what_is_posted(void **state)
{
    static const struct asynchat_rates rates = {
        .size = sizeof rates, .read = 10, .read_burst = 10};
    struct fixture *f = start_counting(state);
    struct asynchat_rate_group *group;
    assert_int_equal(asynchat_rate_group_new(f->base, &rates, &group), 0);
    assert_int_equal(asynchat_set_rate_group(f->ch, group), 0);
    feed_bytes(f, 20);
    assert_int_equal(asynchat_post(asynchat_get_id(f->ch), free_group, group),
                     0);
    asynchat_channel_free(f->ch);
    f->ch = NULL;
    settle(f);
}

static void who_leaves_is_not_limited(void **state)
{
    struct group g = group_open(10);
    (void)state;
    group_fill(&g);
    assert_int_equal(asynchat_set_rate_group(g.members[1].ch, NULL), 0);
    turn(g.base, 10);
    assert_int_equal(g.members[1].count, 100000);
    assert_true(group_count(&g) < 100100);
    group_close(&g);
}

static void a_group_may_have_other_rates(void **state)
{
    struct asynchat_rates rates = {.size = sizeof rates, .read = 50000};
    struct group g = group_open(10);
    (void)state;
    group_fill(&g);
    turn(g.base, 1000);
    assert_int_equal(asynchat_rate_group_set(g.group, &rates), 0);
    turn(g.base, 1000);
    assert_in_range(group_count(&g), 99000, 100100 + MEMBERS * 1024);
    group_close(&g);
}

/* --- what is refused --- */

static void bad_rates_are_refused(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_rates rates = {.size = sizeof rates};
    assert_int_equal(asynchat_set_rates(NULL, &rates), -EINVAL);
    uint64_t *const fields[] = {&rates.read, &rates.write, &rates.read_burst,
                                &rates.write_burst};
    for (size_t i = 0; i < 4; i++) {
        *fields[i] = ASYNCHAT_RATE_MAX + 1;
        assert_int_equal(asynchat_set_rates(f->ch, &rates), -EINVAL);
        *fields[i] = ASYNCHAT_RATE_MAX;
        assert_int_equal(asynchat_set_rates(f->ch, &rates), 0);
    }
    rates.size = 8;
    assert_int_equal(asynchat_set_rates(f->ch, &rates), -EINVAL);
    struct {
        struct asynchat_rates known;
        uint64_t unknown;
    } longer = {.known.size = sizeof longer, .unknown = 1};
    assert_int_equal(asynchat_set_rates(f->ch, &longer.known), -ENOTSUP);
}

static void bad_groups_are_refused(void **state)
{
    struct fixture *f = start(state);
    struct asynchat_rates rates = {.size = sizeof rates, .read = 1};
    struct event_base *other = event_base_new();
    struct asynchat_rate_group *group = NULL;
    assert_int_equal(asynchat_rate_group_new(NULL, &rates, &group), -EINVAL);
    assert_int_equal(asynchat_rate_group_new(other, NULL, &group), -EINVAL);
    assert_int_equal(asynchat_rate_group_new(other, &rates, NULL), -EINVAL);
    rates.size = 1;
    assert_int_equal(asynchat_rate_group_new(other, &rates, &group), -EINVAL);
    assert_null(group);
    rates.size = sizeof rates;
    assert_int_equal(asynchat_rate_group_new(other, &rates, &group), 0);
    assert_int_equal(asynchat_set_rate_group(f->ch, group), -EINVAL);
    assert_int_equal(asynchat_set_rate_group(NULL, group), -EINVAL);
    assert_int_equal(asynchat_rate_group_set(NULL, &rates), -EINVAL);
    rates.read = ASYNCHAT_RATE_MAX + 1;
    assert_int_equal(asynchat_rate_group_set(group, &rates), -EINVAL);
    asynchat_rate_group_free(group);
    asynchat_rate_group_free(NULL);
    event_base_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_ALL(as_much_comes_as_the_rate_says),
        OVER(BUFFEREVENT, what_came_too_early_is_waited_for),
        OVER_ALL(as_much_is_sent_as_the_rate_says),
        OVER_SOCKETS(what_waits_for_its_rate_does_not_spin),
        OVER_ALL(a_silence_saves_a_burst_and_no_more),
        OVER_ALL(one_way_does_not_hold_up_the_other),
        OVER_ALL(a_file_is_sent_at_the_rate),
        OVER_ALL(it_closes_when_all_is_sent),
        OVER_SOCKETS(the_end_of_file_comes_last),
        OVER(BUFFEREVENT, the_end_of_file_comes_last),
        OVER(TCP, a_peer_that_resets_is_noticed),
        OVER_ALL(the_times_of_a_peer_stand_still),
        OVER_SOCKETS(what_had_arrived_comes_before_it_closes),
        OVER_SOCKETS(a_smaller_size_holds_for_what_the_rate_allows),
        OVER_SOCKETS(a_larger_size_is_no_larger_rate),
        OVER_SOCKETS(it_can_be_taken_back),
        OVER(BUFFEREVENT, it_can_be_taken_back),
        OVER_ALL(rates_hold_from_inside_a_callback),
        cmocka_unit_test(a_group_has_a_rate_together),
        cmocka_unit_test(its_members_get_the_same),
        cmocka_unit_test(what_one_has_sent_the_others_have_less),
        cmocka_unit_test(its_members_send_the_same),
        cmocka_unit_test(one_alone_has_all_of_it),
        cmocka_unit_test(the_lesser_rate_holds),
        cmocka_unit_test(without_the_group_there_is_no_limit),
        cmocka_unit_test(who_leaves_is_not_limited),
        cmocka_unit_test(a_group_may_have_other_rates),
        OVER(SOCKETPAIR, a_group_can_be_freed_by_what_is_posted),
        OVER(BUFFEREVENT, a_group_can_be_freed_by_what_is_posted),
        OVER(SOCKETPAIR, bad_rates_are_refused),
        OVER(SOCKETPAIR, bad_groups_are_refused),
    };
    return RUN(tests);
}
