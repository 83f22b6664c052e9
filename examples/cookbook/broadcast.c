/* A line to everybody
 *
 * Use this for chats, prices and events: what one member says goes to all. The
 * line is made once, and all channels share its bytes. The trap is a member
 * that reads nothing: its queue grows with every line, until the output limit
 * ends this one channel and no other. The members may be walked while lines
 * are pushed, since no call of the library runs a callback such as
 * handle_close. The `max_connections` of the server should be the number of
 * members.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat.h>
#include <string.h>

enum { MEMBERS = 1000, LONGEST = 1000 };
static struct asynchat_channel *members[MEMBERS];
static size_t count;

static void enter(struct asynchat_channel *ch, void *arg)
{
    if (count == MEMBERS || asynchat_set_message_limit(ch, LONGEST) ||
        asynchat_set_output_limit(ch, 1 << 20) ||
        asynchat_set_framing(ch, asynchat_framing_lines(0)))
        asynchat_close(ch);
    else
        members[count++] = ch;
}

static void leave(struct asynchat_channel *ch, int status, void *arg)
{
    for (size_t i = 0; i < count; i++)
        if (members[i] == ch)
            members[i] = members[--count];
}

static void say(struct asynchat_channel *ch, const void *data, size_t len,
                void *arg)
{
    char text[LONGEST + 1];
    memcpy(text, data, len);
    text[len] = '\n';
    struct asynchat_block *line = asynchat_block_new(text, len + 1);
    if (!line)
        asynchat_close(ch); /* it was not heard */
    for (size_t i = 0; line && i < count; i++)
        asynchat_push_shared(members[i], line);
    asynchat_block_free(line);
}

const struct asynchat_handler broadcast = {
    sizeof broadcast, .handle_connect = enter, .message = say,
    .handle_close = leave};
