/* The recipe for threads: the first request is not answered before the second
 * one is, and yet the answers come in order; then a peer that sends requests
 * and is gone; then a request whose channel is gone before a thread begins with
 * it, which is not worked on. SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat.h>

#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <event2/event.h>

#include "check.h"

extern const struct asynchat_handler ordered_answers;
void answer(struct asynchat_slot *slot, const void *data, size_t len);

static const struct asynchat_prefix prefix = {.size = sizeof prefix,
                                              .bytes = 4};
static sem_t second_is_done, thread_waits, channel_is_gone;
static atomic_bool answers_nobody;
static char heard[64];

/* In two parts. */
void answer(struct asynchat_slot *slot, const void *data, size_t len)
{
    char text[12] = "", first = '\0';
    CHECK(len < 8 && asynchat_prefix_write(&prefix, len, text) == 0);
    memcpy(text + 4, data, len);
    if (len > 0)
        first = text[4];
    if (first == '1')
        sem_wait(&second_is_done);
    if (first == '2')
        sem_post(&second_is_done);
    if (first == 'w') {
        sem_post(&thread_waits);
        sem_wait(&channel_is_gone);
    }
    if (first == 'x')
        answers_nobody = true;
    if (first && first < 'z')
        text[4] = (char)(first + 'a' - '1');
    asynchat_slot_push(slot, text, 4);
    asynchat_slot_push(slot, text + 4, len);
}

struct requests {
    const char *bytes;
    size_t len;
    bool hangs_up;
};

static void ask(struct asynchat_channel *ch, void *arg)
{
    const struct requests *r = arg;
    CHECK(asynchat_set_framing(ch, asynchat_framing_prefix(&prefix)) == 0);
    asynchat_push(ch, r->bytes, r->len);
    if (r->hangs_up)
        asynchat_close_when_done(ch);
}

static void hear(struct asynchat_channel *ch, const void *data, size_t len,
                 void *arg)
{
    (void)arg;
    snprintf(heard + strlen(heard), sizeof heard - strlen(heard), "(%.*s)",
             (int)len, (const char *)data);
    if (strchr(heard, 'z'))
        asynchat_close(ch);
}

static void talk_to(const struct asynchat_handler *server,
                    struct asynchat_workers *pool, struct requests *requests)
{
    static const struct asynchat_handler client = {
        .size = sizeof client, .handle_connect = ask, .message = hear};
    const struct asynchat_handler *const both[] = {server, &client};
    struct event_base *base = event_base_new();
    struct asynchat_channel *out[2];
    CHECK(base);
    heard[0] = '\0';
    CHECK(asynchat_pair_new(base, both, (void *[]){pool, requests}, out) == 0);
    event_base_dispatch(base); /* until both are gone */
    event_base_free(base);
}

static void talk(struct asynchat_workers *pool, struct requests *requests)
{
    talk_to(&ordered_answers, pool, requests);
}

static void take_and_close(struct asynchat_channel *ch, const void *data,
                           size_t len, void *pool)
{
    ordered_answers.message(ch, data, len, pool);
    if (*(const char *)data != 'x')
        return;
    for (int i = 0; i < 4; i++)
        sem_wait(&thread_waits);
    asynchat_close(ch);
}

/* Each of the four threads, all of which were idle, is at work on a request
 * when the fifth one comes. */
static void go_away(struct asynchat_workers *pool)
{
    struct asynchat_handler server = ordered_answers;
    struct requests five = {"\0\0\0\1w\0\0\0\1w\0\0\0\1w\0\0\0\1w\0\0\0\1x", 25,
                            false};
    server.message = take_and_close;
    talk_to(&server, pool, &five);
    for (int i = 0; i < 4; i++)
        sem_post(&channel_is_gone);
}

#define REQUESTS                                                               \
    "\0\0\0\2"                                                                 \
    "1x"                                                                       \
    "\0\0\0\0"                                                                 \
    "\0\0\0\1"                                                                 \
    "2"

int main(void)
{
    struct requests three = {REQUESTS "\0\0\0\1z", 20, false},
                    gone = {REQUESTS, 15, true}, one = {"\0\0\0\1z", 5, false};
    struct asynchat_workers *pool;
    sem_init(&second_is_done, 0, 0);
    sem_init(&thread_waits, 0, 0);
    sem_init(&channel_is_gone, 0, 0);
    CHECK(asynchat_workers_new(4, NULL, NULL, &pool) == 0);
    talk(pool, &three);
    CHECK(strcmp(heard, "(ax)()(b)(z)") == 0);
    talk(pool, &gone);
    sem_post(&second_is_done); /* the second request may be left out */
    CHECK(asynchat_workers_free(pool) == 0);
    CHECK(asynchat_workers_new(4, NULL, NULL, &pool) == 0);
    go_away(pool);
    CHECK(asynchat_workers_free(pool) == 0);
    CHECK(!answers_nobody);
    talk(NULL, &one); /* the pool takes nothing */
    CHECK(strcmp(heard, "(z)") == 0);
    sem_destroy(&second_is_done);
    sem_destroy(&thread_waits);
    sem_destroy(&channel_is_gone);
    return 0;
}
