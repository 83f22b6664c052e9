/* Watches a channel: a handler that writes down each callback and calls the
 * program's, which does not notice.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "testing/test.h"

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

/* --- the callbacks --- */

static void watched_data(struct asynchat_channel *ch, const void *data,
                         size_t len, void *arg)
{
    struct asynchat_test *t = asynchat__test_of(ch);
    watch_data(t, data, len);
    t->handler->collect_incoming_data(ch, data, len, arg);
}

static void watched_found(struct asynchat_channel *ch, void *arg)
{
    struct asynchat_test *t = asynchat__test_of(ch);
    watch_word(t, "found");
    t->handler->found_terminator(ch, arg);
}

static void watched_message(struct asynchat_channel *ch, const void *data,
                            size_t len, void *arg)
{
    struct asynchat_test *t = asynchat__test_of(ch);
    watch_bytes(t, "message", data, len);
    t->handler->message(ch, data, len, arg);
}

static void watched_connect(struct asynchat_channel *ch, void *arg)
{
    struct asynchat_test *t = asynchat__test_of(ch);
    watch_word(t, "connect");
    t->handler->handle_connect(ch, arg);
}

static void watched_eof(struct asynchat_channel *ch, int cut_off, void *arg)
{
    struct asynchat_test *t = asynchat__test_of(ch);
    watch_word(t, cut_off ? "cut" : "eof");
    t->handler->handle_eof(ch, cut_off, arg);
}

static void watched_error(struct asynchat_channel *ch, int error, void *arg)
{
    struct asynchat_test *t = asynchat__test_of(ch);
    watch_status(t, "error", error);
    t->handler->handle_error(ch, error, arg);
}

/* The channel is gone when this returns. */
static void watched_close(struct asynchat_channel *ch, int status, void *arg)
{
    struct asynchat_test *t = asynchat__test_of(ch);
    watch_status(t, "close", status);
    t->closed = true;
    t->status = status;
    if (t->handler->handle_close)
        t->handler->handle_close(ch, status, arg);
    t->near = NULL;
}

static void watched_idle(struct asynchat_channel *ch, void *arg)
{
    struct asynchat_test *t = asynchat__test_of(ch);
    watch_word(t, "idle");
    t->handler->handle_idle(ch, arg);
}

static void watched_dropped(struct asynchat_channel *ch, const void *data,
                            size_t len, uint64_t total, void *arg)
{
    struct asynchat_test *t = asynchat__test_of(ch);
    watch_word(t, "dropped");
    asynchat__text_say(&t->events, "(%llu)", (unsigned long long)total);
    t->handler->message_dropped(ch, data, len, total, arg);
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
    .handle_idle = watched_idle,
    .message_dropped = watched_dropped,
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
        if (t->handler->field)                                                 \
            t->watched->field = watches.field;                                 \
    } while (0)

/* A handler of another version may be longer. */
void asynchat__watch(struct asynchat_test *t)
{
    size_t size = t->handler->size;
    t->watched =
        asynchat__testing_memory(size > sizeof watches ? size : sizeof watches);
    memcpy(t->watched, t->handler, size);
    if (size < WATCHED_SIZE)
        return;
    WATCH(collect_incoming_data);
    WATCH(found_terminator);
    WATCH(message);
    WATCH(handle_connect);
    WATCH(handle_eof);
    WATCH(handle_error);
    WATCH(handle_idle);
    WATCH(message_dropped);
    t->watched->handle_close = watched_close;
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
