/* A line to many channels: pushed to each of them, or as one block. What the
 * block allocates is counted exactly.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "counts/count.h"

#define MEMBERS 1000
#define LEN 128
#define ALLOCATIONS 2 /* the most for a line to all, as one block */

static struct asynchat_channel *members[MEMBERS];
static int far[MEMBERS];
static size_t allocations;

static void *get_memory(size_t size)
{
    allocations++;
    return malloc(size);
}

static void *resize_memory(void *memory, size_t size)
{
    allocations++;
    return realloc(memory, size);
}

void counted_tell(const char *line, bool shared);

__attribute__((noinline)) void counted_tell(const char *line, bool shared)
{
    struct asynchat_block *block =
        shared ? asynchat_block_new(line, LEN) : NULL;
    for (size_t i = 0; i < MEMBERS; i++)
        if (block)
            asynchat_push_shared(members[i], block);
        else
            asynchat_push(members[i], line, LEN);
    asynchat_block_free(block);
}

static void hear(struct asynchat_channel *ch, const void *data, size_t len,
                 void *arg)
{
    (void)ch;
    (void)data;
    (void)len;
    (void)arg;
}

static void enter(struct event_base *base, size_t i)
{
    static const struct asynchat_handler silent = {.size = sizeof silent,
                                                   .message = hear};
    int fds[2];
    expect(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0, "no socketpair");
    expect(asynchat_channel_new_socket(base, fds[0], &silent, NULL,
                                       &members[i]) == 0,
           "no channel");
    far[i] = fds[1];
}

static void leave(size_t i, const char *line)
{
    char got[LEN + 1];
    expect(read(far[i], got, sizeof got) == LEN, "no line");
    expect(memcmp(got, line, LEN) == 0, "another line");
    close(far[i]);
    asynchat_channel_free(members[i]);
}

static void tell_run(bool shared)
{
    struct rlimit limit = {2 * MEMBERS + 100, 2 * MEMBERS + 100};
    char line[LEN];
    setrlimit(RLIMIT_NOFILE, &limit);
    event_set_mem_functions(get_memory, resize_memory, free);
    expect(asynchat_set_mem_functions(get_memory, resize_memory, free) == 0,
           "no functions for memory");
    struct event_base *base = event_base_new();
    memset(line, 'x', sizeof line);
    for (size_t i = 0; i < MEMBERS; i++)
        enter(base, i);
    event_base_loop(base, EVLOOP_NONBLOCK);
    allocations = 0;
    counted_tell(line, shared);
    counted_loop(base);
    expect(!shared || allocations <= ALLOCATIONS, "too many allocations");
    for (size_t i = 0; i < MEMBERS; i++)
        leave(i, line);
    event_base_free(base);
}

bool tell_scenario(const char *name)
{
    bool shared = strcmp(name, "tell_shared") == 0;
    bool pushed = strcmp(name, "tell_pushed") == 0;
    if (shared || pushed)
        tell_run(shared);
    return shared || pushed;
}
