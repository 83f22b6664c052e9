/* The matcher's two steps in one, as the channel takes them.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_MATCH_STEP_H
#define TESTS_MATCH_STEP_H

#include "framer/match.h"

static inline struct match_step match_step(const struct match *m,
                                           const uint8_t *piece, size_t len)
{
    size_t at;
    if (match_find(m, piece, len, &at))
        return (struct match_step){at + m->needle->len, m->needle->len};
    return asynchat__match_from(m, piece, at, len);
}

#endif
