/* A program outside the build: a line goes from one channel to the other, in
 * C11. SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat.h>
#include <event2/event.h>

#include <stdio.h>
#include <string.h>

static int received;

static void start(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    if (asynchat_set_terminator(ch, "\r\n", 2))
        asynchat_close(ch);
}

static void line(struct asynchat_channel *ch, const void *data, size_t len,
                 void *arg)
{
    (void)arg;
    received = len == 5 && memcmp(data, "hello", 5) == 0;
    asynchat_close(ch);
}

int main(void)
{
    static const struct asynchat_handler handler = {
        .size = sizeof handler, .handle_connect = start, .message = line};
    const struct asynchat_handler *const handlers[2] = {&handler, &handler};
    struct asynchat_channel *ends[2];
    struct event_base *base = event_base_new();

    if (!base || asynchat_pair_new(base, handlers, NULL, ends) ||
        asynchat_push(ends[0], "hello\r\n", 7) ||
        event_base_dispatch(base) < 0) {
        fprintf(stderr, "the pair does not work\n");
        return 1;
    }
    event_base_free(base);
    if (!received || strcmp(asynchat_version(), ASYNCHAT_VERSION) != 0) {
        fprintf(stderr, "no line came, or the library is %s, the header %s\n",
                asynchat_version(), ASYNCHAT_VERSION);
        return 1;
    }
    return 0;
}
