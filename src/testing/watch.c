/* Watches a channel: a handler that writes down each callback and calls the
 * program's, which does not notice.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "testing/test.h"

#include <stdlib.h>
#include <string.h>

#include "testing/status.h"

/* --- writing down --- */

static void watch_word(struct asynchat_test *t, const char *word)
{
    if (t->events.len > 0)
        asynchat__text_add(&t->events, " ", 1);
    asynchat__text_say(&t->events, "%s", word);
    t->in_data = false;
}

static void watch_bytes(struct asynchat_test *t, const char *word,
                        const void *data, size_t len)
{
    watch_word(t, word);
    asynchat__text_add(&t->events, "(", 1);
    asynchat__text_escape(&t->events, data, len);
    asynchat__text_add(&t->events, ")", 1);
}

/* Data that follows data is put before the parenthesis. */
static void watch_data(struct asynchat_test *t, const void *data, size_t len)
{
    if (!t->in_data) {
        watch_bytes(t, "data", data, len);
        t->in_data = true;
        return;
    }
    t->events.len--;
    asynchat__text_escape(&t->events, data, len);
    asynchat__text_add(&t->events, ")", 1);
}

static void watch_status(struct asynchat_test *t, const char *word, int status)
{
    watch_word(t, word);
    asynchat__text_say(&t->events, "(%s)", asynchat__status_name(status));
}

/* --- whose callbacks are called --- */

/* A handler of the program's, and the table that takes its place. */
struct watch {
    struct watch *next;
    const struct asynchat_handler *theirs;
    struct asynchat_handler *ours;
    size_t size; /* of the table */
};

/* The one that has this table; or NULL. */
static struct watch *watch_find(const struct asynchat_test *t,
                                const struct asynchat_handler *ours)
{
    struct watch *w = t->watches;
    while (w && w->ours != ours)
        w = w->next;
    return w;
}

/* The program's handler whose turn it is. The function of a transcript may just
 * have set another one, which is for the next event. */
static const struct asynchat_handler *watch_theirs(
    const struct asynchat_test *t)
{
    const struct watch *w = watch_find(t, asynchat_get_handler(t->near));
    return w ? w->theirs : t->watch->theirs;
}

/* --- the callbacks --- */

static void watched_data(struct asynchat_channel *ch, const void *data,
                         size_t len, void *arg)
{
    struct asynchat_test *t = asynchat__test_of(ch);
    watch_data(t, data, len);
    watch_theirs(t)->collect_incoming_data(ch, data, len, arg);
    asynchat__watch_follow(t);
}

static void watched_found(struct asynchat_channel *ch, void *arg)
{
    struct asynchat_test *t = asynchat__test_of(ch);
    watch_word(t, "found");
    watch_theirs(t)->found_terminator(ch, arg);
    asynchat__watch_follow(t);
}

static void watched_message(struct asynchat_channel *ch, const void *data,
                            size_t len, void *arg)
{
    struct asynchat_test *t = asynchat__test_of(ch);
    watch_bytes(t, "message", data, len);
    watch_theirs(t)->message(ch, data, len, arg);
    asynchat__watch_follow(t);
}

static void watched_connect(struct asynchat_channel *ch, void *arg)
{
    struct asynchat_test *t = asynchat__test_of(ch);
    watch_word(t, "connect");
    watch_theirs(t)->handle_connect(ch, arg);
    asynchat__watch_follow(t);
}

static void watched_eof(struct asynchat_channel *ch, int cut_off, void *arg)
{
    struct asynchat_test *t = asynchat__test_of(ch);
    watch_word(t, cut_off ? "cut" : "eof");
    watch_theirs(t)->handle_eof(ch, cut_off, arg);
    asynchat__watch_follow(t);
}

static void watched_error(struct asynchat_channel *ch, int error, void *arg)
{
    struct asynchat_test *t = asynchat__test_of(ch);
    watch_status(t, "error", error);
    watch_theirs(t)->handle_error(ch, error, arg);
    asynchat__watch_follow(t);
}

/* The channel is gone when this returns. */
static void watched_close(struct asynchat_channel *ch, int status, void *arg)
{
    struct asynchat_test *t = asynchat__test_of(ch);
    watch_status(t, "close", status);
    t->closed = true;
    t->status = status;
    if (watch_theirs(t)->handle_close)
        watch_theirs(t)->handle_close(ch, status, arg);
    t->near = NULL;
}

static void watched_idle(struct asynchat_channel *ch, void *arg)
{
    struct asynchat_test *t = asynchat__test_of(ch);
    watch_word(t, "idle");
    watch_theirs(t)->handle_idle(ch, arg);
    asynchat__watch_follow(t);
}

static void watched_dropped(struct asynchat_channel *ch, const void *data,
                            size_t len, uint64_t total, void *arg)
{
    struct asynchat_test *t = asynchat__test_of(ch);
    watch_word(t, "dropped");
    asynchat__text_say(&t->events, "(%llu)", (unsigned long long)total);
    watch_theirs(t)->message_dropped(ch, data, len, total, arg);
    asynchat__watch_follow(t);
}

