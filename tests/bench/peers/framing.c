/* The framings of ../framed.h, as libasynchat has them.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "framing.h"

const struct asynchat_prefix framing_prefix = {.size = sizeof framing_prefix,
                                               .bytes = 4};

static struct asynchat_framing *alternatives(void)
{
    struct asynchat_bytes list[FRAMED_ENDS];
    for (size_t i = 0; i < FRAMED_ENDS; i++)
        list[i] = (struct asynchat_bytes){framed_ends[i], 2};
    return asynchat_framing_alternatives(list, FRAMED_ENDS);
}

static struct asynchat_framing *framing(enum framed kind)
{
    static const struct asynchat_prefix kept = {
        .size = sizeof kept, .bytes = 4, .flags = ASYNCHAT_PREFIX_KEPT};
    switch (kind) {
    case FRAMED_PREFIX:
        return asynchat_framing_prefix(&framing_prefix);
    case FRAMED_KEPT:
        return asynchat_framing_prefix(&kept);
    case FRAMED_VARINT:
        return asynchat_framing_varint(0, 0);
    case FRAMED_NETSTRING:
        return asynchat_framing_netstring();
    case FRAMED_LINES:
        return asynchat_framing_lines(0);
    case FRAMED_STRICT:
        return asynchat_framing_lines(ASYNCHAT_LINES_STRICT);
    default:
        return alternatives();
    }
}

int framing_set(struct asynchat_channel *ch, enum framed kind, size_t size)
{
    if (kind == FRAMED_STRING)
        return asynchat_set_terminator(ch, "\r\n", 2);
    if (kind == FRAMED_BLOCK)
        return asynchat_set_block(ch, size);
    return asynchat_set_framing(ch, framing(kind));
}
