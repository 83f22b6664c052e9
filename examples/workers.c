/* A chat on several cores: workers ADDRESS, until SIGTERM.
 *
 * A channel is used in its own worker only. So each line from a client is
 * posted to every worker, as a block, which the worker's clients share.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#define _POSIX_C_SOURCE 200809L
#include <asynchat.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORKERS = 4, CLIENTS = 1000 }; /* threads, and connections of a thread */
static struct room {
    struct asynchat_channel *clients[CLIENTS];
    size_t count;
} rooms[WORKERS]; /* each worker uses only its own room */
static struct asynchat_workers *workers;

static void enter(struct asynchat_channel *ch, void *arg)
{
    struct room *room = arg;
    if (room->count == CLIENTS || asynchat_set_terminator(ch, "\n", 1))
        asynchat_close(ch);
    else
        room->clients[room->count++] = ch;
}
static void leave(struct asynchat_channel *ch, int status, void *arg)
{
    struct room *room = arg;
    (void)status;
    for (size_t i = 0; i < room->count; i++)
        if (room->clients[i] == ch)
            room->clients[i] = room->clients[--room->count];
}
static void tell(struct event_base *base, unsigned index, void *line)
{
    (void)base;
    for (size_t i = 0; i < rooms[index].count; i++)
        asynchat_push_shared(rooms[index].clients[i], line);
    asynchat_block_free(line);
}
static void said(struct asynchat_channel *ch, const void *data, size_t len,
                 void *arg)
{
    char *text = malloc(len + 1);
    (void)ch, (void)arg;
    if (!text)
        return;
    memcpy(text, data, len);
    text[len] = '\n';
    for (unsigned i = 0; i < WORKERS; i++) {
        struct asynchat_block *line = asynchat_block_new(text, len + 1);
        if (!line || asynchat_workers_post(workers, i, tell, line))
            asynchat_block_free(line);
    }
    free(text);
}
static int start(struct event_base *base, unsigned i, void *address)
{
    static const struct asynchat_handler chat = {
        sizeof chat, .handle_connect = enter, .message = said,
        .handle_close = leave};
    static const struct asynchat_server_options share = {
        sizeof share, .flags = ASYNCHAT_REUSE_PORT};
    struct asynchat_server *s; /* the worker frees it */
    return asynchat_server_new(base, address, &chat, &rooms[i], &share, &s);
}
int main(int argc, char **argv)
{
    static const struct asynchat_worker_ops ops = {sizeof ops, start, NULL};
    char *address = argc == 2 ? argv[1] : NULL;
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    int error = asynchat_workers_new(WORKERS, &ops, address, &workers);
    if (error)
        fprintf(stderr, "workers: %s\n", asynchat_strerror(error));
    else
        sigwaitinfo(&ends, NULL);
    return error || asynchat_workers_free(workers) ? 1 : 0;
}
