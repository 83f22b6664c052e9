/* Event bases that are freed before their channels, and new event bases at the
 * same address. SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "channel/object.h"
#include "output/block.h"

/* --- libevent's memory: what was freed last of a size comes again --- */

#define KEPT 64

static struct block {
    size_t size, unused;
} * kept[KEPT]; /* the newest is the last */
static size_t kept_count;

static void *block_new(size_t size)
{
    size_t i = kept_count;
    while (i > 0 && kept[i - 1]->size != size)
        i--;
    if (i > 0) {
        struct block *block = kept[i - 1];
        kept_count--;
        memmove(&kept[i - 1], &kept[i], (kept_count - i + 1) * sizeof kept[0]);
        return block + 1;
    }
    struct block *block = malloc(sizeof *block + size);
    if (!block)
        return NULL;
    block->size = size;
    return block + 1;
}

static void block_free(void *bytes)
{
    struct block *block = bytes;
    if (!bytes)
        return;
    block--;
    if (kept_count < KEPT)
        kept[kept_count++] = block;
    else
        free(block);
}

static void *block_resize(void *bytes, size_t size)
{
    struct block *block = bytes;
    if (!bytes)
        return block_new(size);
    size_t before = block[-1].size;
    void *more = block_new(size);
    if (!more)
        return NULL;
    memcpy(more, bytes, before < size ? before : size);
    block_free(bytes);
    return more;
}

/* --- a program that just stops, and begins again --- */

static char ran[256];

static void ran_with(struct asynchat_channel *ch, void *arg)
{
    strcat(ran, arg);
    strcat(ran, ch ? " " : "(gone) ");
}

static void close_it(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    asynchat_close(ch);
}

static void ignore(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    (void)arg;
}

static const struct asynchat_handler ignorer = {.size = sizeof ignorer,
                                                .found_terminator = ignore};

/* The objects that are left behind. */
static struct {
    struct event_base *base; /* all have the same address */
    struct asynchat_channel *channels[16];
    struct asynchat_server *servers[16];
    int count;
    int peers[128], peers_count; /* of all channels */
} left;

/* No program may free these, but here it is known that there is an event base
 * at that address again. */
static int clean_up(void **state)
{
    struct event_base *base = event_base_new();
    (void)state;
    assert_ptr_equal(base, left.base);
    for (int i = 0; i < left.count; i++) {
        asynchat_channel_free(left.channels[i]);
        asynchat_server_free(left.servers[i]);
    }
    event_base_loop(base, EVLOOP_NONBLOCK);
    event_base_free(base);
    for (int i = 0; i < left.peers_count; i++)
        close(left.peers[i]);
    while (kept_count > 0)
        free(kept[--kept_count]);
    return 0;
}

static struct asynchat_channel *make_channel(struct event_base *base)
{
    struct asynchat_channel *ch;
    int fds[2];
    left.base = base;
    make_socketpair(fds);
    left.peers[left.peers_count++] = fds[1];
    assert_int_equal(
        asynchat_channel_new_socket(base, fds[0], &ignorer, NULL, &ch), 0);
    return ch;
}

static struct asynchat_channel *leave_channel(struct event_base *base)
{
    struct asynchat_channel *ch = make_channel(base);
    left.channels[left.count++] = ch;
    event_base_loop(base, EVLOOP_NONBLOCK);
    return ch;
}

static struct asynchat_server *make_server(struct event_base *base)
{
    struct asynchat_server *server;
    assert_int_equal(
        asynchat_server_new(base, "127.0.0.1:0", &ignorer, NULL, NULL, &server),
        0);
    return server;
}

static struct event_base *next_base(struct event_base *base)
{
    event_base_free(base);
    struct event_base *next = event_base_new();
    assert_ptr_equal(next, base);
    return next;
}

