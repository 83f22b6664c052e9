/* A program outside the build that connects to an address, and looks no names
 * up. SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat.h>
#include <event2/event.h>

static int status;

static void closed(struct asynchat_channel *ch, int reason, void *arg)
{
    (void)ch;
    (void)arg;
    status = reason;
}

int main(void)
{
    static const struct asynchat_handler handler = {.size = sizeof handler,
                                                    .handle_close = closed};
    struct event_base *base = event_base_new();
    struct asynchat_channel *ch;
    if (!base || asynchat_connect(base, "unix:@asynchat/no such name", 0,
                                  &handler, NULL, &ch))
        return 2;
    event_base_dispatch(base);
    event_base_free(base);
    return status == 0;
}
