/* Posting to channels: within one thread, and from others.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <event2/event.h>

#include "loop/mailbox.h"

/* --- what posted functions say --- */

static char ran[4096]; /* a word for each function that was called */

static void say(const char *word)
{
    size_t len = strlen(ran);
    snprintf(ran + len, sizeof ran - len, "%s%s", len > 0 ? " " : "", word);
}

static void expect_ran(const char *words)
{
    assert_string_equal(ran, words);
    ran[0] = '\0';
}

/* Records a word of its own, and whether the channel is there. */
static void tell(struct asynchat_channel *ch, void *arg)
{
    say(arg);
    if (!ch)
        say("(gone)");
}

static void post(uint64_t id, const char *word)
{
    assert_int_equal(asynchat_post(id, tell, (void *)word), 0);
}

static int setup(void **state)
{
    ran[0] = '\0';
    return fixture_setup(state);
}

/* Over each kind of connection, with `ran` empty. */
#define POST(kind, test)                                                       \
    {                                                                          \
#test " over " #kind, test, setup, fixture_teardown,                   \
            (void *)(intptr_t)OVER_##kind                                      \
    }
#define POST_ALL(test)                                                         \
    POST(PAIR, test), POST(SOCKETPAIR, test), POST(TCP, test),                 \
        POST(BUFFEREVENT, test)

static void ignore(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    (void)arg;
}

static const struct asynchat_handler ignorer = {.size = sizeof ignorer,
                                                .found_terminator = ignore};

/* A channel in the loop besides the fixture's channel. */
static struct asynchat_channel *another(struct fixture *f, int *far)
{
    struct asynchat_channel *ch;
    int fds[2];
    make_socketpair(fds);
    assert_int_equal(
        asynchat_channel_new_socket(f->base, fds[0], &ignorer, NULL, &ch), 0);
    *far = fds[1];
    return ch;
}

/* --- numbers --- */

static void a_channel_has_one_id(void **state)
{
    struct fixture *f = start(state);
    uint64_t id = asynchat_get_id(f->ch);
    assert_int_not_equal(id, 0);
    assert_int_equal(asynchat_get_id(f->ch), id);
}

static void NULL_has_none(void **state)
{
    (void)state;
    assert_int_equal(asynchat_get_id(NULL), 0);
}

static void no_two_channels_have_the_same(void **state)
{
    enum { COUNT = 200 };
    uint64_t ids[COUNT];
    struct fixture *f = start(state);
    for (int i = 0; i < COUNT; i++) {
        int far;
        struct asynchat_channel *ch = another(f, &far);
        ids[i] = asynchat_get_id(ch);
        for (int j = 0; j < i; j++)
            assert_int_not_equal(ids[i], ids[j]);
        asynchat_channel_free(ch);
        close(far);
    }
}

/* This also holds if the loop has gone in between, and the next loop has its
 * mailbox. */
static void an_id_is_not_given_again_in_another_loop(void **state)
{
    uint64_t before = 0;
    (void)state;
    ran[0] = '\0';
    for (int i = 0; i < 50; i++) {
        struct fixture f = {.base = event_base_new()};
        int far;
        struct asynchat_channel *ch = another(&f, &far);
        uint64_t id = asynchat_get_id(ch);
        assert_true(id > before);
        assert_int_equal(asynchat_post(before, tell, "stale"),
                         before ? ASYNCHAT_ECLOSED : -EINVAL);
        before = id;
        asynchat_channel_free(ch);
        close(far);
        event_base_free(f.base);
    }
    expect_ran("");
}

static void id_asked_late(struct fixture *f)
{
    f->count = asynchat_get_id(f->ch) == 0;
}

static void a_channel_that_has_ended_gets_none(void **state)
{
    struct fixture *f = start(state);
    f->on_close = id_asked_late;
    asynchat_close(f->ch);
    settle(f);
    assert_int_equal(f->count, 1);
}

static void an_id_stays_in_handle_close(void **state)
{
    struct fixture *f = start(state);
    assert_int_not_equal(asynchat_get_id(f->ch), 0);
    f->on_close = id_asked_late;
    asynchat_close(f->ch);
    settle(f);
    assert_int_equal(f->count, 0);
}

/* --- calls --- */

