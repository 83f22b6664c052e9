/* The example smtpd, with the test kit: conversations at every cut, with each
 * allocation failing, and with peers that reset, vanish, and take few bytes;
 * mails that look as if they ended earlier; and another server, to which the
 * mails go by LMTP. SPDX-License-Identifier: BSD-3-Clause */
#include "../../examples/smtpd/smtpd.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <asynchat/testing.h>

#define FAULTS                                                                 \
    (ASYNCHAT_TEST_ALLOC | ASYNCHAT_TEST_RESET | ASYNCHAT_TEST_VANISH |        \
     ASYNCHAT_TEST_SHORT)

/* What main.c has. Names of mails are the same in each run of a
 * conversation. */
struct settings settings;
struct event_base *base;
struct asynchat_tls *tls;
struct asynchat_workers *workers;
char host[256] = "host";
static unsigned count;
static const struct asynchat_handler *next_handler;
static struct mail *next_mail;

void stamp(struct mail *m)
{
    m->id = g_strdup_printf("id%u", ++count);
    m->date = "today";
}

/* Called in place of asynchat_connect_name(). The conversation makes the
 * channel, since no loop runs in a callback. */
int __wrap_asynchat_connect_name(struct event_base *in, const char *to,
                                 const char *service,
                                 const struct asynchat_connect_options *options,
                                 const struct asynchat_handler *handler,
                                 void *arg, struct asynchat_channel **out);
int __wrap_asynchat_connect_name(struct event_base *in, const char *to,
                                 const char *service,
                                 const struct asynchat_connect_options *options,
                                 const struct asynchat_handler *handler,
                                 void *arg, struct asynchat_channel **out)
{
    if (in != base || to != settings.lmtp || service || options || !out)
        errx(1, "asynchat_connect_name: other arguments");
    next_handler = handler;
    next_mail = arg;
    return 0;
}

static const struct settings usual = {.max_size = 1000,
                                      .max_recipients = 3,
                                      .command_time = 300000,
                                      .data_time = 600000,
                                      .discard = true};

/* Begins each conversation. */
static void greet(struct asynchat_test *t)
{
    count = 0;
    asynchat_test_open(t, &lines, NULL);
    asynchat_test_hear(t, "220 host ESMTP\r\n");
    asynchat_test_say(t, "HELO x\r\n");
    asynchat_test_hear(t, "250 2.0.0 ok\r\n");
}

#define OK "250 2.0.0 ok\r\n"
#define MAIL_OK "250 2.1.0 ok\r\n"
#define RCPT_OK "250 2.1.5 ok\r\n"
#define GO "354 end with a line that is a dot\r\n"
#define MAIL "MAIL FROM:<a@x>\r\n"
#define RCPT "RCPT TO:<b@x>\r\n"
#define BOTH MAIL RCPT
#define BOTH_OK MAIL_OK RCPT_OK

/* A question, and what is answered. */
struct row {
    const char *said, *heard;
};

static void ask(struct asynchat_test *t, void *arg)
{
    const struct row *row = arg;
    greet(t);
    asynchat_test_say(t, row->said);
    asynchat_test_hear(t, row->heard);
    asynchat_test_say(t, "QUIT\r\nNOOP\r\n");
    asynchat_test_hear(t, "221 2.0.0 bye\r\n");
    asynchat_test_expect_closed(t, 0);
}

