/* A producer that gives what a script says, and runs of a producer without a
 * channel. SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCRIPTED_PRODUCER_H
#define SCRIPTED_PRODUCER_H

#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include "output/producer.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* Each call gives the next text of the script, as much of it as there is room
 * for, and answers what the character behind the text stands for: '+' more, '.'
 * done, '?' later, '!' an error. With '^' the text is given whatever the room
 * is, and '+' is answered. */
struct script {
    const char *at;
    int asked, released;
};

static int script_answer(struct script *script)
{
    switch (*script->at++) {
    case '.':
        return ASYNCHAT_DONE;
    case '?':
        return ASYNCHAT_LATER;
    case '!':
        return -EIO;
    default:
        return ASYNCHAT_MORE;
    }
}

static int script_more(struct asynchat_channel *ch, struct evbuffer *out,
                       size_t room, void *arg)
{
    struct script *script = arg;
    size_t len = strcspn(script->at, "+.?!^");
    (void)ch;
    script->asked++;
    assert_int_equal(script->released, 0);
    assert_true(room > 0 && script->at[len] != '\0');
    bool part = len > room && script->at[len] != '^';
    if (part)
        len = room;
    if (evbuffer_add(out, script->at, len) < 0)
        return -ENOMEM;
    script->at += len;
    return part ? ASYNCHAT_MORE : script_answer(script);
}

static void script_release(void *arg)
{
    ((struct script *)arg)->released++;
}

static const struct asynchat_producer_ops script_ops = {
    .size = sizeof script_ops,
    .more = script_more,
    .release = script_release,
};

/* NULL: there was no memory. */
static struct asynchat_producer *scripted(struct script *script,
                                          const char *text)
{
    struct asynchat_producer *producer = NULL;
    *script = (struct script){.at = text};
    if (asynchat_producer_new(&script_ops, script, &producer) != 0)
        script->released++;
    return producer;
}

/* Asks the producer until it is done or fails, for at most `room` bytes each
 * time, and frees it. Appends to `got` what it gives, and "?" for each
 * ASYNCHAT_LATER. Answers 0 or the error. */
static int produce(struct asynchat_producer *producer, size_t room, char *got,
                   size_t size)
{
    struct evbuffer *out = evbuffer_new();
    int answer = out ? ASYNCHAT_MORE : -ENOMEM;
    size_t len = 0;
    while (answer > 0) {
        answer = asynchat__producer_more(producer, NULL, out, room);
        size_t n = evbuffer_get_length(out);
        assert_true(n <= room && len + n + 2 < size);
        len += (size_t)evbuffer_remove(out, got + len, n);
        if (answer == ASYNCHAT_LATER)
            got[len++] = '?';
    }
    got[len] = '\0';
    if (out)
        evbuffer_free(out);
    asynchat_producer_free(producer);
    return answer;
}

/* --- memory that fails --- */

static unsigned allocations, failing; /* the number that fails, from 1; or 0 */
static bool armed;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);

static bool allocation_fails(void)
{
    return armed && ++allocations == failing;
}

void *__wrap_malloc(size_t size)
{
    return allocation_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return allocation_fails() ? NULL : __real_calloc(count, size);
}

static void *resize(void *memory, size_t size)
{
    return allocation_fails() ? NULL : realloc(memory, size);
}

/* Libevent allocates by these functions, too. */
static void fail_libevent_as_well(void)
{
    event_set_mem_functions(__wrap_malloc, resize, free);
}

/* Has each allocation fail in turn while a producer is made and asked: the
 * result is NULL or -ENOMEM, and the inner producer is released once. */
static void each_allocation_fails(
    struct asynchat_producer *make(struct asynchat_producer *inner),
    const char *text, size_t room)
{
    bool failed = true;
    for (failing = 1; failed; failing++) {
        struct script script;
        char got[1024];
        int error = -ENOMEM;
        allocations = 0;
        armed = true;
        struct asynchat_producer *producer = make(scripted(&script, text));
        if (producer)
            error = produce(producer, room, got, sizeof got);
        armed = false;
        failed = allocations >= failing;
        assert_int_equal(script.released, 1);
        assert_int_equal(error, failed ? -ENOMEM : 0);
    }
    assert_true(failing > 6);
    failing = 0;
}

#endif