static void a_function_runs_from_the_loop_with_the_channel(void **state)
{
    struct fixture *f = start(state);
    post(asynchat_get_id(f->ch), "one");
    expect_ran("");
    settle(f);
    expect_ran("one");
}

static void push_hello(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    assert_int_equal(asynchat_push(ch, "hello", 5), 0);
}

static void what_it_pushes_is_sent(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_post(asynchat_get_id(f->ch), push_hello, NULL),
                     0);
    settle(f);
    expect_got(f, "hello");
}

static void functions_run_in_the_order_they_were_posted(void **state)
{
    struct fixture *f = start(state);
    int far;
    struct asynchat_channel *second = another(f, &far);
    uint64_t ids[2] = {asynchat_get_id(f->ch), asynchat_get_id(second)};
    post(ids[0], "1");
    post(ids[1], "2");
    post(ids[1], "3");
    post(ids[0], "4");
    post(ids[1], "5");
    settle(f);
    expect_ran("1 2 3 4 5");
    asynchat_channel_free(second);
    close(far);
}

static void a_channel_that_is_gone_is_NULL(void **state)
{
    struct fixture *f = start(state);
    int far;
    struct asynchat_channel *ch = another(f, &far);
    uint64_t id = asynchat_get_id(ch);
    post(id, "before");
    asynchat_channel_free(ch);
    post(id, "after");
    settle(f);
    expect_ran("before (gone) after (gone)");
    close(far);
}

static void a_channel_that_is_closing_is_there(void **state)
{
    struct fixture *f = start(state);
    uint64_t id = asynchat_get_id(f->ch);
    int far;
    struct asynchat_channel *other = another(f, &far);
    post(id, "one");
    settle(f);
    asynchat_close(f->ch);
    post(id, "two");
    settle(f);
    post(id, "three");
    settle(f);
    assert_null(f->ch);
    assert_true(strcmp(ran, "one two three (gone)") == 0 ||
                strcmp(ran, "one two (gone) three (gone)") == 0);
    asynchat_channel_free(other);
    close(far);
}

static void bad_arguments_are_refused(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_post(0, tell, "x"), -EINVAL);
    assert_int_equal(asynchat_post(asynchat_get_id(f->ch), NULL, "x"), -EINVAL);
    assert_int_equal(asynchat_post(MAILBOXES - 1, tell, "x"), ASYNCHAT_ECLOSED);
    assert_int_equal(asynchat_post(UINT64_MAX, tell, "x"), ASYNCHAT_ECLOSED);
    settle(f);
    expect_ran("");
}

/* --- from inside --- */

static void post_from(struct fixture *f, const char *word)
{
    post(asynchat_get_id(f->ch), word);
}

static void from_connect(struct fixture *f)
{
    post_from(f, "connect");
}

static void from_data(struct fixture *f)
{
    post_from(f, "data");
}

static void from_found(struct fixture *f)
{
    post_from(f, "found");
}

static void from_eof(struct fixture *f)
{
    post_from(f, "eof");
}

static void from_drained(struct fixture *f)
{
    post_from(f, "drained");
}

static void from_close(struct fixture *f)
{
    post_from(f, "close");
}

/* A function posted from handle_close runs with NULL. It runs when the loop's
 * last channel goes, except over TCP, where there is a server. */
static void posts_come_from_inside_every_callback(void **state)
{
    struct fixture *f = *state;
    f->on_connect = from_connect;
    start_with(state, &recorder);
    set_crlf(f);
    f->on_data = from_data;
    f->on_found = from_found;
    f->on_eof = from_eof;
    f->on_drained = from_drained;
    f->on_close = from_close;
    settle(f);
    expect_ran("connect");
    feed_string(f, "x\r\n");
    settle(f);
    expect_ran("data found");
    assert_int_equal(asynchat_push(f->ch, "x", 1), 0);
    settle(f);
    expect_ran("drained");
    feed_eof(f);
    settle(f);
    if (f->ch)
        settle_closed(f);
    settle(f);
    assert_true(strcmp(ran, "eof close (gone)") == 0 ||
                strcmp(ran, "eof (gone) close (gone)") == 0);
}

static void released(const void *data, size_t len, void *arg)
{
    (void)data;
    (void)len;
    post(*(uint64_t *)arg, "released");
}