#define BARE "500 5.5.2 too long, or a control character\r\n"
#define UNKNOWN "500 5.5.1 unknown command\r\n"
#define TOO_LARGE "552 5.3.4 too large\r\n"
#define TEN "1234567890"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static const struct row rows[] = {
    /* commands */
    {"NOOP\r\nnoop x\r\nVRFY b\r\nHELP\r\nEXPN l\r\nRSET \r\nRSET x\r\n", OK OK
     "252 2.5.0 send it and see\r\n214 2.0.0 see RFC 5321\r\n"
     "502 5.5.1 no lists here\r\n" OK "501 5.5.4 no arguments, please\r\n"},
    {"\r\nX\r\nNOO\r\nNOOPS\r\n", UNKNOWN UNKNOWN UNKNOWN UNKNOWN},
    {"NOOP\nNOOP\r\nNOOP\rNOOP\r\nNOOP\r\r\nNOOP\n\r\r\nNOOP\r\n",
     BARE BARE BARE BARE OK},
    {"NO\tOP\r\nNOOP \x7f\r\nAUTH\tPLAIN\tx\r\n", BARE BARE BARE},
    {"STARTTLS\r\nAUTH PLAIN x\r\n",
     "502 5.5.1 no TLS here, or there is already\r\n"
     "502 5.5.1 no users here\r\n"},
    {"HELO  y \r\nMAIL  FROM:<a@x> \r\nRCPT   TO:<b@x>  \r\n", OK BOTH_OK},
    /* envelopes */
    {"RCPT TO:<b@x>\r\nDATA\r\n",
     "503 5.5.1 MAIL first\r\n503 5.5.1 MAIL first\r\n"},
    {MAIL MAIL "EHLO\r\nRCPT TO:<b@x>\r\nHELO y\r\nRCPT TO:<b@x>\r\n", MAIL_OK
     "503 5.5.1 one mail at a time\r\n501 5.5.4 your name, please\r\n" RCPT_OK
         OK "503 5.5.1 MAIL first\r\n"},
    {"MAIL FROM:<> BODY=8bitMIME SIZE=0\r\nRSET\r\n"
     "mail from: <a@x> size=1000 body=7bit smtputf8 auth=<>\r\nRSET\r\n"
     "MAIL FROM:<a@x> SIZE=1001\r\nMAIL FROM:<a@x> SIZE=1x\r\n"
     "MAIL FROM:<a@x> FOO=1\r\nMAIL FROM:<a@x>FOO\r\nMAIL FROM:a@x\r\n",
     MAIL_OK OK MAIL_OK OK TOO_LARGE
     "501 5.5.4 no size\r\n555 5.5.4 unknown parameter\r\n"
     "501 5.5.4 MAIL FROM:<address>\r\n501 5.5.4 MAIL FROM:<address>\r\n"},
    {"MAIL FROM:<\xc3\xa4@x>\r\nMAIL FROM:<\xc3\xa4@x> SMTPUTF8\r\n",
     "553 5.6.7 that needs SMTPUTF8\r\n" MAIL_OK},
    {MAIL "RCPT TO:<>\r\nRCPT TO:<b@>\r\nRCPT TO:<@x>\r\nRCPT TO:<b c@x>\r\n"
          "RCPT TO:<b@x> NOTIFY=NEVER\r\nRCPT TO:<b@x y>\r\n"
          "RCPT TO:<Postmaster>\r\nRCPT TO:<@r,@s:b@x>\r\n"
          "RCPT TO:<\"a>b c\"@x>\r\nRCPT TO:<d@x>\r\n",
     MAIL_OK
     "553 5.1.3 no address\r\n553 5.1.3 no address\r\n"
     "553 5.1.3 no address\r\n553 5.1.3 no address\r\n"
     "555 5.5.4 unknown parameter\r\n553 5.1.3 no address\r\n" RCPT_OK RCPT_OK
         RCPT_OK "452 4.5.3 too many recipients\r\n"},
    /* data: the limit of a mail counts it without what hides dots */
    {BOTH "DATA\r\n.\r\nNOOP\r\n", BOTH_OK GO "250 2.0.0 ok id1\r\n" OK},
    {BOTH "DATA\r\n..\r\n\r\n.a\r\n.\r\n" BOTH "DATA\r\n\r\n.\r\n",
     BOTH_OK GO "250 2.0.0 ok id1\r\n" BOTH_OK GO "250 2.0.0 ok id2\r\n"},
    {MAIL "RCPT TO:<b>\r\nDATA\r\nNOOP\r\n.\r\n",
     MAIL_OK "553 5.1.3 no address\r\n554 5.5.1 no recipient\r\n" OK UNKNOWN},
    {BOTH "DATA x\r\nDATA\r\na\nb\rc\r\n.\r\nNOOP\r\n", BOTH_OK
     "501 5.5.4 no arguments, please\r\n" GO "554 5.6.0 CR or LF alone\r\n" OK},
    /* chunks */
    {BOTH "BDAT 3\r\nabcBDAT 0 LAST\r\nNOOP\r\nBDAT 4 LAST\r\nNOOP",
     BOTH_OK OK "250 2.0.0 ok id1\r\n" OK "503 5.5.1 MAIL first\r\n"},
    {BOTH "BDAT 0 LAST\r\n" BOTH "BDAT 12 LAST\r\n..a\r\n.\r\n..b\rNOOP\r\n",
     BOTH_OK "250 2.0.0 ok id1\r\n" BOTH_OK "250 2.0.0 ok id2\r\n" OK},
    {"BDAT 9 LAST\r\nMAIL FROMNOOP\r\nBDAT 5 FIRST\r\nhelloNOOP\r\n",
     "503 5.5.1 MAIL first\r\n" OK "501 5.5.4 LAST, or nothing\r\n" OK},
    {MAIL "RCPT TO:<b>\r\nBDAT 4 LAST\r\nNOOPNOOP\r\n",
     MAIL_OK "553 5.1.3 no address\r\n554 5.5.1 no recipient\r\n" OK},
    {BOTH "BDAT 2\r\n\r\nDATA\r\nBDAT 2\r\n\r\nRSET\r\nBDAT 2\r\n\r\n",
     BOTH_OK OK "503 5.5.1 BDAT has begun\r\n" OK OK
                "503 5.5.1 MAIL first\r\n"},
    {BOTH "BDAT 900\r\n" HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED
         HUNDRED HUNDRED "BDAT 100\r\n" HUNDRED "BDAT 1\r\nxBDAT 0\r\n"
          "BDAT 0 LAST\r\n" BOTH "BDAT 1 LAST\r\nx",
     BOTH_OK OK OK TOO_LARGE TOO_LARGE TOO_LARGE BOTH_OK
     "250 2.0.0 ok id2\r\n"},
};

