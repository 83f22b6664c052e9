/* Each framing in a conversation, at every cut and with every fault: messages
 * are answered by their lengths, and dropped ones by a sign. Then again, with
 * callbacks that do what callbacks may do.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat.h>
#include <asynchat/testing.h>

#include <stdio.h>
#include <string.h>

struct form {
    struct asynchat_framing *(*make)(void);
    const char *said;
    size_t len;
    const char *heard;
};

static void check(struct asynchat_channel *ch, int error)
{
    if (error)
        asynchat_abort(ch);
}

/* --- a server --- */

/* The limit comes first: nothing may be delivered without it. */
static void connected(struct asynchat_channel *ch, void *arg)
{
    const struct form *form = arg;
    const struct asynchat_timeouts times = {.size = sizeof times,
                                            .read_idle = 60000};
    check(ch, asynchat_set_message_limit(ch, 4));
    check(ch, asynchat_set_timeouts(ch, &times));
    check(ch, asynchat_set_framing(ch, form->make()));
}

static void message(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg)
{
    (void)arg;
    check(ch,
          asynchat_push_printf(ch, "%zu%.*s/%u ", len, (int)len,
                               (const char *)data, asynchat_get_matched(ch)));
}

static void dropped(struct asynchat_channel *ch, const void *first, size_t len,
                    uint64_t total, void *arg)
{
    (void)first;
    (void)len;
    (void)arg;
    check(ch, asynchat_push_printf(
                  ch, "!%d%s ", (int)total,
                  asynchat_get_dropped_error(ch) == ASYNCHAT_ETOOLONG ? ""
                                                                      : "bad"));
}

static void over(struct asynchat_channel *ch, int cut_off, void *arg)
{
    (void)arg;
    check(ch, asynchat_push(ch, cut_off ? "cut" : "end", 3));
}

static const struct asynchat_handler server = {.size = sizeof server,
                                               .handle_connect = connected,
                                               .message = message,
                                               .message_dropped = dropped,
                                               .handle_eof = over};

/* --- framings --- */

static struct asynchat_framing *prefix(void)
{
    static const struct asynchat_prefix p = {
        .size = sizeof p,
        .bytes = 2,
        .offset = 1,
        .flags = ASYNCHAT_PREFIX_LITTLE | ASYNCHAT_PREFIX_INCLUSIVE};
    return asynchat_framing_prefix(&p);
}

static struct asynchat_framing *varint(void)
{
    return asynchat_framing_varint(0, 0);
}

static struct asynchat_framing *lines(void)
{
    return asynchat_framing_lines(0);
}

static struct asynchat_framing *strict_lines(void)
{
    return asynchat_framing_lines(ASYNCHAT_LINES_STRICT);
}

static struct asynchat_framing *dotted(void)
{
    return asynchat_framing_dotted(0);
}

static struct asynchat_framing *alternatives(void)
{
    static const struct asynchat_bytes list[] = {
        {"abcd", 4}, {"bc", 2}, {"\r\n", 2}, {"\n", 1}};
    return asynchat_framing_alternatives(list, 4);
}

/* G is good, M wants to see more, and all else is no message. */
static int look(const void *bytes, size_t len, struct asynchat_head *head,
                void *arg)
{
    char first = *(const char *)bytes;
    (void)arg;
    if (first != 'G' && first != 'M') {
        head->skip = 1;
        return ASYNCHAT_HEAD_SKIP;
    }
    if (first == 'M' && len < 3)
        return ASYNCHAT_HEAD_MORE;
    head->length = first == 'M' ? 3 : 1;
    return ASYNCHAT_HEAD_KNOWN;
}

static struct asynchat_framing *function(void)
{
    return asynchat_framing_function(look, 8, NULL);
}

#define SAID(text) text, sizeof(text) - 1

static const struct form forms[] = {
    {prefix, SAID("t\6\0abct\3\0t\10\0toolgt\4\0dt\5\0e"),
     "3abc/0 0/0 !5 1d/0 cut"},
    {varint, SAID("\3abc\0\200\0\5toolg\1d"), "3abc/0 0/0 0/0 !5 1d/0 end"},
    {varint, SAID("\1a\200"), "1a/0 cut"},
    {asynchat_framing_netstring, SAID("3:abc,0:,5:toolg,1:d,"),
     "3abc/0 0/0 !5 1d/0 end"},
    {asynchat_framing_netstring, SAID("3:abc,1:d"), "3abc/0 cut"},
    {lines, SAID("abc\r\n\na\rb\ntoolg\r\nd\r\r\n\r"),
     "3abc/0 0/0 3a\rb/0 !5 2d\r/0 cut"},
    {strict_lines, SAID("abc\r\n\r\na\nb\r\ntoolg\r\nd\r\n"),
     "3abc/0 0/0 !3bad !5 1d/0 end"},
    {dotted, SAID(".\r\n..\r\n.\r\na\r\n.b\r\n.\r\n\r\n.\r\n."),
     "0/0 3.\r\n/0 !6 2\r\n/0 cut"},
    {alternatives, SAID("xabcd\nyabczbcq\r\n\r\ntoolg\n"),
     "2xa/1 1d/3 2ya/1 1z/1 1q/2 0/2 !5 end"},
    {function, SAID("GGGxGMGGyyMabG"),
     "1G/0 1G/0 1G/0 1G/0 3MGG/0 3Mab/0 1G/0 end"},
};

static void talk(struct asynchat_test *t, void *arg)
{
    const struct form *form = arg;
    asynchat_test_open(t, &server, arg);
    asynchat_test_feed(t, form->said, form->len);
    asynchat_test_end(t);
    asynchat_test_hear(t, form->heard);
    asynchat_test_expect_closed(t, ASYNCHAT_EOF);
}

