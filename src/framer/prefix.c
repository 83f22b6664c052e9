/* Prefixes: a number of a fixed length in front of each message.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "base/apart.h"
#include "base/table.h"
#include "framer/length.h"

#define PREFIX_OFFSET_MOST 56
#define PREFIX_FLAGS                                                           \
    (ASYNCHAT_PREFIX_LITTLE | ASYNCHAT_PREFIX_INCLUSIVE | ASYNCHAT_PREFIX_KEPT)

_Static_assert(sizeof(struct asynchat_prefix) ==
                   sizeof(size_t) + 4 * sizeof(int),
               "asynchat_prefix has padding");

struct prefix {
    struct length l;
    int64_t add;     /* what is added to the number, adjustment and head */
    uint32_t head;   /* how many bytes the head has */
    uint32_t strip;  /* how many bytes of the head are dropped */
    uint32_t offset; /* where the number begins */
    uint8_t bytes;   /* how many bytes the number has */
    uint8_t unused;  /* how many bits of 64 are not the number's */
    bool little;
};

/* --- the number --- */

/* Eight bytes at once: compilers make one load of this. */
static inline uint64_t load_big(const uint8_t *at)
{
    return (uint64_t)at[0] << 56 | (uint64_t)at[1] << 48 |
           (uint64_t)at[2] << 40 | (uint64_t)at[3] << 32 |
           (uint64_t)at[4] << 24 | (uint64_t)at[5] << 16 |
           (uint64_t)at[6] << 8 | at[7];
}

static inline uint64_t load_little(const uint8_t *at)
{
    return (uint64_t)at[7] << 56 | (uint64_t)at[6] << 48 |
           (uint64_t)at[5] << 40 | (uint64_t)at[4] << 32 |
           (uint64_t)at[3] << 24 | (uint64_t)at[2] << 16 |
           (uint64_t)at[1] << 8 | at[0];
}

static uint64_t prefix_number(const struct prefix *p, const uint8_t *at)
{
    uint64_t number = 0;
    for (unsigned i = 0; i < p->bytes; i++)
        number = number << 8 | at[p->little ? p->bytes - 1 - i : i];
    return number;
}

/* --- the framing --- */

/* Gives the length of what is behind the head. A sum that does not fit into 64
 * bits is more than ever comes. False: it is below 0. */
static bool prefix_adjust(const struct prefix *p, uint64_t number,
                          uint64_t *length)
{
    uint64_t sum = number + (uint64_t)p->add;
    if (p->add < 0 && sum > number)
        return false;
    *length = p->add > 0 && sum < number ? UINT64_MAX : sum;
    return true;
}

static int prefix_look(const struct length *l, const uint8_t *bytes, size_t len,
                       struct asynchat_head *head)
{
    const struct prefix *p = (const struct prefix *)l;
    uint64_t length;
    if (len < p->head)
        return ASYNCHAT_HEAD_MORE;
    if (!prefix_adjust(p, prefix_number(p, bytes + p->offset), &length))
        return ASYNCHAT_EFRAMING;
    return length_known(head, p->head, length, p->strip == 0);
}

/* Both byte orders, if eight bytes can be read at the number. A number of 2^63
 * or more is for the long way: so the sum is right, or it wraps because it is
 * below 0, and is too large. */
static inline struct framing_whole prefix_find(struct asynchat_framing *f,
                                               const uint8_t *bytes, size_t len,
                                               const uint8_t **next,
                                               bool little)
{
    const struct prefix *p = (const struct prefix *)f;
    const uint8_t *at = bytes + p->offset;
    if (len < (size_t)p->offset + 8)
        return asynchat__length_find(f, bytes, len, next);
    uint64_t number = little ? load_little(at) << p->unused >> p->unused
                             : load_big(at) >> p->unused;
    uint64_t length = number + (uint64_t)p->add;
    if (number > INT64_MAX || length > len - p->head)
        return framing_not_found();
    return length_found(bytes + p->strip, p->head - p->strip + (size_t)length,
                        0, next);
}

static struct framing_whole prefix_find_big(struct asynchat_framing *f,
                                            const uint8_t *bytes, size_t len,
                                            const uint8_t **next)
{
    return prefix_find(f, bytes, len, next, false);
}

static struct framing_whole prefix_find_little(struct asynchat_framing *f,
                                               const uint8_t *bytes, size_t len,
                                               const uint8_t **next)
{
    return prefix_find(f, bytes, len, next, true);
}