/* --- limits --- */

static void too_large(struct asynchat_test *t, void *arg)
{
    char text[2000];
    (void)arg;
    greet(t);
    asynchat_test_say(t, BOTH "DATA\r\n");
    asynchat_test_hear(t, BOTH_OK GO);
    memset(text, '.', sizeof text);
    memcpy(text + 1000, "\r\nNOOP\r\n.\r\nNOOP\r\n", 17);
    asynchat_test_feed(t, text + 1, 999 + 2); /* 1000 bytes count */
    asynchat_test_say(t, ".\r\n");
    asynchat_test_hear(t, "250 2.0.0 ok id1\r\n");
    asynchat_test_say(t, BOTH "DATA\r\n");
    asynchat_test_hear(t, BOTH_OK GO);
    asynchat_test_feed(t, text + 1, 999 + 17);
    asynchat_test_hear(t, TOO_LARGE OK);
}

static void long_line(struct asynchat_test *t, void *arg)
{
    char text[2100];
    (void)arg;
    greet(t);
    memset(text, 'a', sizeof text);
    memcpy(text, "NOOP ", 5);
    memcpy(text + 2048, "\r\nNOOP\r\n", 8);
    asynchat_test_feed(t, text, 2048 + 8);
    asynchat_test_hear(t, OK OK);
    asynchat_test_say(t, "MAIL FROM:<");
    asynchat_test_feed(t, text + 5, 252);
    asynchat_test_say(t, "@x>\r\nRSET\r\nMAIL FROM:<");
    asynchat_test_feed(t, text + 5, 253);
    asynchat_test_say(t, "@x>\r\n");
    asynchat_test_hear(t, MAIL_OK OK "553 5.1.3 no address\r\n");
    memcpy(text + 2048, "aNOOP\r\nNOOP\r\n", 13);
    asynchat_test_feed(t, text, 2048 + 13);
    asynchat_test_hear(t, BARE OK);
}

/* A mail that is accepted makes up for all before. */
static void bad_commands(struct asynchat_test *t, void *arg)
{
    (void)arg;
    greet(t);
    for (int i = 1; i < BAD_MOST; i++) {
        asynchat_test_say(t, "X\r\n");
        asynchat_test_hear(t, UNKNOWN);
    }
    asynchat_test_say(t, BOTH "BDAT 1 LAST\r\nx");
    asynchat_test_hear(t, BOTH_OK "250 2.0.0 ok id1\r\n");
    for (int i = 1; i < BAD_MOST; i++) {
        asynchat_test_say(t, "X\r\n");
        asynchat_test_hear(t, UNKNOWN);
    }
    asynchat_test_say(t, "X\r\nX\r\nNOOP\r\n");
    asynchat_test_hear(t, UNKNOWN "421 4.7.0 too many errors\r\n");
    asynchat_test_expect_closed(t, 0);
}