/* Posts to a new channel. The loop ends with this channel. */
static void expect_new_loop_works(struct event_base *base)
{
    struct asynchat_channel *ch = make_channel(base);
    uint64_t id = asynchat_get_id(ch);
    assert_int_not_equal(id, 0);
    assert_int_equal(asynchat_post(id, ran_with, "new"), 0);
    assert_int_equal(asynchat_post(id, close_it, NULL), 0);
    ran[0] = '\0';
    for (int i = 0; i < 10; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
    assert_string_equal(ran, "new ");
    assert_int_equal(event_base_loop(base, EVLOOP_NONBLOCK), 1); /* is over */
    assert_int_equal(asynchat_post(id, ran_with, "late"), ASYNCHAT_ECLOSED);
}

static void posts_to_an_event_base_that_is_gone_are_refused(void **state)
{
    struct event_base *base = event_base_new();
    uint64_t id = asynchat_get_id(leave_channel(base));
    (void)state;
    assert_int_equal(asynchat_post(id, ran_with, "before"), 0);
    event_base_loop(base, EVLOOP_NONBLOCK);
    event_base_free(base);
    assert_int_equal(asynchat_post(id, ran_with, "after"), ASYNCHAT_ECLOSED);
    assert_int_equal(asynchat_post(id, ran_with, "after"), ASYNCHAT_ECLOSED);
}

static void also_behind_one_that_had_not_run(void **state)
{
    struct event_base *base = event_base_new();
    uint64_t id = asynchat_get_id(leave_channel(base));
    (void)state;
    assert_int_equal(asynchat_post(id, ran_with, "before"), 0);
    event_base_free(base);
    assert_int_equal(asynchat_post(id, ran_with, "after"), ASYNCHAT_ECLOSED);
}

static void the_next_at_its_address_has_a_loop_of_its_own(void **state)
{
    struct event_base *base = event_base_new();
    struct asynchat_channel *old = leave_channel(base);
    uint64_t id = asynchat_get_id(old);
    (void)state;
    base = next_base(base);
    expect_new_loop_works(base);
    assert_int_equal(asynchat_post(id, ran_with, "old"), ASYNCHAT_ECLOSED);
    event_base_free(base);
}

/* It is called when the next loop begins, as if the channel had ended in
 * order. */
static void what_had_not_run_is_called_without_the_channel(void **state)
{
    struct event_base *base = event_base_new();
    uint64_t id = asynchat_get_id(leave_channel(base));
    (void)state;
    ran[0] = '\0';
    assert_int_equal(asynchat_post(id, ran_with, "one"), 0);
    assert_int_equal(asynchat_post(id, ran_with, "two"), 0);
    base = next_base(base);
    struct asynchat_channel *ch = make_channel(base);
    assert_string_equal(ran, "one(gone) two(gone) ");
    event_base_loop(base, EVLOOP_NONBLOCK);
    assert_string_equal(ran, "one(gone) two(gone) ");
    asynchat_channel_free(ch);
    event_base_loop(base, EVLOOP_NONBLOCK);
    event_base_free(base);
}

static void a_channel_without_id_that_is_left_is_no_matter(void **state)
{
    struct event_base *base = event_base_new();
    struct asynchat_channel *old = leave_channel(base);
    (void)state;
    base = next_base(base);
    expect_new_loop_works(base);
    assert_int_equal(asynchat_get_id(old), 0);
    event_base_free(base);
}

static void nor_is_a_server_that_is_left(void **state)
{
    struct event_base *base = event_base_new();
    (void)state;
    left.servers[left.count++] = make_server(base);
    event_base_loop(base, EVLOOP_NONBLOCK);
    base = next_base(base);
    expect_new_loop_works(base);
    event_base_free(base);
}

static void each_of_many_has_its_own(void **state)
{
    struct event_base *base = event_base_new();
    uint64_t ids[5];
    (void)state;
    for (int i = 0; i < 5; i++) {
        ids[i] = asynchat_get_id(leave_channel(base));
        assert_int_not_equal(ids[i], 0);
        for (int j = 0; j <= i; j++)
            assert_int_equal(asynchat_post(ids[j], ran_with, "x"),
                             j == i ? 0 : ASYNCHAT_ECLOSED);
        base = next_base(base);
    }
    expect_new_loop_works(base);
    event_base_free(base);
}

/* Slots, and what a thread that uses them is told: nothing of cmocka is called
 * there. */
struct answers {
    struct asynchat_slot *text, *block;
    struct asynchat_block *shared;
    int texts[2], blocks[2], finished;
};

static void *answer(void *arg)
{
    struct answers *a = arg;
    for (int i = 0; i < 2; i++) {
        a->texts[i] = asynchat_slot_push(a->text, "x", 1);
        a->blocks[i] = asynchat_slot_push_shared(a->block, a->shared);
    }
    a->finished = asynchat_slot_finish(a->text);
    return NULL;
}

static void answer_elsewhere(struct answers *a)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, answer, a), 0);
    pthread_join(thread, NULL);
    assert_int_equal(a->finished, ASYNCHAT_ECLOSED);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(a->texts[i], ASYNCHAT_ECLOSED);
        assert_int_equal(a->blocks[i], ASYNCHAT_ECLOSED);
    }
}