static const struct framing_ops prefix_ops[] = {
    {.find = prefix_find_big,
     .step = asynchat__length_step,
     .held = asynchat__length_held,
     .reset = asynchat__length_reset,
     .release = asynchat__length_release},
    {.find = prefix_find_little,
     .step = asynchat__length_step,
     .held = asynchat__length_held,
     .reset = asynchat__length_reset,
     .release = asynchat__length_release},
};

/* --- the table --- */

/* A table with fewer fields than this version knows is bad, so none is missing
 * when the fields are looked at. */
static int prefix_check(const struct asynchat_prefix *prefix)
{
    const size_t least = TABLE_SIZE(struct asynchat_prefix, adjustment);
    int error =
        prefix ? asynchat__table_check(prefix, least, sizeof *prefix) : -EINVAL;
    if (error)
        return error;
    unsigned n = prefix->bytes;
    bool known = (n >= 1 && n <= 4) || n == 8;
    if (!known || prefix->offset > PREFIX_OFFSET_MOST ||
        (prefix->flags & ~(unsigned)PREFIX_FLAGS))
        return -EINVAL;
    return 0;
}

/* What is added to the number. */
static int64_t prefix_add(const struct asynchat_prefix *prefix)
{
    int64_t head = prefix->offset + prefix->bytes;
    return prefix->adjustment -
           (prefix->flags & ASYNCHAT_PREFIX_INCLUSIVE ? head : 0);
}

struct asynchat_framing *asynchat_framing_prefix(
    const struct asynchat_prefix *prefix)
{
    int error = prefix_check(prefix);
    if (error)
        return asynchat__length_failed(error);
    uint32_t head = prefix->offset + prefix->bytes;
    bool little = prefix->flags & ASYNCHAT_PREFIX_LITTLE;
    struct prefix *p = (struct prefix *)asynchat__length_new(
        &prefix_ops[little], sizeof *p, head, false);
    if (!p)
        return NULL;
    p->l.look = prefix_look;
    p->add = prefix_add(prefix);
    p->head = head;
    p->strip = prefix->flags & ASYNCHAT_PREFIX_KEPT ? 0 : head;
    p->offset = prefix->offset;
    p->bytes = (uint8_t)prefix->bytes;
    p->unused = (uint8_t)(64 - 8 * prefix->bytes);
    p->little = little;
    return &p->l.f;
}

/* --- the other direction --- */

/* Compilers make one store of this. */
static inline void put_four(uint8_t *to, uint32_t number)
{
    to[0] = (uint8_t)(number >> 24);
    to[1] = (uint8_t)(number >> 16);
    to[2] = (uint8_t)(number >> 8);
    to[3] = (uint8_t)number;
}

static void prefix_put(const struct asynchat_prefix *prefix, uint64_t number,
                       uint8_t *to)
{
    bool little = prefix->flags & ASYNCHAT_PREFIX_LITTLE;
    unsigned bytes = prefix->bytes;
    for (unsigned i = 0; i < bytes; i++)
        to[little ? i : bytes - 1 - i] = (uint8_t)(number >> (8 * i));
}

static APART int prefix_write(const struct asynchat_prefix *prefix,
                              uint64_t len, void *to)
{
    int error = to ? prefix_check(prefix) : -EINVAL;
    if (error)
        return error;
    int64_t add = prefix_add(prefix);
    uint64_t number = len - (uint64_t)add;
    unsigned unused = 64 - 8 * prefix->bytes;
    bool wrapped = add > 0 ? number > len : number < len;
    if (wrapped || number << unused >> unused != number)
        return -EMSGSIZE;
    prefix_put(prefix, number, to);
    return 0;
}

/* Whether the number is in four bytes, the first one counts most, and nothing
 * is added: most tables are like that. */
static inline bool prefix_is_usual(const struct asynchat_prefix *prefix)
{
    return prefix->size == sizeof *prefix && prefix->bytes == 4 &&
           prefix->offset <= PREFIX_OFFSET_MOST && prefix->adjustment == 0 &&
           (prefix->flags & ~(unsigned)ASYNCHAT_PREFIX_KEPT) == 0;
}

/* Has a short way, since this is called for each message. */
int asynchat_prefix_write(const struct asynchat_prefix *prefix, uint64_t len,
                          void *to)
{
    if (!to || !prefix || len > UINT32_MAX || !prefix_is_usual(prefix))
        return prefix_write(prefix, len, to);
    put_four(to, (uint32_t)len);
    return 0;
}
