/* A peer on libasynchat with the modes of the framings: whole messages are
 * answered, mails are counted as they stream, and lines go to all connections.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "asynchat.h"

#include <stdlib.h>
#include <string.h>

#include "framing.h"

/* --- each framing --- */

static void start_framed(struct asynchat_channel *ch, void *arg)
{
    start(ch, arg);
    if (framing_set(ch, peer_framing, PEER_SIZE))
        abort();
}

/* The answer to a message that has something in front. */
static void answer(struct asynchat_channel *ch, const char *head, size_t len,
                   const void *data, size_t data_len)
{
    asynchat_push(ch, head, len);
    asynchat_push(ch, data, data_len);
}

static void line(struct asynchat_channel *ch, const void *data, size_t len,
                 void *arg)
{
    (void)arg;
    answer(ch, data, len, "\r\n", 2);
}

static void block(struct asynchat_channel *ch, const void *data, size_t len,
                  void *arg)
{
    (void)arg;
    asynchat_push(ch, data, len);
    asynchat_set_block(ch, PEER_SIZE);
}

static void prefix(struct asynchat_channel *ch, const void *data, size_t len,
                   void *arg)
{
    char head[4];
    (void)arg;
    if (asynchat_prefix_write(&framing_prefix, len, head))
        abort();
    answer(ch, head, sizeof head, data, len);
}

static void kept(struct asynchat_channel *ch, const void *data, size_t len,
                 void *arg)
{
    (void)arg;
    asynchat_push(ch, data, len);
}

static void varint(struct asynchat_channel *ch, const void *data, size_t len,
                   void *arg)
{
    char head[FRAMED_HEAD_MOST];
    (void)arg;
    answer(ch, head, framed_varint(head, len), data, len);
}

static void netstring(struct asynchat_channel *ch, const void *data, size_t len,
                      void *arg)
{
    char text[FRAMED_HEAD_MOST + PEER_SIZE];
    size_t head = framed_digits(text, len);
    (void)arg;
    if (len > PEER_SIZE - 1)
        abort();
    text[head++] = ':';
    memcpy(text + head, data, len);
    text[head + len] = ',';
    asynchat_push(ch, text, head + len + 1);
}

static void alternatives(struct asynchat_channel *ch, const void *data,
                         size_t len, void *arg)
{
    (void)arg;
    answer(ch, data, len, framed_ends[asynchat_get_matched(ch)], 2);
}

#define WHOLE(name)                                                            \
    {                                                                          \
        .size = sizeof(struct asynchat_handler),                               \
        .handle_connect = start_framed, .message = name                        \
    }
static const struct asynchat_handler framed[FRAMED_KINDS] = {
    WHOLE(line), WHOLE(block),  WHOLE(prefix),
    WHOLE(kept), WHOLE(varint), WHOLE(netstring),
    WHOLE(line), WHOLE(line),   WHOLE(alternatives)};

/* --- mails --- */

static void start_mail(struct asynchat_channel *ch, void *arg)
{
    start_sink(ch, arg);
    int error = peer_mode == PEER_DOTTED
                    ? asynchat_set_framing(ch, asynchat_framing_dotted(0))
                    : asynchat_set_terminator(ch, "\r\n.\r\n", 5);
    if (error)
        abort();
}

static const struct asynchat_handler mail = {
    .size = sizeof mail,
    .handle_connect = start_mail,
    .collect_incoming_data = sink_piece,
    .found_terminator = sink_end,
    .handle_close = finish,
};

/* --- lines to all --- */

#define MEMBERS 10001 /* with the one that has looked whether it listens */
#define LINE_MOST 4096

static struct asynchat_channel *members[MEMBERS];
static size_t count_of_members;

static void enter(struct asynchat_channel *ch, void *arg)
{
    start(ch, arg);
    if (asynchat_set_terminator(ch, "\r\n", 2) || count_of_members == MEMBERS)
        abort();
    members[count_of_members++] = ch;
}

static void leave(struct asynchat_channel *ch, int status, void *arg)
{
    (void)status;
    (void)arg;
    for (size_t i = 0; i < count_of_members; i++)
        if (members[i] == ch)
            members[i] = members[--count_of_members];
}

static void push_all(const char *text, size_t len)
{
    for (size_t i = 0; i < count_of_members; i++)
        asynchat_push(members[i], text, len);
}

static void share_all(const char *text, size_t len)
{
    struct asynchat_block *shared = asynchat_block_new(text, len);
    for (size_t i = 0; shared && i < count_of_members; i++)
        asynchat_push_shared(members[i], shared);
    asynchat_block_free(shared);
}

static void tell(struct asynchat_channel *ch, const void *data, size_t len,
                 void *arg)
{
    char text[LINE_MOST];
    (void)arg;
    if (len > sizeof text - 2) {
        asynchat_close(ch);
        return;
    }
    memcpy(text, data, len);
    memcpy(text + len, "\r\n", 2);
    (peer_mode == PEER_TELL_SHARED ? share_all : push_all)(text, len + 2);
}

static const struct asynchat_handler chat = {
    .size = sizeof chat,
    .handle_connect = enter,
    .message = tell,
    .handle_close = leave,
};

const struct asynchat_handler *echo_handler(void)
{
    switch (peer_mode) {
    case PEER_FRAMED:
        return &framed[peer_framing];
    case PEER_DOTTED:
    case PEER_UNDOTTED:
        return &mail;
    case PEER_TELL:
    case PEER_TELL_SHARED:
        return &chat;
    default:
        abort();
    }
}