/* A channel is freed with queued bytes. The release callback runs inside the
 * call, and the function that it posts finds the channel gone. */
static void posts_come_from_a_release_callback(void **state)
{
    struct fixture *f = start(state);
    uint64_t id = asynchat_get_id(f->ch);
    int far;
    struct asynchat_channel *other = another(f, &far);
    assert_int_equal(asynchat_push_reference(f->ch, "x", 1, released, &id), 0);
    asynchat_channel_free(f->ch);
    f->ch = NULL;
    settle(f);
    expect_ran("released (gone)");
    asynchat_channel_free(other);
    close(far);
}

static void post_again(struct asynchat_channel *ch, void *arg)
{
    int *left = arg;
    say("again");
    if (--*left > 0)
        assert_int_equal(asynchat_post(asynchat_get_id(ch), post_again, arg),
                         0);
}

/* Otherwise it would keep everything else waiting. */
static void what_a_function_posts_waits_for_the_next_pass(void **state)
{
    struct fixture *f = start(state);
    int left = 3;
    assert_int_equal(asynchat_post(asynchat_get_id(f->ch), post_again, &left),
                     0);
    event_base_loop(f->base, EVLOOP_ONCE);
    expect_ran("again");
    settle(f);
    expect_ran("again again");
}

static void free_it(struct asynchat_channel *ch, void *arg)
{
    struct fixture *f = arg;
    say(ch ? "free" : "none");
    asynchat_channel_free(ch);
    f->ch = NULL;
}

static void a_function_may_free_the_channel(void **state)
{
    struct fixture *f = start(state);
    uint64_t id = asynchat_get_id(f->ch);
    post(id, "before");
    assert_int_equal(asynchat_post(id, free_it, f), 0);
    assert_int_equal(asynchat_post(id, free_it, f), 0);
    post(id, "after");
    settle(f);
    expect_ran("before free none after (gone)");
}

/* --- the loop's end --- */

static void what_has_not_run_does_when_the_last_channel_is_freed(void **state)
{
    struct fixture *f = start(state);
    uint64_t id = asynchat_get_id(f->ch);
    post(id, "one");
    post(id, "two");
    asynchat_channel_free(f->ch);
    f->ch = NULL;
    asynchat_channel_free(f->far);
    f->far = NULL;
    asynchat_server_free(f->server);
    f->server = NULL;
    expect_ran("one (gone) two (gone)");
    assert_int_equal(asynchat_post(id, tell, "three"), ASYNCHAT_ECLOSED);
    settle(f);
    expect_ran("");
}

static void post_again_to(struct asynchat_channel *ch, void *arg)
{
    uint64_t id = *(uint64_t *)arg;
    say(ch ? "there" : "gone");
    if (asynchat_post(id, post_again_to, arg))
        say("refused");
}

static void what_runs_at_the_end_cannot_post_once_more(void **state)
{
    struct fixture *f = start(state);
    uint64_t id = asynchat_get_id(f->ch);
    assert_int_equal(asynchat_post(id, post_again_to, &id), 0);
    asynchat_channel_free(f->ch);
    f->ch = NULL;
    expect_ran("gone refused");
}

static void new_channel(struct asynchat_channel *ch, void *arg)
{
    struct fixture *f = arg;
    say(ch ? "there" : "gone");
    f->ch = another(f, &f->peer);
    post(asynchat_get_id(f->ch), "new");
}

static void what_runs_at_the_end_may_begin_anew(void **state)
{
    struct fixture *f = start(state);
    assert_int_equal(asynchat_post(asynchat_get_id(f->ch), new_channel, f), 0);
    close(f->peer);
    asynchat_channel_free(f->ch);
    expect_ran("gone");
    settle(f);
    expect_ran("new");
}

static void on_close_post_to_itself(struct fixture *f)
{
    post(asynchat_get_id(f->ch), "late");
}

/* event_base_dispatch() returns when no channel and no server is left. */
static void the_loop_ends_with_its_last_channel(void **state)
{
    struct fixture *f = start(state);
    post(asynchat_get_id(f->ch), "one");
    f->on_close = on_close_post_to_itself;
    settle(f);
    asynchat_close(f->ch);
    if (f->far)
        asynchat_close(f->far);
    asynchat_server_free(f->server);
    f->server = NULL;
    assert_int_equal(event_base_dispatch(f->base), 1);
    assert_null(f->ch);
    expect_ran("one late (gone)");
}

