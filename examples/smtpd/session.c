/* The conversation with a client. SPDX-License-Identifier: BSD-3-Clause */
#include "smtpd.h"

#define LINE_MOST 2048 /* bytes of a command */
#define HOST_NAME                                                              \
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]"

static const char ok[] = "250 2.0.0 ok";
static const char stops[] = "421 4.3.2 the server stops";
static const char no_mail[] = "503 5.5.1 MAIL first";
static const char too_large[] = "552 5.3.4 too large";
static const char no_parameter[] = "555 5.5.4 unknown parameter";

static const struct asynchat_handler pieces;

/* Without memory, a connection is closed. One that is ending needs none. */
static void check(struct session *s, int error)
{
    if (error && error != ASYNCHAT_ECLOSED)
        asynchat_close(s->ch);
}

static void goodbye(struct session *s, const char *text)
{
    asynchat_push_printf(s->ch, "%s\r\n", text);
    asynchat_close_after(s->ch);
    asynchat_close_in_stages(s->ch); /* the client may still be sending */
}

/* Says the answer to a line, unless it is NULL. */
void reply(struct session *s, const char *text)
{
    if (!text)
        return;
    asynchat_push(s->ch, text, strlen(text));
    asynchat_push(s->ch, "\r\n", 2);
    if (*text == '5' && ++s->bad >= BAD_MOST)
        goodbye(s, "421 4.7.0 too many errors");
}

/* --- what comes next --- */

static void expect(struct session *s, const struct asynchat_handler *handler,
                   size_t most, unsigned time)
{
    check(s, asynchat_set_handler(s->ch, handler));
    check(s, asynchat_set_message_limit(s->ch, most));
    check(s, asynchat_set_deadline(s->ch, time));
}

static void expect_lines(struct session *s)
{
    expect(s, &lines, LINE_MOST, settings.command_time);
    check(s, asynchat_set_framing(
                 s->ch, asynchat_framing_lines(ASYNCHAT_LINES_STRICT)));
}

/* --- commands --- */

static const char *reset(struct session *s, char *args)
{
    asynchat_set_busy(s->ch, 0);
    g_clear_pointer(&s->mail, mail_free);
    s->chunks = false;
    return ok;
}

static const char *run_helo(struct session *s, char *name)
{
    if (!*name || name[strspn(name, HOST_NAME)])
        return "501 5.5.4 your name, please";
    reset(s, NULL);
    g_free(s->helo);
    s->helo = g_strdup(name);
    s->extended = false;
    return ok;
}

static const char *run_ehlo(struct session *s, char *name)
{
    const char *error = run_helo(s, name);
    if (error != ok)
        return error;
    s->extended = true;
    asynchat_push_printf(
        s->ch,
        "250-%s\r\n250-SIZE %u\r\n250-8BITMIME\r\n"
        "250-SMTPUTF8\r\n250-PIPELINING\r\n250-CHUNKING\r\n"
        "%s%s250 ENHANCEDSTATUSCODES\r\n",
        host, settings.max_size,
        tls && !asynchat_tls_get_ssl(s->ch) ? "250-STARTTLS\r\n" : "",
        may_log_in(s) ? "250-AUTH PLAIN LOGIN\r\n" : "");
    return NULL;
}

/* What was said in plain text is forgotten: RFC 3207, 4.2. */
static void secured(struct asynchat_channel *ch, void *arg)
{
    struct session *s = arg;
    reset(s, NULL);
    g_clear_pointer(&s->helo, g_free);
    s->known = false;
}

static const char *run_starttls(struct session *s, char *args)
{
    if (!tls || asynchat_tls_get_ssl(s->ch))
        return "502 5.5.1 no TLS here, or there is already";
    reply(s, "220 2.0.0 go ahead");
    check(s, asynchat_tls_start(s->ch, tls, NULL, 0, secured));
    return NULL;
}

/* Reads the parameters of MAIL. Returns what is wrong, or NULL. */
static const char *take_parameters(struct mail *m, char *args)
{
    guint64 size = 0;
    for (char *word; (word = strsep(&args, " "));) {
        if (strncasecmp(word, "SIZE=", 5) == 0) {
            if (!g_ascii_string_to_unsigned(word + 5, 10, 0, INT64_MAX, &size,
                                            NULL))
                return "501 5.5.4 no size";
        } else if (strcasecmp(word, "BODY=8BITMIME") == 0) {
            m->eight = true;
        } else if (strcasecmp(word, "SMTPUTF8") == 0) {
            m->utf8 = true;
        } else if (*word && strcasecmp(word, "BODY=7BIT") != 0 &&
                   strncasecmp(word, "AUTH=", 5) != 0) { /* RFC 4954, 5 */
            return no_parameter;
        }
    }
    return size > settings.max_size ? too_large : NULL;
}