/* --- what callbacks do --- */

enum act {
    CLOSE,
    FREE,
    PAUSE,
    SAME_AGAIN,
    ANOTHER,
    STRING,
    NONE,
    BLOCK,
    EMPTY_BLOCK,
    SKIP,
    OTHER_HANDLER,
    CLOSE_AFTER,
    ACTS
};

/* Does `act` at the end of message number `at`. */
struct doing {
    const struct form *form;
    enum act act;
    int at, count;
    const struct asynchat_handler *handler;
};

static const struct asynchat_handler whole, pieces;

/* Calls that have their turn from the loop: nothing of this fails. */
static void act(struct asynchat_channel *ch, struct doing *d)
{
    switch (d->act) {
    case CLOSE:
        asynchat_close(ch);
        break;
    case FREE:
        asynchat_channel_free(ch);
        break;
    case PAUSE:
        asynchat_pause_reading(ch);
        break;
    case SAME_AGAIN:
        check(ch, asynchat_set_framing(ch, d->form->make()));
        break;
    case ANOTHER:
        check(ch, asynchat_set_framing(ch, alternatives()));
        break;
    case STRING:
        check(ch, asynchat_set_terminator(ch, "\r\n", 2));
        break;
    case NONE:
        check(ch, asynchat_set_terminator_none(ch));
        break;
    case BLOCK:
    case EMPTY_BLOCK:
        check(ch, asynchat_set_block(ch, d->act == BLOCK ? 3 : 0));
        break;
    case SKIP:
        check(ch, asynchat_skip(ch, 2));
        break;
    case OTHER_HANDLER:
        check(ch, asynchat_set_handler(ch, d->at % 2 ? &pieces : &whole));
        break;
    default:
        check(ch, asynchat_close_after(ch));
    }
}

static void ends(struct asynchat_channel *ch, void *arg)
{
    struct doing *d = arg;
    if (++d->count == d->at)
        act(ch, d);
}

static void ends_whole(struct asynchat_channel *ch, const void *data,
                       size_t len, void *arg)
{
    (void)data;
    (void)len;
    ends(ch, arg);
}

static void ends_dropped(struct asynchat_channel *ch, const void *first,
                         size_t len, uint64_t total, void *arg)
{
    (void)first;
    (void)len;
    (void)total;
    ends(ch, arg);
}

static void begins(struct asynchat_channel *ch, void *arg)
{
    const struct doing *d = arg;
    check(ch, asynchat_set_message_limit(ch, 4));
    check(ch, asynchat_set_framing(ch, d->form->make()));
}

static void comes(struct asynchat_channel *ch, const void *data, size_t len,
                  void *arg)
{
    (void)ch;
    (void)data;
    (void)len;
    (void)arg;
}

static void is_over(struct asynchat_channel *ch, int cut_off, void *arg)
{
    (void)ch;
    (void)cut_off;
    (void)arg;
}

static void fails(struct asynchat_channel *ch, int error, void *arg)
{
    (void)ch;
    (void)error;
    (void)arg;
}

static const struct asynchat_handler whole = {.size = sizeof whole,
                                              .handle_connect = begins,
                                              .message = ends_whole,
                                              .message_dropped = ends_dropped,
                                              .handle_eof = is_over};
static const struct asynchat_handler pieces = {.size = sizeof pieces,
                                               .handle_connect = begins,
                                               .collect_incoming_data = comes,
                                               .found_terminator = ends,
                                               .message_dropped = ends_dropped,
                                               .handle_eof = is_over};

/* The same, without message_dropped: they end. */
static const struct asynchat_handler whole_ends = {.size = sizeof whole_ends,
                                                   .handle_connect = begins,
                                                   .message = ends_whole,
                                                   .handle_error = fails,
                                                   .handle_eof = is_over};
static const struct asynchat_handler pieces_end = {.size = sizeof pieces_end,
                                                   .handle_connect = begins,
                                                   .collect_incoming_data =
                                                       comes,
                                                   .found_terminator = ends,
                                                   .handle_error = fails,
                                                   .handle_eof = is_over};

/* All that happens is the same at every cut. */
static void acts(struct asynchat_test *t, void *arg)
{
    struct doing *d = arg;
    d->count = 0;
    struct asynchat_channel *ch = asynchat_test_open(t, d->handler, d);
    asynchat_test_feed(t, d->form->said, d->form->len);
    if (d->act == PAUSE && (ch = asynchat_test_channel(t)))
        asynchat_resume_reading(ch);
    asynchat_test_settle(t);
}

static void do_everything(const struct form *form)
{
    static const struct asynchat_handler *const handlers[] = {
        &whole, &pieces, &whole_ends, &pieces_end};
    for (int i = 0; i < ACTS * 4 * 4; i++) {
        struct doing d = {.form = form,
                          .act = (enum act)(i / 16),
                          .at = 1 + i / 4 % 4,
                          .handler = handlers[i % 4]};
        asynchat_test_cuts(acts, &d);
    }
}

int main(void)
{
    unsigned long places = 0;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct form form = forms[i];
        asynchat_test_cuts(talk, &form);
        places += asynchat_test_faults(
            talk, &form,
            ASYNCHAT_TEST_ALLOC | ASYNCHAT_TEST_RESET | ASYNCHAT_TEST_VANISH |
                ASYNCHAT_TEST_SHORT);
        do_everything(&form);
    }
    printf("%lu places of faults\n", places);
    return 0;
}
