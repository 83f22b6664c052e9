/* Heads of any form: a function of the program's says how long messages are.
 * Tested by tests/test_head.c. SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "framer/length.h"

#define HEAD_MOST 64

struct custom {
    struct length l;
    int (*look)(const void *bytes, size_t len, struct asynchat_head *head,
                void *arg);
    void *arg;
};

static int custom_look(const struct length *l, const uint8_t *bytes, size_t len,
                       struct asynchat_head *head)
{
    const struct custom *c = (const struct custom *)l;
    return c->look(bytes, len, head, c->arg);
}

static const struct framing_ops custom_ops = {
    .find = asynchat__length_find,
    .step = asynchat__length_step,
    .held = asynchat__length_held,
    .reset = asynchat__length_reset,
    .release = asynchat__length_release,
};

struct asynchat_framing *asynchat_framing_function(
    int (*look)(const void *bytes, size_t len, struct asynchat_head *head,
                void *arg),
    size_t most, void *arg)
{
    if (!look || most < 1 || most > HEAD_MOST)
        return asynchat__length_failed(-EINVAL);
    struct custom *c = (struct custom *)asynchat__length_new(
        &custom_ops, sizeof *c, (uint32_t)most, true);
    if (!c)
        return NULL;
    c->l.look = custom_look;
    c->look = look;
    c->arg = arg;
    return &c->l.f;
}