/* Nobody has told the slots. */
static void slots_are_gone_with_the_event_base(void **state)
{
    struct event_base *base = event_base_new();
    struct asynchat_channel *ch = leave_channel(base);
    struct answers a = {.shared = asynchat_block_new("block", 5)};
    struct asynchat_slot *here, *last;
    (void)state;
    assert_int_equal(asynchat_reserve(ch, &here), 0);
    assert_int_equal(asynchat_reserve(ch, &last), 0);
    assert_int_equal(asynchat_reserve(ch, &a.text), 0);
    assert_int_equal(asynchat_reserve(ch, &a.block), 0);
    event_base_loop(base, EVLOOP_NONBLOCK);
    event_base_free(base);
    for (int i = 0; i < 2; i++)
        assert_int_equal(asynchat_slot_push(here, "x", 1), ASYNCHAT_ECLOSED);
    assert_int_equal(asynchat_slot_push(here, "", 0), ASYNCHAT_ECLOSED);
    assert_int_equal(asynchat_slot_finish(here), ASYNCHAT_ECLOSED);
    assert_int_equal(asynchat_slot_finish(last), ASYNCHAT_ECLOSED);
    answer_elsewhere(&a);
    assert_int_equal(asynchat_slot_push_shared(a.block, a.shared),
                     ASYNCHAT_ECLOSED);
    assert_int_equal(asynchat_slot_finish(a.block), ASYNCHAT_ECLOSED);
    assert_int_equal(atomic_load(&a.shared->shares), 1);
    asynchat_block_free(a.shared);
}

/* --- one that is there --- */

static void expect_shared(struct event_base *base,
                          const struct asynchat_channel *with)
{
    struct asynchat_channel *ch = make_channel(base);
    assert_ptr_equal(ch->transport.loop, with->transport.loop);
    asynchat_channel_free(ch);
}

static void nothing(struct asynchat_channel *ch)
{
    (void)ch;
}

static void pause_it(struct asynchat_channel *ch)
{
    asynchat_pause_reading(ch);
}

static void fill_it(struct asynchat_channel *ch)
{
    static char much[1 << 22];
    assert_int_equal(asynchat_push(ch, much, sizeof much), 0);
}

static void ask_its_id(struct asynchat_channel *ch)
{
    assert_int_not_equal(asynchat_get_id(ch), 0);
}

/* Whatever the state of the channel that shows that the loop is there. */
static void a_loop_that_is_there_is_shared(void **state)
{
    static void (*const bring[])(struct asynchat_channel * ch) = {
        nothing, pause_it, fill_it, ask_its_id, asynchat_close};
    enum { STATES = sizeof bring / sizeof bring[0] };
    struct event_base *base = event_base_new();
    struct asynchat_channel *first = make_channel(base), *ch[STATES];
    (void)state;
    for (int i = 0; i < STATES; i++) {
        ch[i] = make_channel(base);
        bring[i](ch[i]);
        expect_shared(base, first);
        event_base_loop(base, EVLOOP_NONBLOCK);
        expect_shared(base, first);
    }
    for (int i = 0; i < STATES; i++)
        if (bring[i] != asynchat_close)
            asynchat_channel_free(ch[i]);
    asynchat_channel_free(first);
    event_base_loop(base, EVLOOP_NONBLOCK);
    event_base_free(base);
}

static struct {
    struct event_base *base;
    const struct asynchat_channel *keeper;
    int count;
} checked;

static void check_shared(struct asynchat_channel *ch, int status, void *arg)
{
    (void)ch;
    (void)status;
    (void)arg;
    expect_shared(checked.base, checked.keeper);
    checked.count++;
}

static void check_stopped(void *arg)
{
    check_shared(NULL, 0, arg);
}

static const struct asynchat_handler checker = {.size = sizeof checker,
                                                .handle_close = check_shared};