static void close_both(struct asynchat_channel *ch, void *arg)
{
    struct fixture *f = arg;
    say("both");
    asynchat_close(ch);
    asynchat_close(f->far);
}

static void *post_close_both(void *arg)
{
    struct fixture *f = arg;
    usleep(20000);
    return (void *)(intptr_t)asynchat_post((uint64_t)f->count, close_both, f);
}

/* The two ends of a pair in memory wait for nothing that libevent knows. */
static void the_loop_waits_for_posts_from_others(void **state)
{
    struct fixture *f = start(state);
    pthread_t thread;
    void *error;
    f->count = (int)asynchat_get_id(f->ch);
    assert_int_equal(pthread_create(&thread, NULL, post_close_both, f), 0);
    assert_int_equal(event_base_dispatch(f->base), 1);
    pthread_join(thread, &error);
    assert_null(error);
    assert_null(f->ch);
    expect_ran("both");
}

static void without_ids_the_loop_ends_as_before(void **state)
{
    struct fixture *f = start(state);
    int descriptors = count_descriptors();
    assert_int_equal(event_base_dispatch(f->base), 1);
    assert_int_equal(count_descriptors(), descriptors);
}

/* --- wake-ups --- */

/* Sums up the event counters of the process. */
static unsigned count_signals(void)
{
    DIR *folder = opendir("/proc/self/fdinfo");
    unsigned sum = 0;
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        char path[300], line[128];
        unsigned count;
        snprintf(path, sizeof path, "/proc/self/fdinfo/%s", entry->d_name);
        FILE *file = fopen(path, "r");
        while (file && fgets(line, sizeof line, file))
            if (sscanf(line, "eventfd-count: %x", &count) == 1)
                sum += count;
        if (file)
            fclose(file);
    }
    closedir(folder);
    return sum;
}

static void a_batch_is_signalled_once(void **state)
{
    struct fixture *f = start(state);
    uint64_t id = asynchat_get_id(f->ch);
    assert_int_equal(count_signals(), 0);
    for (int i = 0; i < 10; i++)
        post(id, "x");
    assert_int_equal(count_signals(), 1);
    settle(f);
    assert_int_equal(count_signals(), 0);
    expect_ran("x x x x x x x x x x");
    post(id, "y");
    assert_int_equal(count_signals(), 1);
}

/* select has fewer descriptors, up to FD_SETSIZE. */
static bool waits_by_select(void)
{
    struct event_base *base = event_base_new();
    bool select = strcmp(event_base_get_method(base), "select") == 0;
    event_base_free(base);
    return select;
}

/* One loop more than there are mailboxes. Each has an event base, which takes
 * some descriptors. */
static void there_are_not_more_loops_than_boxes(void **state)
{
    static struct fixture loops[MAILBOXES + 1];
    struct rlimit before, more;
    (void)state;
    if (waits_by_select())
        skip();
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    more = before;
    more.rlim_cur = 8 * MAILBOXES;
    if (setrlimit(RLIMIT_NOFILE, &more) < 0)
        skip();
    for (int i = 0; i <= MAILBOXES; i++) {
        loops[i].base = event_base_new();
        assert_non_null(loops[i].base);
        loops[i].ch = another(&loops[i], &loops[i].peer);
        assert_int_equal(asynchat_get_id(loops[i].ch) == 0, i == MAILBOXES);
    }
    asynchat_channel_free(loops[7].ch);
    assert_int_not_equal(asynchat_get_id(loops[MAILBOXES].ch), 0);
    for (int i = 0; i <= MAILBOXES; i++) {
        if (i != 7)
            asynchat_channel_free(loops[i].ch);
        close(loops[i].peer);
        event_base_free(loops[i].base);
    }
    setrlimit(RLIMIT_NOFILE, &before);
}

/* --- several threads; nothing of cmocka is called in them --- */

#define THREADS 4
#define CHANNELS 3
#define POSTS 400

/* A thread with a loop, and pairs of channels in it. */
struct party {
    struct party *all;
    pthread_barrier_t *ready, *done;
    uint64_t ids[CHANNELS];
    int errors, received;
    int next[THREADS]; /* the next number expected from each of the others */
    int freed;
};

