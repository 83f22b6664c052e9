/* A program outside the build: a line goes from one channel to the other, in
 * C++17. SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat.h>
#include <event2/event.h>

#include <iostream>
#include <string>

static void start(asynchat_channel *ch, void *)
{
    if (asynchat_set_terminator(ch, "\r\n", 2))
        asynchat_close(ch);
}

static void line(asynchat_channel *ch, const void *data, size_t len, void *arg)
{
    static_cast<std::string *>(arg)->assign(static_cast<const char *>(data),
                                            len);
    asynchat_close(ch);
}

int main()
{
    asynchat_handler handler{};
    handler.size = sizeof handler;
    handler.handle_connect = start;
    handler.message = line;
    const asynchat_handler *const handlers[2] = {&handler, &handler};
    std::string received;
    void *const args[2] = {&received, &received};
    asynchat_channel *ends[2];
    event_base *base = event_base_new();

    if (!base || asynchat_pair_new(base, handlers, args, ends) ||
        asynchat_push(ends[0], "hello\r\n", 7) ||
        event_base_dispatch(base) < 0 || received != "hello") {
        std::cerr << "the pair does not work; received: " << received << "\n";
        return 1;
    }
    event_base_free(base);
    return 0;
}
