/* Netstrings: decimal digits and a colon in front of each message, and a comma
 * behind it.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "framer/length.h"

#define NETSTRING_MOST 21 /* the digits of 2^64 - 1, and a colon */

/* Puts a digit behind the number. False: there is no such number. */
static bool netstring_digit(uint64_t *number, size_t at, uint8_t byte)
{
    unsigned digit = byte - '0';
    if (digit > 9 || (at > 0 && *number == 0) || *number > UINT64_MAX / 10 ||
        (*number == UINT64_MAX / 10 && digit > UINT64_MAX % 10))
        return false;
    *number = *number * 10 + digit;
    return true;
}

static int netstring_look(const struct length *l, const uint8_t *bytes,
                          size_t len, struct asynchat_head *head)
{
    uint64_t number = 0;
    (void)l;
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] == ':' && i > 0)
            return length_known(head, i + 1, number, false);
        if (!netstring_digit(&number, i, bytes[i]))
            return ASYNCHAT_EFRAMING;
    }
    return ASYNCHAT_HEAD_MORE;
}

/* For numbers of up to six digits, the first of which is not 0. */
static struct framing_whole netstring_find(struct asynchat_framing *f,
                                           const uint8_t *bytes, size_t len,
                                           const uint8_t **next)
{
    const uint8_t *at = bytes + 1, *end = bytes + (len < 7 ? len : 7);
    uint32_t digit, number = (uint32_t)*bytes - '0';
    (void)f;
    if (number - 1 > 8)
        return framing_not_found();
    for (; at < end && (digit = (uint32_t)*at - '0') <= 9; at++)
        number = number * 10 + digit;
    if (at == end || *at++ != ':')
        return framing_not_found();
    if (len - (size_t)(at - bytes) <= number || at[number] != ',')
        return framing_not_found();
    return length_found(at, number, 1, next);
}

static const struct framing_ops netstring_ops = {
    .find = netstring_find,
    .step = asynchat__length_step,
    .held = asynchat__length_held,
    .reset = asynchat__length_reset,
    .release = asynchat__length_release,
};

struct asynchat_framing *asynchat_framing_netstring(void)
{
    struct length *l =
        asynchat__length_new(&netstring_ops, sizeof *l, NETSTRING_MOST, false);
    if (!l)
        return NULL;
    l->look = netstring_look;
    l->comma = 1;
    return &l->f;
}
