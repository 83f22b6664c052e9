/* What a receiver of mail needs, all together, at every cut and with every
 * fault: strict lines, dotted data and blocks, one handler for commands and one
 * for data, a deadline, slots, and a close behind which nothing is delivered.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat.h>
#include <asynchat/testing.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct asynchat_handler commands, data;

struct mail {
    struct asynchat_slot *slot; /* an answer that comes later; or NULL */
    size_t len;
};

static void check(struct asynchat_channel *ch, int error)
{
    if (error)
        asynchat_close(ch);
}

static void expect_commands(struct asynchat_channel *ch)
{
    check(ch, asynchat_set_handler(ch, &commands));
    check(ch, asynchat_set_framing(
                  ch, asynchat_framing_lines(ASYNCHAT_LINES_STRICT)));
    check(ch, asynchat_set_deadline(ch, 60000));
}

static void expect_data(struct asynchat_channel *ch, struct mail *m)
{
    m->len = 0;
    check(ch, asynchat_set_handler(ch, &data));
}

static void finish(struct mail *m)
{
    if (m->slot) {
        asynchat_slot_push(m->slot, "250 late\r\n", 10);
        asynchat_slot_finish(m->slot);
    }
    m->slot = NULL;
}

static bool is(const void *line, size_t len, const char *command)
{
    return len == strlen(command) && memcmp(line, command, len) == 0;
}

static void command(struct asynchat_channel *ch, const void *line, size_t len,
                    void *arg)
{
    struct mail *m = arg;
    if (is(line, len, "LATER") && !m->slot) {
        check(ch, asynchat_reserve(ch, &m->slot));
    } else if (is(line, len, "NOW")) {
        finish(m);
    } else if (is(line, len, "DATA")) {
        asynchat_push(ch, "354\r\n", 5);
        expect_data(ch, m);
        check(ch, asynchat_set_framing(
                      ch, asynchat_framing_dotted(ASYNCHAT_DOTTED_STRICT)));
    } else if (is(line, len, "BDAT 7") || is(line, len, "BDAT 0")) {
        expect_data(ch, m);
        check(ch, asynchat_set_block(ch, is(line, len, "BDAT 7") ? 7 : 0));
    } else if (is(line, len, "SKIP")) {
        check(ch, asynchat_skip(ch, 4));
    } else if (is(line, len, "QUIT")) {
        finish(m);
        asynchat_push(ch, "221\r\n", 5);
        asynchat_close_after(ch);
    } else {
        asynchat_push_printf(ch, "500 %zu\r\n", len);
    }
}

static void dropped(struct asynchat_channel *ch, const void *first, size_t len,
                    uint64_t total, void *arg)
{
    (void)first;
    (void)len;
    (void)arg;
    asynchat_push_printf(ch, "501 %d %d\r\n", (int)total,
                         asynchat_get_dropped_error(ch));
    expect_commands(ch);
}

static void take(struct asynchat_channel *ch, const void *bytes, size_t len,
                 void *arg)
{
    (void)ch;
    (void)bytes;
    ((struct mail *)arg)->len += len;
}

static void taken(struct asynchat_channel *ch, void *arg)
{
    asynchat_push_printf(ch, "250 %zu\r\n", ((struct mail *)arg)->len);
    expect_commands(ch);
}

static void connected(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    expect_commands(ch);
}

static void closed(struct asynchat_channel *ch, int status, void *arg)
{
    (void)ch;
    (void)status;
    finish(arg);
}

static const struct asynchat_handler commands = {.size = sizeof commands,
                                                 .handle_connect = connected,
                                                 .message = command,
                                                 .message_dropped = dropped,
                                                 .handle_close = closed};
static const struct asynchat_handler data = {.size = sizeof data,
                                             .collect_incoming_data = take,
                                             .found_terminator = taken,
                                             .message_dropped = dropped,
                                             .handle_close = closed};

#define SAID                                                                   \
    "NOOP\r\nDATA\r\n.\r\nDATA\r\n..a\r\n.b\r\n\r\n.\r\n"                      \
    "BDAT 7\r\n\r\n.\r\nNOBDAT 0\r\nSKIP\r\nQ\r\n\nbad\nline\r\n"              \
    "LATER\r\nNOOP\r\nDATA\r\nx\n.\r\n.\r\nNOW\r\nLATER\r\nQUIT\r\nNOOP\r\n"
/* The answers behind a slot wait for it, and the last slot is filled before the
 * end. */
#define HEARD                                                                  \
    "500 4\r\n354\r\n250 0\r\n354\r\n250 9\r\n250 7\r\n250 0\r\n"              \
    "501 8 -10016\r\n250 late\r\n500 4\r\n354\r\n501 5 -10016\r\n"             \
    "250 late\r\n221\r\n"

static void talk(struct asynchat_test *t, void *arg)
{
    static struct mail m; /* a test that fails ends its channel later */
    (void)arg;
    m = (struct mail){NULL, 0};
    asynchat_test_open(t, &commands, &m);
    asynchat_test_say(t, SAID);
    asynchat_test_hear(t, HEARD);
    asynchat_test_expect_closed(t, 0);
}

int main(void)
{
    asynchat_test_cuts(talk, NULL);
    printf("%lu places of faults\n",
           asynchat_test_faults(talk, NULL,
                                ASYNCHAT_TEST_ALLOC | ASYNCHAT_TEST_RESET |
                                    ASYNCHAT_TEST_VANISH |
                                    ASYNCHAT_TEST_SHORT));
    return 0;
}
