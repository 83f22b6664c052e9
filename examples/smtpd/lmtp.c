/* Mails go to another server, by LMTP (RFC 2033), on a connection for each.
 * That server answers for each recipient. If the answers differ, the client
 * hears the worst: a temporary one first, so that it tries again, and then a
 * refusal. So whoever has sent a mail is told if somebody does not get it, and
 * somebody may get it twice. SPDX-License-Identifier: BSD-3-Clause */
#include "smtpd.h"
#include <fcntl.h>
#include <unistd.h>

#define NONSENSE "451 4.4.1 an answer without sense"

/* An answer that is the last one for a recipient. */
static void record(struct mail *m, unsigned which, const char *text)
{
    static const char order[] = "254"; /* the worst comes last */
    if (!strchr(order, *text))
        text = NONSENSE;
    if (!m->answer || strchr(order, *text) > strchr(order, *m->answer)) {
        g_free(m->answer);
        m->answer = g_strdup_printf("%s <%s>", text, RECIPIENT(m, which));
    }
    g_string_append_printf(m->log, " to=<%s> %.3s", RECIPIENT(m, which), text);
    g_ptr_array_remove_index(m->to, which);
}

/* The conversation is over, and this is the answer for all that have none. */
static void end(struct asynchat_channel *ch, struct mail *m, const char *text)
{
    while (m->to->len > 0)
        record(m, 0, text);
    m->failed = *m->answer == '2' ? NULL : m->answer;
    mail_finish(m);
    asynchat_set_arg(ch, NULL);
    asynchat_push(ch, "QUIT\r\n", 6);
    asynchat_close_in_stages(ch); /* there is an answer */
}

/* --- what is said next --- */

enum { GREETING, HELLO, SENDER, RECIPIENTS, DATA, VERDICTS };

/* The dot at the end is sent only if all of the file was. */
static void push_data(struct asynchat_channel *ch, struct mail *m)
{
    int fd = fcntl(fileno(m->file), F_DUPFD_CLOEXEC, 0);
    asynchat_push_producer(ch, asynchat_producer_dotted(asynchat_producer_file(
                                   fd, 0, (uint64_t)ftello(m->file))));
}

static void say_next(struct asynchat_channel *ch, struct mail *m)
{
    if (m->step == HELLO)
        asynchat_push_printf(ch, "LHLO %s\r\n", host);
    if (m->step == SENDER)
        asynchat_push_printf(ch, "MAIL FROM:<%s>%s%s\r\n", m->sender,
                             m->eight ? " BODY=8BITMIME" : "",
                             m->utf8 ? " SMTPUTF8" : "");
    if (m->step == RECIPIENTS)
        asynchat_push_printf(ch, "RCPT TO:<%s>\r\n", RECIPIENT(m, m->at));
    if (m->step == DATA)
        asynchat_push(ch, "DATA\r\n", 6);
}

/* Takes the answer to a step. Recipients that are not refused at once are left
 * in `to`, and have a verdict each, in their order. */
static void go_on(struct asynchat_channel *ch, struct mail *m, const char *text)
{
    if (m->step == RECIPIENTS && *text == '2')
        m->at++;
    else if (m->step == RECIPIENTS || m->step == VERDICTS)
        record(m, m->at, text);
    else if (m->step++ == DATA)
        push_data(ch, m);
    if (m->step == RECIPIENTS && m->at == m->to->len) {
        m->step = DATA;
        m->at = 0;
    }
    if (m->to->len == 0)
        end(ch, m, text);
    else
        say_next(ch, m);
}

/* --- the callbacks --- */

/* Of an answer with several lines, the last one counts. It goes to the client
 * and to the log, without control characters. */
static void got_answer(struct asynchat_channel *ch, const void *data,
                       size_t len, void *arg)
{
    static const char wanted[] = "222 3 "; /* at each step; " " is any */
    struct mail *m = arg;
    char text[512];
    snprintf(text, sizeof text, "%.*s", (int)len, (const char *)data);
    for (char *c = text; *c; c++)
        *c = g_ascii_iscntrl(*c) ? ' ' : *c;
    if (strspn(text, "0123456789") != 3 || !strchr(" -", text[3]))
        strcpy(text, NONSENSE);
    if (!m || text[3] == '-')
        return;
    if (*text == wanted[m->step] || wanted[m->step] == ' ')
        go_on(ch, m, text);
    else
        end(ch, m, strchr("45", *text) ? text : "451 4.4.1 not expected");
}

static void begin(struct asynchat_channel *ch, void *arg)
{
    if (asynchat_set_framing(ch, asynchat_framing_lines(0)) ||
        asynchat_set_steady_deadline(ch, LMTP_TIME))
        asynchat_close(ch);
}

static void gone(struct asynchat_channel *ch, int status, void *arg)
{
    if (arg)
        end(ch, arg, "451 4.4.1 no answer from the next server");
}

void lmtp_deliver(struct mail *m)
{
    static const struct asynchat_handler handler = {.size = sizeof handler,
                                                    .handle_connect = begin,
                                                    .message = got_answer,
                                                    .handle_close = gone};
    struct asynchat_channel *ch;
    if (asynchat_connect_name(base, settings.lmtp, NULL, NULL, &handler, m,
                              &ch))
        end(NULL, m, "451 4.4.1 no way to the next server");
}
