/* Varints: a number in groups of 7 bits in front of each message (LEB128, and
 * section 1.5.5 of MQTT 5.0).
 * SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "framer/length.h"

#define VARINT_MOST 10 /* bytes, for 64 bits */
#define VARINT_MQTT_MOST 4
#define VARINT_OFFSET_MOST 54
#define VARINT_FLAGS (ASYNCHAT_PREFIX_KEPT | ASYNCHAT_VARINT_MQTT)

struct varint {
    struct length l;
    uint32_t offset; /* where the varint begins */
    uint32_t kept;   /* with a varint of one byte: what is kept of the head */
    bool mqtt;
};

/* Whether byte number `i` of a varint is against the rules. Of the tenth byte
 * only the lowest bit is left for a number of 64 bits. */
static bool varint_is_broken(const struct varint *v, size_t i, uint8_t byte)
{
    if (v->mqtt)
        return i == VARINT_MQTT_MOST - 1 ? byte >= 0x80 || byte == 0
                                         : i > 0 && byte == 0;
    return i == VARINT_MOST - 1 && byte > 1;
}

static int varint_look(const struct length *l, const uint8_t *bytes, size_t len,
                       struct asynchat_head *head)
{
    const struct varint *v = (const struct varint *)l;
    uint64_t number = 0;
    for (size_t i = 0; v->offset + i < len; i++) {
        uint8_t byte = bytes[v->offset + i];
        if (varint_is_broken(v, i, byte))
            return ASYNCHAT_EFRAMING;
        number |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80)
            return length_known(head, v->offset + i + 1, number, v->kept > 0);
    }
    return ASYNCHAT_HEAD_MORE;
}

/* A varint of one byte is read here: no rule can be broken by it. */
static struct framing_whole varint_find(struct asynchat_framing *f,
                                        const uint8_t *bytes, size_t len,
                                        const uint8_t **next)
{
    const struct varint *v = (const struct varint *)f;
    size_t head = (size_t)v->offset + 1;
    if (len < head || bytes[v->offset] >= 0x80)
        return asynchat__length_find(f, bytes, len, next);
    size_t length = bytes[v->offset];
    if (length > len - head)
        return framing_not_found();
    return length_found(bytes + head - v->kept, length + v->kept, 0, next);
}

static const struct framing_ops varint_ops = {
    .find = varint_find,
    .step = asynchat__length_step,
    .held = asynchat__length_held,
    .reset = asynchat__length_reset,
    .release = asynchat__length_release,
};

struct asynchat_framing *asynchat_framing_varint(unsigned offset,
                                                 unsigned flags)
{
    bool mqtt = flags & ASYNCHAT_VARINT_MQTT;
    if (offset > VARINT_OFFSET_MOST || (flags & ~(unsigned)VARINT_FLAGS))
        return asynchat__length_failed(-EINVAL);
    uint32_t most = offset + (mqtt ? VARINT_MQTT_MOST : VARINT_MOST);
    struct varint *v = (struct varint *)asynchat__length_new(
        &varint_ops, sizeof *v, most, false);
    if (!v)
        return NULL;
    v->l.look = varint_look;
    v->offset = offset;
    v->mqtt = mqtt;
    v->kept = flags & ASYNCHAT_PREFIX_KEPT ? offset + 1 : 0;
    return &v->l.f;
}
