/* Runs a conversation at every cut.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "testing/test.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CUTS_RANDOM 32
/* How many bytes are shown before and behind a cut, and how many cuts. */
#define CUTS_AROUND 16
#define CUTS_SHOWN 8

/* Invariant: `marks` has a byte for each byte but the last that the peers send;
 * `whole` is the run without cuts. */
struct cuts {
    struct run whole;
    unsigned char *marks;
    size_t length;
    uint64_t seed;
    const char *file;
    int line;
};

/* --- one run --- */

/* The run with these cuts, whose failure says what is not the same. */
static struct run cuts_run(const struct cuts *c)
{
    struct run run = {.talk = c->whole.talk,
                      .arg = c->whole.arg,
                      .cuts = c->marks,
                      .length = c->length};
    struct text text = {NULL, 0, 0};
    const char *whole = asynchat__text(&c->whole.record);
    asynchat__run(&run);
    if (run.failed || strcmp(asynchat__text(&run.record), whole) == 0)
        return run;
    asynchat__text_say(&text, "something else happens\n");
    asynchat__text_compare(&text, "not cut", whole, "cut",
                           asynchat__text(&run.record));
    asynchat__fail(&run, &text);
    run.file = c->file;
    run.line = c->line;
    return run;
}

static bool cuts_differ(const struct cuts *c)
{
    struct run run = cuts_run(c);
    bool differ = run.failed;
    asynchat__run_free(&run);
    return differ;
}

/* --- which cuts --- */

/* A generator of random numbers (Marsaglia's xorshift64). */
static uint64_t cuts_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static uint64_t cuts_seed(void)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread */
    const char *given = getenv("ASYNCHAT_TEST_SEED");
    uint64_t seed =
        given ? strtoull(given, NULL, 10)
              : (uint64_t)time(NULL) << 20 ^ (uint64_t)(unsigned)getpid();
    return seed ? seed : 1;
}

/* Pieces of about 2 to 17 bytes, in each run of another size. */
static void cuts_draw(struct cuts *c, uint64_t *state)
{
    uint64_t size = 2 + cuts_random(state) % 16;
    for (size_t i = 0; i < c->length; i++)
        c->marks[i] = cuts_random(state) % size == 0;
}

static bool cuts_single(struct cuts *c)
{
    for (size_t i = 0; i < c->length; i++) {
        c->marks[i] = 1;
        if (cuts_differ(c))
            return true;
        c->marks[i] = 0;
    }
    return false;
}

static bool cuts_everywhere(struct cuts *c)
{
    memset(c->marks, 1, c->length);
    return cuts_differ(c);
}

static bool cuts_anywhere(struct cuts *c)
{
    uint64_t state = c->seed;
    for (int i = 0; i < CUTS_RANDOM; i++) {
        cuts_draw(c, &state);
        if (cuts_differ(c))
            return true;
    }
    return false;
}

/* Takes away each cut without which there is still a difference. */
static void cuts_shrink(struct cuts *c)
{
    for (size_t i = 0; i < c->length; i++) {
        if (!c->marks[i])
            continue;
        c->marks[i] = 0;
        c->marks[i] = !cuts_differ(c);
    }
}

/* --- the report --- */

static void cuts_show(const struct cuts *c, size_t behind, struct text *text)
{
    const struct text *fed = &c->whole.fed;
    size_t from = behind > CUTS_AROUND ? behind - CUTS_AROUND : 0;
    size_t to =
        fed->len - behind > CUTS_AROUND ? behind + CUTS_AROUND : fed->len;
    asynchat__text_say(text, " behind byte %zu (\"", behind);
    asynchat__text_escape(text, fed->bytes + from, behind - from);
    asynchat__text_say(text, "\" then \"");
    asynchat__text_escape(text, fed->bytes + behind, to - behind);
    asynchat__text_say(text, "\")");
}

static void cuts_tell(struct cuts *c)
{
    struct text where = {NULL, 0, 0};
    struct run run = cuts_run(c);
    size_t shown = 0;
    asynchat__text_say(&where, "with cuts of seed %" PRIu64 ",", c->seed);
    for (size_t i = 0; i < c->length && shown < CUTS_SHOWN; i++) {
        if (!c->marks[i])
            continue;
        shown++;
        cuts_show(c, i + 1, &where);
    }
    free(c->marks);
    asynchat__run_free(&c->whole);
    char *lent = strdup(asynchat__text(&where));
    asynchat__text_free(&where);
    asynchat__run_tell(&run, run.file ? run.file : c->file,
                       run.file ? run.line : c->line, lent ? lent : "");
    free(lent);
}

void asynchat_test_cuts(void (*talk)(struct asynchat_test *t, void *arg),
                        void *arg)
{
    struct cuts c = {.whole = {.talk = talk, .arg = arg},
                     .seed = cuts_seed(),
                     .file = asynchat__fail_file(),
                     .line = asynchat__fail_line()};
    asynchat__run(&c.whole);
    if (c.whole.failed) {
        asynchat__run_tell(&c.whole, c.whole.file, c.whole.line,
                           "without a cut");
        return;
    }
    c.length = c.whole.fed.len > 0 ? c.whole.fed.len - 1 : 0;
    c.marks = asynchat__testing_memory(c.length + 1);
    if (cuts_single(&c) || cuts_everywhere(&c) || cuts_anywhere(&c)) {
        cuts_shrink(&c);
        cuts_tell(&c);
        return;
    }
    free(c.marks);
    asynchat__run_free(&c.whole);
}