/* --- callbacks that are not written down, but may set another handler --- */

static void watched_drained(struct asynchat_channel *ch, void *arg)
{
    struct asynchat_test *t = asynchat__test_of(ch);
    watch_theirs(t)->handle_drained(ch, arg);
    asynchat__watch_follow(t);
}

static void watched_pressure(struct asynchat_channel *ch, void *arg)
{
    struct asynchat_test *t = asynchat__test_of(ch);
    watch_theirs(t)->handle_pressure(ch, arg);
    asynchat__watch_follow(t);
}

static void watched_stopping(struct asynchat_channel *ch, void *arg)
{
    struct asynchat_test *t = asynchat__test_of(ch);
    watch_theirs(t)->handle_stopping(ch, arg);
    asynchat__watch_follow(t);
}

/* --- the table --- */

static const struct asynchat_handler watches = {
    .size = sizeof watches,
    .collect_incoming_data = watched_data,
    .found_terminator = watched_found,
    .message = watched_message,
    .handle_connect = watched_connect,
    .handle_eof = watched_eof,
    .handle_error = watched_error,
    .handle_close = watched_close,
    .handle_drained = watched_drained,
    .handle_pressure = watched_pressure,
    .handle_idle = watched_idle,
    .message_dropped = watched_dropped,
    .handle_stopping = watched_stopping,
};

/* The first version of a handler ends here. The library refuses a shorter one,
 * so that one is not looked at. */
#define WATCHED_SIZE                                                           \
    (offsetof(struct asynchat_handler, handle_stopping) +                      \
     sizeof((struct asynchat_handler *)0)->handle_stopping)
/* A handler keeps the callbacks that it has not, since some of them change what
 * a channel does. */
#define WATCH(field)                                                           \
    do {                                                                       \
        if (ours->field)                                                       \
            ours->field = watches.field;                                       \
    } while (0)

static void watch_all(struct asynchat_handler *ours)
{
    WATCH(collect_incoming_data);
    WATCH(found_terminator);
    WATCH(message);
    WATCH(handle_connect);
    WATCH(handle_eof);
    WATCH(handle_error);
    WATCH(handle_drained);
    WATCH(handle_pressure);
    WATCH(handle_idle);
    WATCH(message_dropped);
    WATCH(handle_stopping);
    ours->handle_close = watched_close;
}

/* A handler of another version may be longer. */
static struct watch *watch_new(const struct asynchat_handler *handler)
{
    struct watch *w = asynchat__testing_memory(sizeof *w);
    size_t size = handler->size;
    w->theirs = handler;
    w->size = size > sizeof watches ? size : sizeof watches;
    w->ours = asynchat__testing_memory(w->size);
    memcpy(w->ours, handler, size);
    if (size >= WATCHED_SIZE)
        watch_all(w->ours);
    return w;
}

static void watch_free(struct watch *w)
{
    free(w->ours);
    free(w);
}

/* Whether both are of the same handler, with the same callbacks: the program
 * may have made another one in the same place. */
static bool watch_is_same(const struct watch *a, const struct watch *b)
{
    return a->theirs == b->theirs && a->size == b->size &&
           memcmp(a->ours, b->ours, a->size) == 0;
}

const struct asynchat_handler *asynchat__watch(
    struct asynchat_test *t, const struct asynchat_handler *handler)
{
    struct watch *made = watch_new(handler), *w = t->watches;
    while (w && !watch_is_same(w, made))
        w = w->next;
    if (w) {
        watch_free(made);
    } else {
        w = made;
        w->next = t->watches;
        t->watches = w;
    }
    t->watch = w;
    return w->ours;
}

void asynchat__watches_free(struct asynchat_test *t)
{
    while (t->watches) {
        struct watch *w = t->watches;
        t->watches = w->next;
        watch_free(w);
    }
}

/* The program was not refused this handler, so nor is the table. */
void asynchat__watch_follow(struct asynchat_test *t)
{
    const struct asynchat_handler *now = asynchat_get_handler(t->near);
    struct watch *w = watch_find(t, now);
    if (w)
        t->watch = w;
    else
        (void)asynchat_set_handler(t->near, asynchat__watch(t, now));
}

/* --- the peer --- */

static void peer_data(struct asynchat_channel *ch, const void *data, size_t len,
                      void *arg)
{
    struct asynchat_test *t = arg;
    (void)ch;
    asynchat__text_add(&t->heard, data, len);
}

/* The peer may still have something to say. */
static void peer_eof(struct asynchat_channel *ch, int cut_off, void *arg)
{
    (void)cut_off;
    (void)arg;
    asynchat_keep_open(ch);
}

static void peer_close(struct asynchat_channel *ch, int status, void *arg)
{
    (void)ch;
    (void)status;
    ((struct asynchat_test *)arg)->far = NULL;
}

const struct asynchat_handler asynchat__peer = {
    .size = sizeof asynchat__peer,
    .collect_incoming_data = peer_data,
    .handle_eof = peer_eof,
    .handle_close = peer_close,
};