/* The sender, the receiver, and a number. */
struct letter {
    struct party *to;
    int from, channel, number;
};

/* Letters arrive in order, each in the channel's own thread. Only that thread
 * writes here. */
static void receive(struct asynchat_channel *ch, void *arg)
{
    struct letter *letter = arg;
    struct party *p = letter->to;
    int expected = p->next[letter->from]++;
    if (!ch || expected != letter->number * CHANNELS + letter->channel ||
        asynchat_get_id(ch) != p->ids[letter->channel])
        p->errors++;
    p->received++;
    free(letter);
}

static int send_letter(struct party *to, int from, int channel, int number)
{
    struct letter *letter = malloc(sizeof *letter);
    *letter = (struct letter){to, from, channel, number};
    int error = asynchat_post(to->ids[channel], receive, letter);
    if (error)
        free(letter);
    return error;
}

/* Posts to every channel of all other parties. */
static void broadcast(struct party *p, int number)
{
    int me = (int)(p - p->all);
    for (int to = 0; to < THREADS; to++)
        for (int channel = 0; to != me && channel < CHANNELS; channel++)
            if (send_letter(&p->all[to], me, channel, number))
                p->errors++;
}

static void party_open(struct party *p, struct event_base *base,
                       struct asynchat_channel *pairs[CHANNELS][2])
{
    const struct asynchat_handler *handlers[2] = {&ignorer, &ignorer};
    for (int i = 0; i < CHANNELS; i++) {
        if (asynchat_pair_new(base, handlers, NULL, pairs[i]))
            p->errors++;
        p->ids[i] = asynchat_get_id(pairs[i][0]);
    }
}

static void *party_run(void *arg)
{
    struct party *p = arg;
    struct asynchat_channel *pairs[CHANNELS][2];
    struct event_base *base = event_base_new();
    party_open(p, base, pairs);
    pthread_barrier_wait(p->ready);
    for (int i = 0; i < POSTS; i++) {
        broadcast(p, i);
        event_base_loop(base, EVLOOP_NONBLOCK);
    }
    while (p->received < POSTS * CHANNELS * (THREADS - 1) && p->errors == 0)
        event_base_loop(base, EVLOOP_ONCE);
    pthread_barrier_wait(p->done);
    for (int i = 0; i < 2 * CHANNELS; i++)
        asynchat_channel_free(pairs[i / 2][i % 2]);
    event_base_loop(base, EVLOOP_NONBLOCK); /* frees bufferevents */
    event_base_free(base);
    return NULL;
}