static const char *run_mail(struct session *s, char *args)
{
    const char *path = take_path(&args, "FROM:");
    if (s->mail)
        return "503 5.5.1 one mail at a time";
    if (settings.users && !s->known)
        return "530 5.7.0 AUTH first";
    if (!path)
        return "501 5.5.4 MAIL FROM:<address>";
    struct mail *m = s->mail = g_new0(struct mail, 1);
    m->sender = g_strdup(path);
    m->peer = g_strdup(asynchat_get_peer(s->ch));
    m->to = g_ptr_array_new_with_free_func(g_free);
    m->log = g_string_new(NULL);
    const char *error = take_parameters(m, args);
    if (!error && *path)
        error = check_path(path, m->utf8);
    if (error)
        reset(s, NULL);
    return error ? error : "250 2.1.0 ok";
}

static const char *run_rcpt(struct session *s, char *args)
{
    const char *path = take_path(&args, "TO:"), *error;
    if (!s->mail)
        return no_mail;
    if (!path)
        return "501 5.5.4 RCPT TO:<address>";
    if (*args)
        return no_parameter;
    if (s->mail->to->len == settings.max_recipients)
        return "452 4.5.3 too many recipients";
    if (strcasecmp(path, "postmaster") != 0 &&
        (error = check_path(path, s->mail->utf8)))
        return error;
    g_ptr_array_add(s->mail->to, g_strdup(path));
    return "250 2.1.5 ok";
}

/* Returns why data cannot come now, or NULL. A server that stops waits for a
 * mail whose data comes. */
static const char *begin_data(struct session *s)
{
    static const char *const with[] = {"ESMTP", "ESMTPA", "ESMTPS", "ESMTPSA"};
    if (!s->mail)
        return no_mail;
    if (s->mail->to->len == 0)
        return "554 5.5.1 no recipient";
    asynchat_set_busy(s->ch, 1);
    int i = (asynchat_tls_get_ssl(s->ch) ? 2 : 0) + s->known;
    return mail_begin(s->mail, s->helo, s->extended ? with[i] : "SMTP");
}

static const char *run_data(struct session *s, char *args)
{
    const char *error = s->chunks ? "503 5.5.1 BDAT has begun" : begin_data(s);
    if (error)
        return error;
    expect(s, &pieces, settings.max_size, settings.data_time);
    check(s, asynchat_set_framing(
                 s->ch, asynchat_framing_dotted(ASYNCHAT_DOTTED_STRICT)));
    return "354 end with a line that is a dot";
}

/* A chunk that is refused is skipped, or its bytes would be commands. If one is
 * too large, so is the mail, to its end. (RFC 3030, 2) */
static const char *run_bdat(struct session *s, char *args)
{
    guint64 size;
    const char *number = strsep(&args, " "), *error = NULL;
    if (!g_ascii_string_to_unsigned(number, 10, 0, INT64_MAX, &size, NULL)) {
        goodbye(s, "501 5.5.4 no size");
        return NULL;
    }
    s->last = args && strcasecmp(args, "LAST") == 0;
    if (args && !s->last)
        error = "501 5.5.4 LAST, or nothing";
    else if (!(error = begin_data(s)) &&
             size > settings.max_size - s->mail->size)
        error = s->mail->failed = too_large;
    if (error) {
        check(s, asynchat_skip(s->ch, size));
        check(s, asynchat_set_deadline(s->ch, settings.data_time));
        if (s->last)
            reset(s, NULL);
        return error;
    }
    s->chunks = true;
    expect(s, &pieces, SIZE_MAX, settings.data_time);
    check(s, asynchat_set_block(s->ch, size));
    return NULL;
}

static const char *run_quit(struct session *s, char *args)
{
    reply(s, "221 2.0.0 bye");
    asynchat_close_after(s->ch);
    return NULL;
}

enum { GREETED = 1, ALONE = 2 }; /* needs EHLO or HELO; has no arguments */