/* The server's timer is not pending in the middle of stopping. */
static void also_while_a_server_stops(void **state)
{
    struct event_base *base = event_base_new();
    struct asynchat_server *server;
    struct asynchat_channel *ch;
    const struct asynchat_handler *handlers[2] = {&ignorer, &ignorer};
    struct asynchat_channel *pair[2];
    char address[ASYNCHAT_ADDRESS_SIZE];
    (void)state;
    assert_int_equal(asynchat_pair_new(base, handlers, NULL, pair), 0);
    left.base = base;
    checked.base = base;
    checked.keeper = pair[0];
    checked.count = 0;
    assert_int_equal(
        asynchat_server_new(base, "127.0.0.1:0", &checker, NULL, NULL, &server),
        0);
    asynchat_server_address(server, address, sizeof address);
    assert_int_equal(asynchat_connect(base, address, 0, &checker, NULL, &ch),
                     0);
    for (int i = 0; i < 10; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
    assert_int_equal(asynchat_server_connections(server), 1);
    assert_int_equal(asynchat_server_stop(server, 0, check_stopped, NULL), 0);
    for (int i = 0; i < 100 && checked.count < 3; i++) {
        usleep(1000);
        event_base_loop(base, EVLOOP_NONBLOCK);
    }
    assert_int_equal(checked.count, 3);
    asynchat_channel_free(pair[0]);
    asynchat_channel_free(pair[1]);
    event_base_loop(base, EVLOOP_NONBLOCK);
    event_base_free(base);
}

/* --- guests --- */

struct named_guest {
    struct loop_guest guest;
    const char *name;
};

/* The guest is the beginning of its struct. */
static void guest_ends(struct loop_guest *guest)
{
    asynchat__loop_dismiss(guest);
    strcat(ran, ((const struct named_guest *)guest)->name);
}

/* The newest first. One that has left before is not ended. */
static void the_guests_of_a_loop_end_with_it(void **state)
{
    struct named_guest guests[] = {{{.end = guest_ends}, "first "},
                                   {{.end = guest_ends}, "second "},
                                   {{.end = guest_ends}, "third "}};
    struct event_base *base = event_base_new();
    struct loop *loop = asynchat__loop_share(base);
    (void)state;
    for (int i = 0; i < 3; i++)
        asynchat__loop_invite(loop, &guests[i].guest);
    asynchat__loop_dismiss(&guests[1].guest);
    ran[0] = '\0';
    asynchat__loop_end_guests(loop);
    assert_string_equal(ran, "third first ");
    assert_ptr_equal(loop->guests, NULL);
    asynchat__loop_release(loop);
    event_base_free(base);
}

static void a_guest_without_a_timer_hides_no_other_guest(void **state)
{
    struct loop_guest guest = {.end = guest_ends};
    struct event_base *base = event_base_new();
    struct loop *loop = asynchat__loop_share(base);
    (void)state;
    left.base = base;
    left.servers[left.count++] = make_server(base);
    asynchat__loop_invite(loop, &guest);
    event_base_loop(base, EVLOOP_NONBLOCK);
    base = next_base(base);
    expect_new_loop_works(base);
    asynchat__loop_dismiss(&guest);
    asynchat__loop_release(loop);
    event_base_free(base);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(posts_to_an_event_base_that_is_gone_are_refused),
        cmocka_unit_test(also_behind_one_that_had_not_run),
        cmocka_unit_test(the_next_at_its_address_has_a_loop_of_its_own),
        cmocka_unit_test(what_had_not_run_is_called_without_the_channel),
        cmocka_unit_test(a_channel_without_id_that_is_left_is_no_matter),
        cmocka_unit_test(nor_is_a_server_that_is_left),
        cmocka_unit_test(each_of_many_has_its_own),
        cmocka_unit_test(slots_are_gone_with_the_event_base),
        cmocka_unit_test(a_loop_that_is_there_is_shared),
        cmocka_unit_test(also_while_a_server_stops),
        cmocka_unit_test(the_guests_of_a_loop_end_with_it),
        cmocka_unit_test(a_guest_without_a_timer_hides_no_other_guest),
    };
    event_set_mem_functions(block_new, block_resize, block_free);
    return cmocka_run_group_tests(tests, NULL, clean_up);
}
