/* Who asks: what is common to look-ups by the system and by a resolver of the
 * program's. SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_ASKER_H
#define ASYNCHAT_ASKER_H

#include <stdint.h>

#include "loop/timer.h"
#include "names/lookup.h"

/* Where the answers come from. */
struct lookup_source {
    /* Gives what the look-up has not been told yet. False: there is nothing.
     * In both cases *wait may be set, to the milliseconds after which this
     * function is to be called again in any case. */
    bool (*news)(struct lookup *lookup, struct lookup_answer *answer,
                 uint32_t *wait);
    /* Nobody wants answers any more. Ends what the source has for the
     * look-up. */
    void (*leave)(struct lookup *lookup);
};

/* The beginning of an object that the source has made by asynchat__malloc(). */
struct lookup {
    const struct lookup_source *source;
    struct loop *loop; /* a share */
    void (*answered)(void *arg, const struct lookup_answer *answer);
    void *arg;
    struct timer timer;
    bool telling; /* `answered` is running */
    bool over;    /* cancelled meanwhile */
};

/* Who wants to know. */
struct lookup_wish {
    struct loop *loop;
    const char *host, *service;
    void (*answered)(void *arg, const struct lookup_answer *answer);
    void *arg;
};

/* Begins what is common, in memory that is all zero. */
void asynchat__asker_begin(struct lookup *lookup,
                           const struct lookup_source *source,
                           const struct lookup_wish *wish);

/* Tells what is new, if anything is. To be called from the loop. The look-up
 * may be gone afterwards. */
void asynchat__asker_look(struct lookup *lookup);

/* Ends and frees the look-up, for which its source has nothing any more. */
void asynchat__asker_free(struct lookup *lookup);

#endif
