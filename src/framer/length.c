/* Lengths: heads that say how long a message is, however they are cut.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "framer/length.h"

#include <string.h>

#include "base/memory.h"

struct length *asynchat__length_new(const struct framing_ops *ops, size_t size,
                                    uint32_t most, bool skips)
{
    struct length *l = asynchat__calloc(1, size + (skips ? 2 * most : most));
    if (!l)
        return NULL;
    l->f.ops = ops;
    l->f.shares = 1;
    l->most = most;
    l->block = (uint8_t *)l + size;
    return l;
}

const uint8_t *asynchat__length_held(const struct asynchat_framing *f)
{
    const struct length *l = (const struct length *)f;
    return l->block + l->from;
}

/* The rest of a message that has begun is no head. */
void asynchat__length_reset(struct asynchat_framing *f)
{
    struct length *l = (struct length *)f;
    f->held = 0;
    f->begun = l->inside;
}

void asynchat__length_release(struct asynchat_framing *f)
{
    asynchat__free(f);
}

/* --- one step --- */

/* The stream as a step sees it: the bytes that were held back, and the new
 * bytes. */
struct length_view {
    const uint8_t *bytes; /* the new bytes */
    size_t held, total; /* how many bytes were held back; how many there are */
};

/* The bytes from `at` on, `*len` of them: all there are, or as many as a head
 * can have. If some of these were held back, which were too few for a head, new
 * ones are put behind them. */
static const uint8_t *view_from(const struct length *l,
                                const struct length_view *v, size_t at,
                                size_t *len)
{
    *len = v->total - at < l->most ? v->total - at : l->most;
    if (at >= v->held)
        return v->bytes + (at - v->held);
    uint8_t *held = l->block + l->from;
    memmove(held + v->held, v->bytes, at + *len - v->held);
    return held + at;
}

/* Holds back all bytes from `at` on, which are the beginning of a head. */
static struct framing_step length_hold(struct length *l,
                                       const struct length_view *v, size_t at)
{
    size_t len;
    const uint8_t *bytes = view_from(l, v, at, &len);
    memmove(l->block, bytes, len);
    l->from = 0;
    l->f.held = (uint32_t)len;
    l->f.begun = true;
    return (struct framing_step){.skip = at, .tail = len};
}

static const struct framing_ops failed_ops = {
    .step = asynchat__length_step,
    .held = asynchat__length_held,
    .reset = asynchat__length_reset,
    .release = asynchat__length_release,
};

/* Bytes that were held back are left over if the step has not dealt with them.
 * They stay where they are. */
static struct framing_step length_leave(struct length *l,
                                        const struct length_view *v,
                                        struct framing_step step)
{
    size_t used = step.skip + step.data;
    if (used < v->held) {
        l->from += (uint32_t)used;
        l->f.held = (uint32_t)(v->held - used);
    }
    return step;
}

/* Behind `at` bytes, and `data` bytes of the message, the head is broken, or
 * what is behind the message. Nothing is found from now on. */
static struct framing_step length_fail(struct length *l,
                                       const struct length_view *v, size_t at,
                                       size_t data, int error)
{
    l->f.ops = &failed_ops;
    l->f.error = error;
    l->f.begun = true;
    l->inside = true;
    struct framing_step step = {.skip = at, .data = data, .verdict = error};
    return length_leave(l, v, step);
}

/* Takes data of the message behind the first `skip` bytes, and its comma. If
 * there are bytes behind the data, all of the data has come. */
static struct framing_step length_take(struct length *l,
                                       const struct length_view *v, size_t skip)
{
    size_t data = v->total - skip;
    if (data > l->left)
        data = (size_t)l->left;
    size_t at = skip + data;
    bool comma = l->comma > 0 && at < v->total;
    if (comma && v->bytes[at - v->held] != ',')
        return length_fail(l, v, skip, data, ASYNCHAT_EFRAMING);
    l->left -= data;
    l->inside = l->left > 0 || comma != (l->comma > 0);
    l->f.begun = l->inside;
    struct framing_step step = {.skip = skip, .data = data, .tail = comma};
    step.verdict = l->inside ? FRAMING_GOES_ON : FRAMING_ENDS;
    return length_leave(l, v, step);
}

/* Whether an answer says more than it can. A head of which nothing more can
 * come has an end, and something has to be used up. */
static bool head_is_wrong(const struct length *l, int answer,
                          const struct asynchat_head *head, size_t len)
{
    switch (answer) {
    case ASYNCHAT_HEAD_MORE:
        return len >= l->most;
    case ASYNCHAT_HEAD_SKIP:
        return head->skip == 0 || head->skip > len;
    case ASYNCHAT_HEAD_KNOWN:
        return head->skip > len || (head->skip == 0 && head->length == 0);
    default:
        return answer > 0;
    }
}

struct framing_whole asynchat__length_find(struct asynchat_framing *f,
                                           const uint8_t *bytes, size_t len,
                                           const uint8_t **next)
{
    const struct length *l = (const struct length *)f;
    size_t most = len < l->most ? len : l->most;
    struct asynchat_head head = {0};
    int answer = l->look(l, bytes, most, &head);
    if (answer != ASYNCHAT_HEAD_KNOWN ||
        head_is_wrong(l, answer, &head, most) || head.length > len - head.skip)
        return framing_not_found();
    return length_found(bytes + head.skip, (size_t)head.length, 0, next);
}

/* Looks at the bytes from *at on, passing over those that are no message, until
 * something else can be said. */
static int head_look(const struct length *l, const struct length_view *v,
                     size_t *at, struct asynchat_head *head)
{
    int answer;
    do {
        size_t len;
        const uint8_t *bytes = view_from(l, v, *at, &len);
        *head = (struct asynchat_head){0};
        answer = l->look(l, bytes, len, head);
        if (head_is_wrong(l, answer, head, len))
            return ASYNCHAT_EFRAMING;
        if (answer == ASYNCHAT_HEAD_SKIP)
            *at += head->skip;
    } while (answer == ASYNCHAT_HEAD_SKIP && *at < v->total);
    return answer;
}

static struct framing_step length_begin(struct length *l,
                                        const struct length_view *v)
{
    struct asynchat_head head;
    size_t at = 0;
    int answer = head_look(l, v, &at, &head);
    if (answer < 0)
        return length_fail(l, v, at, 0, answer);
    if (answer == ASYNCHAT_HEAD_MORE)
        return length_hold(l, v, at);
    l->f.begun = false;
    if (answer == ASYNCHAT_HEAD_SKIP)
        return (struct framing_step){.skip = at};
    l->left = head.length;
    struct framing_step step = length_take(l, v, at + head.skip);
    step.whole = head.length;
    return step;
}

struct framing_step asynchat__length_step(struct asynchat_framing *f,
                                          const uint8_t *bytes, size_t len)
{
    struct length *l = (struct length *)f;
    struct length_view v = {bytes, f->held, f->held + len};
    f->held = 0;
    if (f->error && l->inside)
        return (struct framing_step){.data = v.total};
    if (f->error)
        return length_fail(l, &v, 0, 0, f->error);
    return l->inside ? length_take(l, &v, 0) : length_begin(l, &v);
}

/* --- a framing that was made of bad arguments --- */

struct asynchat_framing *asynchat__length_failed(int error)
{
    struct length *l = asynchat__length_new(&failed_ops, sizeof *l, 0, false);
    if (!l)
        return NULL;
    l->f.error = error;
    return &l->f;
}
