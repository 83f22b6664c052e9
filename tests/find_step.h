/* A whole message that a framing finds, as the step that says the same.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef FIND_STEP_H
#define FIND_STEP_H

#include "framer/framing.h"

/* False: the framing cannot say. */
static inline bool find_step(struct asynchat_framing *f, const void *bytes,
                             size_t len, struct framing_step *step)
{
    const uint8_t *next = NULL;
    struct framing_whole whole = f->ops->find(f, bytes, len, &next);
    if (!whole.data)
        return false;
    *step = (struct framing_step){
        .skip = (size_t)(whole.data - (const uint8_t *)bytes),
        .data = whole.len,
        .tail = (size_t)(next - whole.data) - whole.len,
        .verdict = FRAMING_ENDS};
    return true;
}

#endif
