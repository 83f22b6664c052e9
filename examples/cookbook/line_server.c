/* A line server
 *
 * Use this for protocols in which a client sends commands, one in a line, and
 * gets an answer to each. The trap is a client that keeps no rule: it sends a
 * line that has no end, or nothing at all, or commands whose answers it never
 * reads. Here each line comes whole, however the network has cut it, and a
 * line that is too long gets an answer like any other. Times end clients that
 * say nothing or take nothing, and asynchat_join() stops reading commands
 * while answers wait.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat.h>
#include <string.h>

static void start(struct asynchat_channel *ch, void *arg)
{
    static const struct asynchat_timeouts times = {
        .size = sizeof times, .read_idle = 300000, .write_idle = 60000};
    asynchat_push(ch, "220 hello\r\n", 11);
    if (asynchat_set_framing(ch, asynchat_framing_lines(0)) ||
        asynchat_set_message_limit(ch, 1000) ||
        asynchat_set_timeouts(ch, &times) || asynchat_join(ch, ch))
        asynchat_close(ch);
}

static void command(struct asynchat_channel *ch, const void *line,
                    size_t len, void *arg)
{
    if (len == 4 && memcmp(line, "QUIT", 4) == 0) {
        asynchat_push(ch, "221 bye\r\n", 9);
        asynchat_close_after(ch);
    } else {
        asynchat_push_printf(ch, "250 %zu bytes\r\n", len);
    }
}

static void too_long(struct asynchat_channel *ch, const void *first,
                     size_t len, uint64_t total, void *arg)
{
    asynchat_push(ch, "500 too long\r\n", 14);
}

const struct asynchat_handler line_server = {
    .size = sizeof line_server,
    .handle_connect = start,
    .message = command,
    .message_dropped = too_long,
};
