/* Tests that try many streams or cuts by brute force may try only some of them,
 * on a machine that is slow: with EVERY=13 in the environment one in 13. With a
 * prime number streams of all kinds are tried, since the kinds come by turns.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVERY_H
#define EVERY_H

#include <stdbool.h>
#include <stdlib.h>

/* Whether the next stream is not to be tried. */
static inline bool is_left_out(void)
{
    static unsigned long every, streams;
    if (every == 0) {
        const char *asked = getenv("EVERY");
        every = asked ? strtoul(asked, NULL, 10) : 1;
        every += every == 0;
    }
    return streams++ % every > 0;
}

#endif
