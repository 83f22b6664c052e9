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

/* --- smuggling: mail that looks as if it ended earlier --- */

/* What a smuggler takes for a line end; the last one begins with a NUL. */
static const struct asynchat_bytes ends[] = {{"\r\n", 2}, {"\n", 1},
                                             {"\r", 1},   {"\r\r\n", 3},
                                             {"\n\r", 2}, {"\0\r\n", 3}};
enum { ENDS = sizeof ends / sizeof ends[0] };

struct text {
    char bytes[128];
    size_t len;
};

static void add(struct text *t, const void *bytes, size_t len)
{
    memcpy(t->bytes + t->len, bytes, len);
    t->len += len;
}

static bool has_bare_end(const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((bytes[i] == '\r' && (i + 1 == len || bytes[i + 1] != '\n')) ||
            (bytes[i] == '\n' && (i == 0 || bytes[i - 1] != '\r')))
            return true;
    return false;
}

static bool ends_line(const struct asynchat_bytes *end)
{
    return end->len >= 2 &&
           memcmp((const char *)end->data + end->len - 2, "\r\n", 2) == 0;
}

/* The mail has one end, which its bytes say, and one answer; and what is in the
 * mail is no command. */
static void smuggle(struct asynchat_test *t, void *arg)
{
    static struct mail m;
    const struct asynchat_bytes *const *pair = arg, *one = pair[0];
    struct text said = {"DATA\r\nx", 7};
    bool line = ends_line(one), early = line && pair[1] == &ends[0];
    char heard[128];
    add(&said, one->data, one->len);
    size_t body = said.len - 6;
    add(&said, ".", 1);
    add(&said, pair[1]->data, pair[1]->len);
    add(&said, "\r\nNOOP\r\n", 8);
    if (!early)
        body = said.len - 6;
    add(&said, ".\r\nQUIT\r\n", 9);
    bool bare = has_bare_end(said.bytes + 6, body);
    snprintf(heard, sizeof heard, "354\r\n%d %zu%s\r\n%s221\r\n",
             bare ? 501 : 250, body - (line && !early), bare ? " -10016" : "",
             early ? "500 0\r\n500 4\r\n500 1\r\n" : "");
    m = (struct mail){NULL, 0};
    asynchat_test_open(t, &commands, &m);
    asynchat_test_feed(t, said.bytes, said.len);
    asynchat_test_hear(t, heard);
    asynchat_test_expect_closed(t, 0);
}

static void nobody_smuggles(void)
{
    for (int i = 0; i < ENDS * ENDS; i++) {
        const struct asynchat_bytes *pair[2] = {&ends[i / ENDS],
                                                &ends[i % ENDS]};
        asynchat_test_cuts(smuggle, pair);
    }
}

int main(void)
{
    asynchat_test_cuts(talk, NULL);
    nobody_smuggles();
    printf("%lu places of faults\n",
           asynchat_test_faults(talk, NULL,
                                ASYNCHAT_TEST_ALLOC | ASYNCHAT_TEST_RESET |
                                    ASYNCHAT_TEST_VANISH |
                                    ASYNCHAT_TEST_SHORT));
    return 0;
}