/* A command has a function or an answer. */
static const struct command {
    const char *name;
    step_fn *run;
    int flags;
    const char *answer;
} commands[] = {
    {"MAIL", run_mail, GREETED, NULL},
    {"RCPT", run_rcpt, GREETED, NULL},
    {"DATA", run_data, GREETED | ALONE, NULL},
    {"BDAT", run_bdat, 0, NULL},
    {"EHLO", run_ehlo, 0, NULL},
    {"HELO", run_helo, 0, NULL},
    {"STARTTLS", run_starttls, GREETED | ALONE, NULL},
    {"AUTH", run_auth, GREETED, NULL},
    {"RSET", reset, ALONE, NULL},
    {"QUIT", run_quit, ALONE, NULL},
    {"NOOP", NULL, 0, ok},
    {"VRFY", NULL, 0, "252 2.5.0 send it and see"},
    {"EXPN", NULL, 0, "502 5.5.1 no lists here"},
    {"HELP", NULL, 0, "214 2.0.0 see RFC 5321"},
};

const char *run_command(struct session *s, char *line)
{
    const struct command *c = commands, *end = c + G_N_ELEMENTS(commands);
    const char *verb = strsep(&line, " ");
    char *args = line ? g_strstrip(line) : strchr(verb, '\0');
    while (c < end && strcasecmp(verb, c->name) != 0)
        c++;
    if (c == end)
        return "500 5.5.1 unknown command";
    if (c->flags & GREETED && !s->helo)
        return "503 5.5.1 EHLO first";
    if (c->flags & ALONE && *args)
        return "501 5.5.4 no arguments, please";
    return c->run ? c->run(s, args) : c->answer;
}

/* --- the callbacks --- */

static void bad_line(struct asynchat_channel *ch, const void *data, size_t len,
                     uint64_t total, void *arg)
{
    struct session *s = arg;
    s->next = run_command;
    reply(s, "500 5.5.2 too long, or a control character");
}

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
    check(s, asynchat_set_deadline(ch, settings.command_time));
    if (at < len) {
        bad_line(ch, data, len, len, s);
        return;
    }
    step_fn *next = s->next;
    s->next = run_command;
    reply(s, next(s, line));
}

static void got_piece(struct asynchat_channel *ch, const void *data, size_t len,
                      void *arg)
{
    struct session *s = arg;
    mail_write(s->mail, data, len);
}

/* All data of a mail has come, or a chunk. The answer to a mail comes later,
 * and has its place behind the answers before it. */
static void got_data(struct asynchat_channel *ch, void *arg)
{
    struct session *s = arg;
    struct mail *m = s->mail;
    expect_lines(s);
    if (s->chunks && !s->last) {
        reply(s, m->failed ? m->failed : ok);
        return;
    }
    int error = asynchat_reserve(ch, &m->slot);
    if (error)
        m->failed = "451 4.3.0 no memory";
    s->bad = m->failed ? s->bad + 1 : 0;
    s->mail = NULL; /* it may be gone when it has ended */
    reset(s, NULL);
    mail_end(m);
    check(s, error);
}

static void bad_data(struct asynchat_channel *ch, const void *data, size_t len,
                     uint64_t total, void *arg)
{
    struct session *s = arg;
    s->mail->failed = asynchat_get_dropped_error(ch) == ASYNCHAT_EBARE
                          ? "554 5.6.0 CR or LF alone"
                          : too_large;
    got_data(ch, arg);
}

static void connected(struct asynchat_channel *ch, void *arg)
{
    struct session *s = g_new0(struct session, 1);
    s->ch = ch;
    s->next = run_command;
    asynchat_set_arg(ch, s);
    asynchat_join(ch, ch); /* who does not read is not read from */
    expect_lines(s);
    asynchat_push_printf(ch, "220 %s ESMTP\r\n", host);
}

/* Without a session, a handshake or a PROXY header has failed. */
static void failed(struct asynchat_channel *ch, int error, void *arg)
{
    if (arg && error == ASYNCHAT_EDEADLINE)
        goodbye(arg, "421 4.4.2 too slow");
    if (arg && error == ASYNCHAT_ESTOPPED)
        goodbye(arg, stops);
}

static void stopping(struct asynchat_channel *ch, void *arg)
{
    goodbye(arg, stops);
}

static void closed(struct asynchat_channel *ch, int status, void *arg)
{
    struct session *s = arg;
    if (!s)
        return;
    reset(s, NULL);
    g_free(s->helo);
    g_free(s->name);
    g_free(s);
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
