/* What is expected, and what is said if it is not so.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "testing/test.h"

#include <string.h>

#include <asynchat/error.h>

#include "testing/alloc.h"
#include "testing/status.h"

/* The bytes that the peer has heard, and that nobody has expected yet. */
static const char *expect_rest(const struct asynchat_test *t, size_t *len)
{
    *len = t->heard.len - t->heard_at;
    return asynchat__text(&t->heard) + t->heard_at;
}

/* Where the conversation is, for the end of a report. */
static void expect_tell(struct asynchat_test *t, struct text *text)
{
    asynchat__text_say(
        text, "\n  the channel is %s; its events: ", t->near ? "open" : "gone");
    asynchat__text_add(text, asynchat__text(&t->events), t->events.len);
    asynchat__fail(t->world->run, text);
}

/* After a fault of memory a channel may end: with an error, or early, having
 * said nothing wrong. */
static bool expect_excused(struct asynchat_test *t, const void *data,
                           size_t len)
{
    size_t heard;
    const char *rest = expect_rest(t, &heard);
    bool right = heard <= len && memcmp(rest, data, heard) == 0;
    if (!asynchat__alloc_has_failed() || asynchat_test_channel(t))
        return false;
    bool told = t->closed && t->status != 0 && t->status != ASYNCHAT_EOF;
    if (!right && !told)
        return false;
    t->world->run->over = true;
    return true;
}

void asynchat_test_expect(struct asynchat_test *t, const void *data, size_t len)
{
    struct text text = {NULL, 0, 0};
    size_t heard;
    const char *rest = expect_rest(t, &heard);
    if (t->world->run->over)
        return;
    if (heard >= len && memcmp(rest, data, len) == 0) {
        t->heard_at += len;
        return;
    }
    if (expect_excused(t, data, len))
        return;
    asynchat__text_say(&text, "the peer hears something else\n");
    asynchat__text_differ(&text, "expected", data, len, "heard", rest, heard);
    expect_tell(t, &text);
}

void asynchat_test_hear(struct asynchat_test *t, const char *text)
{
    asynchat_test_expect(t, text, strlen(text));
}

void asynchat_test_expect_nothing(struct asynchat_test *t)
{
    struct text text = {NULL, 0, 0};
    size_t heard;
    const char *rest = expect_rest(t, &heard);
    if (t->world->run->over || heard == 0 || expect_excused(t, "", 0))
        return;
    asynchat__text_say(&text, "the peer hears more than was expected\n");
    asynchat__text_differ(&text, "expected", "", 0, "heard", rest, heard);
    expect_tell(t, &text);
}

static bool expect_is_ours(const struct asynchat_test *t)
{
    return t->closed && !asynchat__alloc_has_failed();
}

void asynchat_test_expect_closed(struct asynchat_test *t, int status)
{
    struct text text = {NULL, 0, 0};
    asynchat_test_expect_nothing(t);
    if (t->world->run->over)
        return;
    if (asynchat_test_channel(t))
        asynchat__text_say(&text, "the channel has not ended");
    else if (expect_is_ours(t) && t->status != status)
        asynchat__text_say(&text, "the channel has ended with %s",
                           asynchat__status_name(t->status));
    else
        return;
    asynchat__text_say(&text, "; %s was expected",
                       asynchat__status_name(status));
    expect_tell(t, &text);
}

/* The events are separated by one space. */
void asynchat_test_expect_events(struct asynchat_test *t, const char *events)
{
    struct text text = {NULL, 0, 0};
    const char *got = asynchat__text(&t->events) + t->events_at;
    got += *got == ' ';
    if (t->world->run->over)
        return;
    if (strcmp(got, events) == 0 || asynchat__alloc_has_failed()) {
        t->events_at = t->events.len;
        t->in_data = false;
        return;
    }
    asynchat__text_say(&text, "other callbacks were called\n");
    asynchat__text_compare(&text, "expected", events, "called", got);
    asynchat__fail(t->world->run, &text);
}
