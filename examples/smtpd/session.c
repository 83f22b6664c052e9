/* The conversation with a client. SPDX-License-Identifier: BSD-3-Clause */
#include "smtpd.h"

#define LINE_MOST 2048 /* bytes of a command */
#define BAD_MOST 20    /* refusals, until the client has to go */

struct session {
    struct asynchat_channel *ch;
    void (*next)(struct session *s, char *line); /* what the next line is for */
    char *peer, *helo; /* `helo` is NULL until the client has said it */
    bool extended;     /* it was EHLO */
    struct mail *mail; /* from MAIL on until its data has come, or NULL */
    bool chunks, last; /* the data comes in chunks; this chunk is the last */
    bool stops;        /* the server does, and waits for the mail */
    unsigned bad;
};

static const struct asynchat_handler pieces;

/* Without memory, a connection is closed. One that is ending needs none. */
static void check(struct session *s, int error)
{
    if (error && error != ASYNCHAT_ECLOSED)
        asynchat_close(s->ch);
}

/* --- answers --- */

static void goodbye(struct session *s, const char *text)
{
    asynchat_push_printf(s->ch, "%s\r\n", text);
    asynchat_close_after(s->ch);
    asynchat_close_in_stages(s->ch); /* the client may still be sending */
}

static void reply(struct session *s, const char *text)
{
    asynchat_push(s->ch, text, strlen(text));
    asynchat_push(s->ch, "\r\n", 2);
    if (*text == '5' && ++s->bad >= BAD_MOST)
        goodbye(s, "421 4.7.0 too many errors");
}

/* --- what comes next --- */

static void expect_lines(struct session *s)
{
    check(s, asynchat_set_handler(s->ch, &lines));
    check(s, asynchat_set_framing(
                 s->ch, asynchat_framing_lines(ASYNCHAT_LINES_STRICT)));
    check(s, asynchat_set_message_limit(s->ch, LINE_MOST));
    check(s, asynchat_set_deadline(s->ch, (unsigned)settings.command_time));
}

/* Data up to a line that is a dot, or `size` bytes of a chunk. */
static void expect_data(struct session *s, uint64_t size)
{
    check(s, asynchat_set_handler(s->ch, &pieces));
    check(s, s->chunks
                 ? asynchat_set_block(s->ch, size)
                 : asynchat_set_framing(
                       s->ch, asynchat_framing_dotted(ASYNCHAT_DOTTED_STRICT)));
    check(s, asynchat_set_message_limit(
                 s->ch, s->chunks ? SIZE_MAX : (size_t)settings.max_size));
    check(s, asynchat_set_deadline(s->ch, (unsigned)settings.data_time));
}

/* --- commands --- */

static void reset(struct session *s)
{
    mail_free(s->mail);
    s->mail = NULL;
    s->chunks = false;
}

static void greet(struct session *s, const char *name, bool extended)
{
    if (!*name || name[strspn(name, HOST_NAME)]) {
        reply(s, "501 5.5.4 no name");
        return;
    }
    reset(s);
    free(s->helo);
    s->helo = copy(name);
    s->extended = extended;
    asynchat_push_printf(s->ch,
                         extended ? "250-%s\r\n250-SIZE %llu\r\n"
                                    "250-8BITMIME\r\n250-SMTPUTF8\r\n"
                                    "250-PIPELINING\r\n250-CHUNKING\r\n"
                                    "250 ENHANCEDSTATUSCODES\r\n"
                                  : "250 %s\r\n",
                         host, (unsigned long long)settings.max_size);
}

static void run_helo(struct session *s, char *args)
{
    greet(s, args, false);
}

static void run_ehlo(struct session *s, char *args)
{
    greet(s, args, true);
}

/* Reads the parameters of MAIL. Returns what is wrong, or NULL. */
static const char *take_parameters(struct mail *m, char *args)
{
    uint64_t size = 0;
    for (char *word; (word = strsep(&args, " "));) {
        if (has_prefix(word, "SIZE=") && !parse_number(word + 5, &size))
            return "501 5.5.4 no size";
        if (size > settings.max_size)
            return "552 5.3.4 too large";
        if (strcasecmp(word, "SMTPUTF8") == 0)
            m->utf8 = true;
        else if (*word && !has_prefix(word, "SIZE=") &&
                 !has_prefix(word, "AUTH=") && /* RFC 4954, 5 */
                 strcasecmp(word, "BODY=7BIT") != 0 &&
                 strcasecmp(word, "BODY=8BITMIME") != 0)
            return "555 5.5.4 unknown parameter";
    }
    return NULL;
}