/* No byte gains time: neither in a command, for 300 s, nor in data or in a
 * chunk, for 600 s. */
static void slow(struct asynchat_test *t, void *arg)
{
    const struct row *row = arg;
    greet(t);
    asynchat_test_say(t, row->said);
    asynchat_test_hear(t, row->heard);
    for (int i = *row->said ? 600 : 300; i > 0; i--) {
        asynchat_test_expect_nothing(t);
        asynchat_test_advance(t, 999);
        asynchat_test_say(t, "x");
        asynchat_test_advance(t, 1);
    }
    asynchat_test_hear(t, "421 4.4.2 too slow\r\n");
    asynchat_test_expect_closed(t, ASYNCHAT_EDEADLINE);
}

static const struct row slow_ones[] = {
    {"", ""}, {BOTH "DATA\r\n", BOTH_OK GO}, {BOTH "BDAT 999\r\n", BOTH_OK}};

/* --- users --- */

/* The password of "ann" is "secret". */
static const struct row logins[] = {
    {"AUTH PLAIN AGFubgBzZWNyZXQ=\r\n" MAIL "AUTH PLAIN x\r\n",
     "235 2.7.0 welcome\r\n" MAIL_OK "503 5.5.1 not now\r\n"},
    {"AUTH PLAIN\r\nAGFubgBzZWNyZXQ=\r\nHELO x\r\n" MAIL,
     "334 \r\n235 2.7.0 welcome\r\n" OK MAIL_OK},
    {"AUTH LOGIN\r\nYW5u\r\nc2VjcmV0\r\n",
     "334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n235 2.7.0 welcome\r\n"},
    {"auth login YW5u\r\nc2VjcmV0\r\n",
     "334 UGFzc3dvcmQ6\r\n235 2.7.0 welcome\r\n"},
    {"AUTH LOGIN YW5u\r\n*\r\nNOOP\r\n" MAIL,
     "334 UGFzc3dvcmQ6\r\n501 5.5.2 no password\r\n" OK
     "530 5.7.0 AUTH first\r\n"},
    {"AUTH PLAIN =\r\nAUTH PLAIN\r\n*\r\nAUTH PLAIN YQ\r\nAUTH PLAIN YQ==\r\n"
     "AUTH PLAIN AGFubg==\r\nAUTH X\r\nNOOP\r\n",
     "501 5.5.2 no name and password\r\n334 \r\n"
     "501 5.5.2 no name and password\r\n501 5.5.2 no name and password\r\n"
     "501 5.5.2 no name and password\r\n501 5.5.2 no name and password\r\n"
     "504 5.5.4 PLAIN or LOGIN\r\n" OK},
    {"AUTH LOGIN =\r\n*\r\nAUTH LOGIN YW5\r\nAUTH LOGIN YW=5\r\nAUTH LOGIN\r\n"
     "YQ===\r\nNOOP\r\n",
     "334 UGFzc3dvcmQ6\r\n501 5.5.2 no password\r\n501 5.5.2 no name\r\n"
     "501 5.5.2 no name\r\n334 VXNlcm5hbWU6\r\n501 5.5.2 no name\r\n" OK},
    {"AUTH PLAIN\r\na\nNOOP\r\nNOOP\r\n", "334 \r\n" BARE OK},
    {"AUTH PLAIN AGFubgB3cm9uZw==\r\n" MAIL,
     "535 5.7.8 wrong password\r\n530 5.7.0 AUTH first\r\n"},
};

static void guesses(struct asynchat_test *t, void *arg)
{
    (void)arg;
    greet(t);
    for (int i = 0; i < 4; i++) {
        asynchat_test_say(t, "AUTH PLAIN AG4AcA==\r\nNOOP\r\n");
        asynchat_test_hear(t, "535 5.7.8 wrong password\r\n");
        if (i < 3)
            asynchat_test_hear(t, OK);
    }
    asynchat_test_hear(t, "421 4.7.0 too many errors\r\n");
    asynchat_test_expect_closed(t, 0);
}

