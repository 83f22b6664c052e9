/* The marks of an output: see marks.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "output/marks.h"

bool asynchat__marks_rise(struct marks *marks, size_t queued)
{
    if (marks->level >= MARKS_HIGH || queued <= marks->high)
        return false;
    marks->level = MARKS_HIGH;
    return true;
}

enum marks_event asynchat__marks_look(struct marks *marks, size_t queued)
{
    if (queued <= marks->low) {
        bool drained = marks->level != MARKS_CALM;
        marks->level = MARKS_CALM;
        return drained ? MARKS_DRAINED : MARKS_LOW;
    }
    if (queued <= marks->high || marks->level == MARKS_TOLD)
        return MARKS_NOTHING;
    marks->level = MARKS_TOLD;
    return MARKS_TELL;
}