static void run_mail(struct session *s, char *args)
{
    const char *path = take_path(&args, "FROM:");
    if (s->mail || !path) {
        reply(s, s->mail ? "503 5.5.1 one mail at a time"
                         : "501 5.5.4 MAIL FROM:<address>");
        return;
    }
    s->mail = mail_new(s->peer);
    s->mail->sender = copy(path);
    const char *error = take_parameters(s->mail, args);
    if (!error && *path)
        error = check_path(path, s->mail->utf8);
    if (error)
        reset(s);
    reply(s, error ? error : "250 2.1.0 ok");
}

static void run_rcpt(struct session *s, char *args)
{
    const char *path = take_path(&args, "TO:"), *error;
    if (!s->mail)
        error = "503 5.5.1 MAIL first";
    else if (!path)
        error = "501 5.5.4 RCPT TO:<address>";
    else if (args[strspn(args, " ")])
        error = "555 5.5.4 unknown parameter";
    else if (s->mail->recipients == settings.max_recipients)
        error = "452 4.5.3 too many recipients";
    else
        error = strcasecmp(path, "postmaster") == 0
                    ? NULL
                    : check_path(path, s->mail->utf8);
    if (!error)
        mail_recipient(s->mail, path);
    reply(s, error ? error : "250 2.1.5 ok");
}

/* Why data cannot come now, or NULL. */
static const char *begin_data(struct session *s)
{
    if (!s->mail)
        return "503 5.5.1 MAIL first";
    if (s->mail->recipients == 0)
        return "554 5.5.1 no recipient";
    return mail_begin(s->mail, s->helo, s->extended ? "ESMTP" : "SMTP");
}

static void run_data(struct session *s, char *args)
{
    (void)args;
    const char *error = s->chunks ? "503 5.5.1 BDAT has begun" : begin_data(s);
    reply(s, error ? error : "354 end with a line that is a dot");
    if (!error)
        expect_data(s, 0);
}

/* A chunk that is refused is skipped, or its bytes would be commands. If it is
 * too large, the mail is refused to its end. (RFC 3030, 2) */
static void run_bdat(struct session *s, char *args)
{
    uint64_t size;
    const char *number = strsep(&args, " "), *error = NULL;
    if (!parse_number(number, &size)) {
        goodbye(s, "501 5.5.4 no size");
        return;
    }
    s->last = args && strcasecmp(args, "LAST") == 0;
    if (args && !s->last)
        error = "501 5.5.4 LAST, or nothing";
    else if (!(error = begin_data(s)) &&
             size > settings.max_size - s->mail->size)
        error = s->mail->failed = "552 5.3.4 too large";
    if (!error) {
        s->chunks = true;
        expect_data(s, size);
        return;
    }
    check(s, asynchat_skip(s->ch, size));
    check(s, asynchat_set_deadline(s->ch, (unsigned)settings.data_time));
    if (s->last)
        reset(s);
    reply(s, error);
}

static void run_rset(struct session *s, char *args)
{
    (void)args;
    reset(s);
    reply(s, "250 2.0.0 ok");
}

static void run_quit(struct session *s, char *args)
{
    (void)args;
    goodbye(s, "221 2.0.0 bye");
}

enum { GREETED = 1, ALONE = 2 }; /* needs EHLO or HELO; has no arguments */

/* A command has a function or an answer. */
static const struct command {
    const char *name;
    void (*run)(struct session *s, char *args);
    int flags;
    const char *answer;
} commands[] = {
    {"MAIL", run_mail, GREETED, NULL},
    {"RCPT", run_rcpt, GREETED, NULL},
    {"DATA", run_data, GREETED | ALONE, NULL},
    {"BDAT", run_bdat, 0, NULL},
    {"EHLO", run_ehlo, 0, NULL},
    {"HELO", run_helo, 0, NULL},
    {"RSET", run_rset, ALONE, NULL},
    {"QUIT", run_quit, ALONE, NULL},
    {"NOOP", NULL, 0, "250 2.0.0 ok"},
    {"VRFY", NULL, 0, "252 2.5.0 send it and see"},
    {"EXPN", NULL, 0, "502 5.5.1 no lists here"},
    {"HELP", NULL, 0, "214 2.0.0 see RFC 5321"},
};

static void run_command(struct session *s, char *args)
{
    const char *verb = strsep(&args, " ");
    const struct command *c = commands, *end = &c[sizeof commands / sizeof *c];
    args = args ? args + strspn(args, " ") : strchr(verb, '\0');
    for (size_t len = strlen(args); len > 0 && args[len - 1] == ' ';)
        args[--len] = '\0';
    while (c < end && strcasecmp(verb, c->name) != 0)
        c++;
    if (c == end)
        reply(s, "500 5.5.1 unknown command");
    else if (c->flags & GREETED && !s->helo)
        reply(s, "503 5.5.1 EHLO first");
    else if (c->flags & ALONE && *args)
        reply(s, "501 5.5.4 no arguments, please");
    else if (c->run)
        c->run(s, args);
    else
        reply(s, c->answer);
}