static void test_users(void)
{
    char users[] = "/tmp/usersXXXXXX";
    const char text[] = "bob:x\nann:$1$ab$dslkcXxVH.x8LwW1W/oAB/\n";
    int fd = mkstemp(users);
    settings.users = users;
    settings.plain_auth = true;
    if (fd < 0 || write(fd, text, sizeof text - 1) < 0)
        err(1, "%s", users);
    for (size_t i = 0; i < sizeof logins / sizeof *logins; i++)
        asynchat_test_cuts(ask, (void *)&logins[i]);
    asynchat_test_run(guesses, NULL);
    close(fd);
    unlink(users);
    settings = usual;
}

/* --- mails that look as if they ended earlier --- */

/* What somebody may take for a line end; the last one begins with a NUL. */
static const struct asynchat_bytes ends[] = {{"\r\n", 2}, {"\n", 1},
                                             {"\r", 1},   {"\r\r\n", 3},
                                             {"\n\r", 2}, {"\0\r\n", 3}};
enum { ENDS = sizeof ends / sizeof *ends };

static char folder[] = "/tmp/mailXXXXXX";

/* The data of the mails in new/, which are removed. */
static size_t take_mails(char *to, size_t room)
{
    size_t len = 0;
    for (unsigned id = 1; id <= count; id++) {
        char name[64], text[4096];
        snprintf(name, sizeof name, "%s/new/id%u", folder, id);
        int fd = open(name, O_RDONLY);
        ssize_t got = fd < 0 ? 0 : read(fd, text, sizeof text);
        char *body = got > 0 ? memmem(text, (size_t)got, "today\r\n", 7) : NULL;
        size_t n = body ? (size_t)(text + got - body - 7) : 0;
        if (n > 0 && len + n <= room)
            memcpy(to + len, body + 7, n);
        len += n;
        close(fd);
        unlink(name);
    }
    return len;
}

struct text {
    char bytes[256];
    size_t len;
};

static void add(struct text *t, const void *bytes, size_t len)
{
    memcpy(t->bytes + t->len, bytes, len);
    t->len += len;
}

static void add_end(struct text *t, int end)
{
    add(t, ends[end].data, ends[end].len);
}

/* The mail ends where its bytes say so, and has one answer; what is in the mail
 * is no command, and what is stored is what was sent. Only the first and the
 * last of the ends have no CR or LF alone. */
static void smuggle(struct asynchat_test *t, void *arg)
{
    const int *pair = arg;
    bool good = pair[0] % (ENDS - 1) == 0 && pair[1] % (ENDS - 1) == 0;
    bool early = (pair[0] % (ENDS - 1) == 0 || pair[0] == 3) && pair[1] == 0;
    struct text said = {"DATA\r\nx", 7}, kept = {"x", 1};
    char stored[256];
    add_end(&said, pair[0]);
    add(&said, ".", 1);
    add_end(&said, pair[1]);
    add(&said, "\r\nNOOP\r\n.\r\nQUIT\r\n", 17);
    add_end(&kept, pair[0]);
    if (!early) {
        add_end(&kept, pair[1]); /* the dot hides none */
        add(&kept, "\r\nNOOP\r\n", 8);
    }
    greet(t);
    asynchat_test_say(t, BOTH);
    asynchat_test_feed(t, said.bytes, said.len);
    asynchat_test_hear(t, BOTH_OK GO);
    asynchat_test_hear(t, good ? "250 2.0.0 ok id1\r\n"
                               : "554 5.6.0 CR or LF alone\r\n");
    asynchat_test_hear(t, early ? UNKNOWN OK UNKNOWN "221 2.0.0 bye\r\n"
                                : "221 2.0.0 bye\r\n");
    asynchat_test_expect_closed(t, 0);
    size_t len = take_mails(stored, sizeof stored);
    if (!asynchat_test_is_over(t) &&
        (len != (good ? kept.len : 0) || memcmp(stored, kept.bytes, len) != 0))
        errx(1, "smuggle %d %d: %zu bytes are stored", pair[0], pair[1], len);
}

