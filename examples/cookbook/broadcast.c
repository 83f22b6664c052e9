/* A line to everybody
 *
 * Use this for chats, prices and events: what one member says goes to all. The
 * line is made once, and all channels share its bytes. The trap is a member
 * that reads nothing: its queue grows with every line, until the output limit
 * ends this one channel and no other. The list may be walked while lines are
 * pushed, since no call of the library runs a callback such as handle_close.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum { LONGEST = 1000 };
struct member {
    struct asynchat_channel *ch;
    LIST_ENTRY(member) next;
};
static LIST_HEAD(, member) members = LIST_HEAD_INITIALIZER(members);

static void enter(struct asynchat_channel *ch, void *arg)
{
    struct member *m = malloc(sizeof *m);
    asynchat_set_arg(ch, m);
    if (m) {
        m->ch = ch;
        LIST_INSERT_HEAD(&members, m, next);
    }
    if (!m || asynchat_set_message_limit(ch, LONGEST) ||
        asynchat_set_output_limit(ch, 1 << 20) ||
        asynchat_set_framing(ch, asynchat_framing_lines(0)))
        asynchat_close(ch);
}

static void leave(struct asynchat_channel *ch, int status, void *arg)
{
    struct member *m = arg;
    if (m)
        LIST_REMOVE(m, next);
    free(m);
}

static void say(struct asynchat_channel *ch, const void *data, size_t len,
                void *arg)
{
    struct member *m;
    char text[LONGEST + 1];
    memcpy(text, data, len);
    text[len] = '\n';
    struct asynchat_block *line = asynchat_block_new(text, len + 1);
    if (!line)
        asynchat_close(ch); /* it was not heard */
    LIST_FOREACH (m, &members, next)
        if (line)
            asynchat_push_shared(m->ch, line);
    asynchat_block_free(line);
}

const struct asynchat_handler broadcast = {
    .size = sizeof broadcast,
    .handle_connect = enter,
    .message = say,
    .handle_close = leave,
};