/* --- the callbacks --- */

static void got_line(struct asynchat_channel *ch, const void *data, size_t len,
                     void *arg)
{
    struct session *s = arg;
    const unsigned char *from = data;
    char line[LINE_MOST + 1];
    size_t at = 0;
    while (at < len && from[at] >= ' ' && from[at] != 127)
        at++;
    memcpy(line, data, len);
    line[len] = '\0';
    check(s, asynchat_set_deadline(ch, (unsigned)settings.command_time));
    if (at == len) {
        s->next(s, line);
    } else {
        s->next = run_command;
        reply(s, "500 5.5.2 a control character");
    }
}

static void bad_line(struct asynchat_channel *ch, const void *data, size_t len,
                     uint64_t total, void *arg)
{
    struct session *s = arg;
    (void)data, (void)len, (void)total;
    s->next = run_command;
    reply(s, asynchat_get_dropped_error(ch) == ASYNCHAT_EBARE
                 ? "500 5.5.2 CR or LF alone"
                 : "500 5.5.2 line too long");
}

static void got_piece(struct asynchat_channel *ch, const void *data, size_t len,
                      void *arg)
{
    struct session *s = arg;
    (void)ch;
    mail_write(s->mail, data, len);
}

/* All data of a mail has come, or a chunk. The answer to a mail comes later, and
 * has its place behind the answers before it. */
static void got_data(struct asynchat_channel *ch, void *arg)
{
    struct session *s = arg;
    struct mail *m = s->mail;
    expect_lines(s);
    if (s->chunks && !s->last) {
        reply(s, m->failed ? m->failed : "250 2.0.0 go on");
        return;
    }
    s->mail = NULL;
    s->chunks = false;
    s->bad = m->failed ? s->bad + 1 : 0;
    int error = asynchat_reserve(ch, &m->slot);
    if (error)
        m->failed = "451 4.3.0 no memory";
    mail_end(m);
    check(s, error);
    if (s->stops)
        goodbye(s, "421 4.3.2 stopping");
}

static void bad_data(struct asynchat_channel *ch, const void *data, size_t len,
                     uint64_t total, void *arg)
{
    struct session *s = arg;
    (void)data, (void)len, (void)total;
    s->mail->failed = asynchat_get_dropped_error(ch) == ASYNCHAT_EBARE
                          ? "554 5.6.0 CR or LF alone"
                          : "552 5.3.4 too large";
    got_data(ch, arg);
}

static void connected(struct asynchat_channel *ch, void *arg)
{
    char peer[ASYNCHAT_ADDRESS_SIZE] = "unknown";
    struct session *s = calloc(1, sizeof *s);
    (void)arg;
    if (!s)
        err(1, NULL);
    asynchat_peer_address(ch, peer, sizeof peer);
    s->ch = ch;
    s->peer = copy(peer);
    s->next = run_command;
    asynchat_set_arg(ch, s);
    asynchat_join(ch, ch); /* who does not read is not read from */
    expect_lines(s);
    asynchat_push_printf(ch, "220 %s ESMTP\r\n", host);
}

/* Without a session, a handshake or a PROXY header has failed. */
static void failed(struct asynchat_channel *ch, int error, void *arg)
{
    (void)ch;
    if (arg && error == ASYNCHAT_EDEADLINE)
        goodbye(arg, "421 4.4.2 too slow");
    if (arg && error == ASYNCHAT_ESTOPPED)
        goodbye(arg, "421 4.3.2 stopping");
}

/* A mail whose data comes may come to its end. */
static void stopping(struct asynchat_channel *ch, void *arg)
{
    struct session *s = arg;
    (void)ch;
    s->stops = true;
    if (!s->mail || !*s->mail->id)
        goodbye(s, "421 4.3.2 stopping");
}

static void closed(struct asynchat_channel *ch, int status, void *arg)
{
    struct session *s = arg;
    (void)ch, (void)status;
    if (!s)
        return;
    reset(s);
    free(s->peer);
    free(s->helo);
    free(s);
}

#define COMMON                                                                 \
    .size = sizeof(struct asynchat_handler), .handle_connect = connected,      \
    .handle_error = failed, .handle_stopping = stopping,                       \
    .handle_close = closed

const struct asynchat_handler lines = {COMMON, .message = got_line,
                                       .message_dropped = bad_line};
static const struct asynchat_handler pieces = {
    COMMON, .collect_incoming_data = got_piece, .found_terminator = got_data,
    .message_dropped = bad_data};