/* Bytes that are no text: a NUL in a command, and a name like a header. */
static void inject(struct asynchat_test *t, void *arg)
{
    static const char said[] = "NOOP\0NOOP\r\nHELO x (y [1.2.3.4])\r\n"
                               "MAIL FROM:<a@x\0>\r\nMAIL FROM:<a@x>\r\n"
                               "RCPT TO:<b@x\r\n\r\nRCPT TO:<b@x\nX: y>\r\n";
    (void)arg;
    greet(t);
    asynchat_test_feed(t, said, sizeof said - 1);
    asynchat_test_hear(t, BARE "501 5.5.4 your name, please\r\n" BARE MAIL_OK
                               "501 5.5.4 RCPT TO:<address>\r\n" UNKNOWN BARE);
}

static void test_smuggling(void)
{
    settings.discard = false;
    settings.no_fsync = true;
    for (int i = 0; i < ENDS * ENDS; i++) {
        int pair[2] = {i / ENDS, i % ENDS};
        asynchat_test_cuts(smuggle, pair);
    }
    asynchat_test_cuts(inject, NULL);
    settings = usual;
}

/* --- mails that go to another server --- */

#define CHUNK                                                                  \
    "Received: from x (unknown)\r\n\tby host with SMTP id id1; today\r\n"

/* What the other server answers, for b, c, and b again. */
struct answers {
    const char *b, *c, *b_again; /* to RCPT */
    const char *verdicts, *result;
};

static const struct answers all_answers[] = {
    {"250 y", "250 y", "250 y", "250 y\r\n250 y\r\n250 y\r\n",
     "250 2.0.0 ok id1"},
    {"250 y", "550 5.1.1 no", "250 y", "250 y\r\n250-y\r\n250 y\r\n",
     "550 5.1.1 no <c@x>"},
    {"250 y", "250 y", "550 n", "250 y\r\n452 4.2.2 full\r\n",
     "452 4.2.2 full <c@x>"},
    {"550 n", "550 n", "451 4.2.0 later", NULL, "451 4.2.0 later <b@x>"},
    {"550 n", "550 n", "550 n", NULL, "550 n <b@x>"},
    {"250 y", "550 n", "550 n", "nonsense\r\n",
     "451 4.4.1 an answer without sense <b@x>"},
    {"250 y", "550 n", "550 n", "\r\n",
     "451 4.4.1 an answer without sense <b@x>"},
    {"250 y", "550 n", "550 n", "2500 y\r\n",
     "451 4.4.1 an answer without sense <b@x>"},
    {"25", "550 n", "5", NULL, "451 4.4.1 an answer without sense <b@x>"},
    {"250 y", "550 \x01n\to", "250 y", "250 y\r\n250 y\r\n", "550  n o <c@x>"},
    {"250", "", "550", "250\r\n", "451 4.4.1 an answer without sense <c@x>"},
};

static struct asynchat_test *connect_next(struct asynchat_test *t)
{
    struct asynchat_test *other = asynchat_test_beside(t);
    struct mail *m = next_mail;
    next_mail = NULL;
    if (m && asynchat_test_is_over(t))
        mail_finish(m);
    else if (m)
        asynchat_test_open(other, next_handler, m);
    return other;
}

static void say_line(struct asynchat_test *t, const char *line)
{
    asynchat_test_say(t, line);
    asynchat_test_say(t, "\r\n");
}

static void begin_mail(struct asynchat_test *t)
{
    greet(t);
    asynchat_test_say(t, MAIL RCPT "RCPT TO:<c@x>\r\n" RCPT
                                   "DATA\r\n..a\r\n.\r\nNOOP\r\n");
    asynchat_test_hear(t, MAIL_OK RCPT_OK RCPT_OK RCPT_OK GO);
    asynchat_test_expect_nothing(t);
}

