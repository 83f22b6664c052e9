/* What the files of src/testing/ share: a run of a conversation, the loop and
 * the clock of its tests, and a test.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_TESTING_TEST_H
#define ASYNCHAT_TESTING_TEST_H

#include <stdbool.h>

#include <asynchat/testing.h>

#include "testing/text.h"

#undef asynchat_test_run
#undef asynchat_test_cuts
#undef asynchat_test_faults
#undef asynchat_test_fault
#undef asynchat_test_open
#undef asynchat_test_feed
#undef asynchat_test_say
#undef asynchat_test_advance
#undef asynchat_test_expect
#undef asynchat_test_hear
#undef asynchat_test_expect_nothing
#undef asynchat_test_expect_closed
#undef asynchat_test_expect_events

#define TESTING_DAY 86400000u /* in milliseconds */

/* Of how many tests of a run it is kept what their peers have heard. */
#define RUN_HEARD 16

/* A run of a conversation. A test that the program has made itself has a run as
 * well, which is never given to anybody.
 *
 * Invariants: `fault` is 0 or one of the public faults. `cuts` is NULL, or has
 * a byte for each of the first `length` bytes, which says whether there is a
 * cut behind it. */
struct run {
    void (*talk)(struct asynchat_test *t, void *arg); /* or NULL */
    void *arg;
    const unsigned char *cuts;
    size_t length;
    unsigned fault;
    unsigned long place;     /* from 1 on */
    size_t take;             /* how many bytes the peer takes at a time; or 0 */
    const struct run *whole; /* one without a fault; or NULL */

    bool reached; /* the fault has struck */
    bool over;    /* further steps do nothing */
    bool failed;  /* why is in `failure` */
    struct text failure;
    const char *file; /* where in the program's source that was */
    int line;
    struct text fed;    /* what the peers have sent */
    struct text record; /* what has happened in tests that are freed */
    struct text heard[RUN_HEARD]; /* the same, of peers, by their numbers */
    size_t most_heard;            /* the most bytes that a peer has heard */
    long left;                    /* allocations that were not given back */
};

/* The loop and the clock of one or more tests. */
struct world {
    struct event_base *base;
    struct event *end; /* of a pass of the loop */
    uint64_t now;
    unsigned tests; /* that are not freed */
    unsigned made;  /* in all */
    bool restless;  /* something moves for ever */
    struct run *run;
    struct run own; /* the run, if the program has made the test */
};

struct asynchat_test {
    struct asynchat_test *next; /* all tests are in a list */
    struct world *world;
    unsigned number;               /* in the order in which tests were made */
    struct asynchat_channel *near; /* the channel; NULL: it has closed */
    struct asynchat_channel *far;  /* the peer's; NULL: it has closed */
    uint64_t id;                   /* of `near` */
    struct watch *watches;         /* of all handlers */
    struct watch *watch;           /* of the one that was set last */
    void *arg;
    int status;  /* given to handle_close */
    bool closed; /* handle_close was called */
    bool taking; /* the peer takes what there is */
    struct text heard, events;
    size_t heard_at, events_at; /* what was expected before */
    bool in_data;               /* the last event is data */
};

/* --- watch.c: what happens to the channel --- */

/* The table that takes the place of a handler: it records every call. Kept
 * until the test is freed. */
const struct asynchat_handler *asynchat__watch(
    struct asynchat_test *t, const struct asynchat_handler *handler);
void asynchat__watches_free(struct asynchat_test *t);

/* If the program has set another handler, has the channel, which must be there,
 * call the table of that one. */
void asynchat__watch_follow(struct asynchat_test *t);

/* The peer's side. */
extern const struct asynchat_handler asynchat__peer;

/* --- world.c --- */

/* Makes a loop with a clock. Without a run it has one of its own. */
struct world *asynchat__world_new(struct run *run);
void asynchat__world_free(struct world *w);

struct asynchat_test *asynchat__test_new(struct world *w);
void asynchat__test_unlink(struct asynchat_test *t);

/* The test of a channel, which must have one. */
struct asynchat_test *asynchat__test_of(const struct asynchat_channel *ch);

/* Any test of the run, or NULL. */
struct asynchat_test *asynchat__test_in(const struct run *run);

/* Does what can be done now, in passes of the loop. False: there were too many,
 * as something moves for ever. */
bool asynchat__world_run(struct world *w);

/* Runs the loop until nothing moves any more, and fails if there is no such
 * moment. */
void asynchat__settle(struct asynchat_test *t);

/* Lets time pass, also if the run is over. */
void asynchat__advance(struct asynchat_test *t, uint64_t milliseconds);

/* --- test.c --- */

/* Makes a test for the run, which is lent until the test is freed. */
struct asynchat_test *asynchat__test_make(struct run *run);

/* Frees all tests of the run, in which the peers are gone then. */
void asynchat__tests_end(struct run *run);

/* --- strike.c: where a run is cut, and where a fault strikes --- */

/* How many of the next `len` bytes are fed before the loop runs. */
size_t asynchat__strike_piece(const struct run *run, size_t len);

/* Has a fault strike, if this is its place. */
void asynchat__strike(struct asynchat_test *t);

/* The same at the end of the conversation. */
void asynchat__strike_last(struct asynchat_test *t);

/* --- run.c --- */

/* Runs the conversation, and frees its tests. */
void asynchat__run(struct run *run);

/* --- fail.c --- */

/* The conversation has failed: it is over, and the text belongs to the run. */
void asynchat__fail(struct run *run, struct text *text);

void asynchat__fail_why(struct run *run, const char *why);

void asynchat__run_free(struct run *run);

/* Tells the program that the run has failed, and frees the run. */
void asynchat__run_tell(struct run *run, const char *file, int line,
                        const char *where);

/* Tells the program of a failure at the place where the program has called the
 * kit. */
void asynchat__fail_at(const char *file, int line, const char *text);

/* The place that was noted last. */
const char *asynchat__fail_file(void);
int asynchat__fail_line(void);

#endif