static void a_broadcast_reaches_the_channels_of_all_others(void **state)
{
    struct party parties[THREADS] = {0};
    pthread_t threads[THREADS];
    pthread_barrier_t ready, done;
    int descriptors = count_descriptors();
    (void)state;
    pthread_barrier_init(&ready, NULL, THREADS);
    pthread_barrier_init(&done, NULL, THREADS);
    for (int i = 0; i < THREADS; i++) {
        parties[i].all = parties;
        parties[i].ready = &ready;
        parties[i].done = &done;
        assert_int_equal(
            pthread_create(&threads[i], NULL, party_run, &parties[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&ready);
    pthread_barrier_destroy(&done);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(parties[i].errors, 0);
        assert_int_equal(parties[i].received, POSTS * CHANNELS * (THREADS - 1));
    }
    assert_int_equal(count_descriptors(), descriptors);
}

/* A loop in which channels come and go, and threads that post to the channel
 * that they last saw there, until the loop is gone. */
struct race {
    pthread_mutex_t lock;
    /* Under the lock: */
    uint64_t last;        /* id; 0 before the first */
    int accepted, called; /* posts */
    int wrong;            /* answers */
    /* The loop's: */
    int found;
};

static int race_count(struct race *race)
{
    pthread_mutex_lock(&race->lock);
    int called = ++race->called;
    pthread_mutex_unlock(&race->lock);
    return called;
}

static void arrive(struct asynchat_channel *ch, void *arg)
{
    struct race *race = arg;
    int called = race_count(race);
    race->found += ch != NULL;
    if (ch && called % 3 == 0)
        asynchat_close(ch);
    else if (ch && called % 7 == 0)
        asynchat_channel_free(ch);
}

/* The id to post to. 0 while there is no channel, or while the loop has
 * enough posts to do. */
static uint64_t chase_whom(struct race *race)
{
    pthread_mutex_lock(&race->lock);
    uint64_t id = race->accepted - race->called < 50 ? race->last : 0;
    race->accepted += id != 0;
    pthread_mutex_unlock(&race->lock);
    return id;
}

static void *chase(void *arg)
{
    struct race *race = arg;
    int error = 0;
    while (error == 0) {
        uint64_t id = chase_whom(race);
        if (id)
            error = asynchat_post(id, arrive, race);
        else
            sched_yield();
    }
    pthread_mutex_lock(&race->lock);
    race->accepted--;
    race->wrong += error != ASYNCHAT_ECLOSED;
    pthread_mutex_unlock(&race->lock);
    return NULL;
}

static void leave(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    asynchat_close(ch);
}

/* One round: a pair is made, gets an id, and gets posts. It is freed by a
 * posted function, or at the end of the round; its other end notices that. */
static void race_round(struct race *race, struct event_base *base)
{
    const struct asynchat_handler *handlers[2] = {&ignorer, &ignorer};
    struct asynchat_channel *pair[2];
    int found = race->found;
    if (asynchat_pair_new(base, handlers, NULL, pair))
        abort();
    uint64_t id = asynchat_get_id(pair[0]);
    pthread_mutex_lock(&race->lock);
    race->last = id;
    pthread_mutex_unlock(&race->lock);
    while (race->found == found)
        event_base_loop(base, EVLOOP_ONCE);
    if (asynchat_post(id, leave, NULL))
        abort();
    event_base_loop(base, EVLOOP_ONCE);
}

/* The last channel is freed while posts come. */
static void posts_race_with_closing(void **state)
{
    struct race race = {.lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_t threads[2];
    struct fixture f = {.base = event_base_new()};
    int descriptors = count_descriptors();
    int far;
    (void)state;
    struct asynchat_channel *keeper = another(&f, &far);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, chase, &race), 0);
    for (int i = 0; i < 300; i++)
        race_round(&race, f.base);
    asynchat_channel_free(keeper);
    event_base_dispatch(f.base);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    close(far);
    event_base_loop(f.base, EVLOOP_NONBLOCK);
    assert_int_equal(race.wrong, 0);
    assert_int_equal(race.called, race.accepted);
    assert_true(race.found > 0);
    assert_int_equal(count_descriptors(), descriptors);
    event_base_free(f.base);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        POST_ALL(a_channel_has_one_id),
        cmocka_unit_test(NULL_has_none),
        POST(SOCKETPAIR, no_two_channels_have_the_same),
        cmocka_unit_test(an_id_is_not_given_again_in_another_loop),
        POST_ALL(a_channel_that_has_ended_gets_none),
        POST_ALL(an_id_stays_in_handle_close),
        POST_ALL(a_function_runs_from_the_loop_with_the_channel),
        POST_ALL(what_it_pushes_is_sent),
        POST_ALL(functions_run_in_the_order_they_were_posted),
        POST_ALL(a_channel_that_is_gone_is_NULL),
        POST_ALL(a_channel_that_is_closing_is_there),
        POST(SOCKETPAIR, bad_arguments_are_refused),
        POST_ALL(posts_come_from_inside_every_callback),
        POST_ALL(posts_come_from_a_release_callback),
        POST_ALL(what_a_function_posts_waits_for_the_next_pass),
        POST_ALL(a_function_may_free_the_channel),
        POST_ALL(what_has_not_run_does_when_the_last_channel_is_freed),
        POST(SOCKETPAIR, what_runs_at_the_end_cannot_post_once_more),
        POST(SOCKETPAIR, what_runs_at_the_end_may_begin_anew),
        POST_ALL(the_loop_ends_with_its_last_channel),
        POST(PAIR, the_loop_waits_for_posts_from_others),
        POST(PAIR, without_ids_the_loop_ends_as_before),
        POST(SOCKETPAIR, a_batch_is_signalled_once),
        cmocka_unit_test(there_are_not_more_loops_than_boxes),
        cmocka_unit_test(a_broadcast_reaches_the_channels_of_all_others),
        cmocka_unit_test(posts_race_with_closing),
    };
    return RUN(tests);
}