static void deliver(struct asynchat_test *t, void *arg)
{
    const struct answers *a = arg;
    begin_mail(t);
    struct asynchat_test *other = connect_next(t);
    asynchat_test_say(other, "220-y\r\n220 y\r\n");
    asynchat_test_hear(other, "LHLO host\r\n");
    asynchat_test_say(other, "250-y\r\n250 SIZE\r\n");
    asynchat_test_hear(other, "MAIL FROM:<a@x>\r\n");
    say_line(other, "250 y");
    asynchat_test_hear(other, "RCPT TO:<b@x>\r\n");
    say_line(other, a->b);
    asynchat_test_hear(other, "RCPT TO:<c@x>\r\n");
    say_line(other, a->c);
    asynchat_test_hear(other, "RCPT TO:<b@x>\r\n");
    say_line(other, a->b_again);
    if (a->verdicts) {
        asynchat_test_hear(other, "DATA\r\n");
        say_line(other, "354 go");
        asynchat_test_hear(other, CHUNK "..a\r\n.\r\n");
        asynchat_test_expect_nothing(t);
        asynchat_test_say(other, a->verdicts);
    }
    asynchat_test_hear(other, "QUIT\r\n");
    asynchat_test_hear(t, a->result);
    asynchat_test_hear(t, "\r\n" OK);
    asynchat_test_free(other);
}

/* The other server goes at any time: the mail may come again. */
static void give_up(struct asynchat_test *t, void *arg)
{
    static const char said[] = "220 y\r\n250 y\r\n250 y\r\n250 y\r\n250 y\r\n"
                               "250 y\r\n354 y\r\n250 y\r\n250 y\r\n";
    size_t len = *(size_t *)arg;
    if (len >= sizeof said)
        errx(1, "give_up: no such place");
    begin_mail(t);
    struct asynchat_test *other = connect_next(t);
    asynchat_test_feed(other, said, len);
    asynchat_test_reset(other);
    asynchat_test_hear(t, "451 4.4.1 no answer from the next server <");
    asynchat_test_free(other);
}

static void late(struct asynchat_test *t, void *arg)
{
    (void)arg;
    begin_mail(t);
    struct asynchat_test *other = connect_next(t);
    asynchat_test_say(other, "220 y\r\n");
    asynchat_test_advance(t, LMTP_TIME);
    asynchat_test_hear(t, "451 4.4.1 no answer from the next server <b@x>\r\n");
    asynchat_test_hear(t, OK);
    asynchat_test_free(other);
}

static unsigned long test_lmtp(void)
{
    unsigned long places = 0;
    settings.discard = false;
    settings.lmtp = "another server";
    for (size_t i = 0; i < sizeof all_answers / sizeof *all_answers; i++)
        asynchat_test_cuts(deliver, (void *)&all_answers[i]);
    for (size_t len = 0; len < 63; len++)
        asynchat_test_run(give_up, &len);
    asynchat_test_run(late, NULL);
    for (size_t i = 0; i < 2; i++)
        places +=
            asynchat_test_faults(deliver, (void *)&all_answers[i], FAULTS);
    settings = usual;
    return places;
}

/* --- all of it --- */

/* Standard error has the log. */
static void fail(const char *file, int line, const char *text)
{
    printf("%s:%d: %s\n", file, line, text);
    fflush(stdout);
    abort();
}

static void remove_folder(void)
{
    static const char *const names[] = {"tmp", "new", "cur", ""};
    char path[64];
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        if (rmdir(path))
            errx(1, "%s is not empty", names[i]);
    }
}

int main(void)
{
    unsigned long places = 0;
    size_t n = sizeof rows / sizeof *rows;
    if (!freopen("/dev/null", "w", stderr) || !mkdtemp(folder))
        return 1;
    asynchat_test_set_fail(fail);
    settings = usual;
    mail_open(folder);
    for (size_t i = 0; i < n; i++)
        asynchat_test_cuts(ask, (void *)&rows[i]);
    asynchat_test_run(bad_commands, NULL);
    asynchat_test_run(too_large, NULL);
    asynchat_test_run(long_line, NULL);
    for (size_t i = 0; i < sizeof slow_ones / sizeof *slow_ones; i++)
        asynchat_test_run(slow, (void *)&slow_ones[i]);
    places += asynchat_test_faults(ask, (void *)&rows[n - 5], FAULTS);
    test_users();
    test_smuggling();
    places += test_lmtp();
    remove_folder();
    printf("%lu places of faults\n", places);
    return 0;
}
