/* Runs a conversation with each fault in each of its places.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "testing/test.h"

#include <stdio.h>

#include "testing/alloc.h"

/* A peer takes 1 to FEW bytes at a time, and then powers of 2. */
#define FEW 16

static const char *fault_name(unsigned fault)
{
    switch (fault) {
    case ASYNCHAT_TEST_ALLOC:
        return "an allocation fails";
    case ASYNCHAT_TEST_RESET:
        return "the peer resets the connection";
    case ASYNCHAT_TEST_VANISH:
        return "the peer vanishes";
    case ASYNCHAT_TEST_SHORT:
        return "the peer takes a few bytes at a time";
    default:
        return "no such fault";
    }
}

/* How many bytes the peer takes at a time in this place. */
static size_t fault_few(unsigned long place)
{
    return place <= FEW ? place : (size_t)FEW << (place - FEW);
}

/* libevent may keep something of each loop, as it does in its debug mode. */
static void fault_count(const struct run *whole, struct run *run)
{
    struct text text = {NULL, 0, 0};
    if (run->left <= whole->left)
        return;
    asynchat__text_say(&text, "%ld allocations were not given back",
                       run->left - whole->left);
    asynchat__fail(run, &text);
}

/* A run with the fault in this place. `whole` is one without. */
static struct run fault_run(const struct run *whole, unsigned fault,
                            unsigned long place)
{
    struct run run = {.talk = whole->talk,
                      .arg = whole->arg,
                      .fault = fault,
                      .place = place,
                      .whole = whole};
    if (fault == ASYNCHAT_TEST_SHORT)
        run.take = fault_few(place);
    asynchat__run(&run);
    if (fault == ASYNCHAT_TEST_SHORT)
        run.reached = run.failed || run.take < run.most_heard;
    fault_count(whole, &run);
    return run;
}

/* Frees the run. */
static void fault_tell(struct run *run)
{
    char where[128];
    (void)snprintf(where, sizeof where, "%s, place %lu", fault_name(run->fault),
                   run->place);
    asynchat__run_tell(run, run->file, run->line, where);
}

/* Answers how many places there are. False: it has failed, and the program was
 * told. */
static bool fault_everywhere(const struct run *whole, unsigned fault,
                             unsigned long *places)
{
    bool reached = true, failed = false;
    unsigned long place = 0;
    while (reached && !failed) {
        struct run run = fault_run(whole, fault, ++place);
        reached = run.reached;
        if (!reached && !run.failed && place == 1)
            asynchat__fail_why(&run, "it is never reached");
        failed = run.failed;
        if (failed)
            fault_tell(&run);
        else
            asynchat__run_free(&run);
    }
    *places += place - 1;
    return !failed;
}

/* Runs the conversation without a fault: twice, since the first time something
 * may be made that stays. False: it has failed, and the program was told. */
static bool fault_begin(struct run *whole)
{
    struct run first = {.talk = whole->talk, .arg = whole->arg};
    asynchat__run(&first);
    if (first.failed) {
        asynchat__run_tell(&first, first.file, first.line, "without a fault");
        return false;
    }
    asynchat__run(whole);
    asynchat__run_free(&first);
    return true;
}

unsigned long asynchat_test_faults(void (*talk)(struct asynchat_test *t,
                                                void *arg),
                                   void *arg, unsigned faults)
{
    struct run whole = {.talk = talk, .arg = arg};
    unsigned long places = 0;
    bool right = fault_begin(&whole);
    for (unsigned fault = 1; right && fault <= faults; fault <<= 1)
        if (faults & fault)
            right = fault_everywhere(&whole, fault, &places);
    asynchat__run_free(&whole);
    return places;
}

void asynchat_test_fault(void (*talk)(struct asynchat_test *t, void *arg),
                         void *arg, unsigned fault, unsigned long place)
{
    struct run whole = {.talk = talk, .arg = arg};
    if (!fault_begin(&whole))
        return;
    struct run run = fault_run(&whole, fault, place);
    asynchat__run_free(&whole);
    if (!run.reached && !run.failed)
        asynchat__fail_why(&run, "it is never reached");
    if (run.failed)
        fault_tell(&run);
    else
        asynchat__run_free(&run);
}
