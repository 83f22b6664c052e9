/* Mails go to another server, by LMTP (RFC 2033), on a connection for each. That
 * server answers for each recipient. If the answers differ, the client hears the
 * worst: a temporary one first, so that it tries again, and then a refusal. So
 * whoever has sent a mail is told if somebody does not get it, and somebody may
 * get it twice. SPDX-License-Identifier: BSD-3-Clause */
#include "smtpd.h"
#include <ctype.h>
#include <fcntl.h>
#include <unistd.h>

#define NONSENSE "451 4.4.1 an answer without sense"

/* The first recipient without an answer, from this one on. */
static struct recipient *pending(struct recipient *r)
{
    while (r && r->code)
        r = r->next;
    return r;
}

/* An answer that is the last one for a recipient. */
static void record(struct mail *m, struct recipient *r, const char *text)
{
    static const char order[] = "254"; /* the worst comes last */
    if (!strchr(order, *text))
        text = NONSENSE;
    if (!m->answer || strchr(order, *text) > strchr(order, *m->answer)) {
        free(m->answer);
        if (asprintf(&m->answer, "%s <%s>", text, r->address) < 0)
            err(1, NULL);
    }
    r->code = atoi(text);
}

/* The conversation is over, and this is the answer for all that have none. */
static void end(struct asynchat_channel *ch, struct mail *m, const char *text)
{
    for (struct recipient *r = m->first; (r = pending(r));)
        record(m, r, text);
    m->failed = *m->answer == '2' ? NULL : m->answer;
    mail_finish(m);
    asynchat_set_arg(ch, NULL);
    asynchat_push(ch, "QUIT\r\n", 6);
    asynchat_close_in_stages(ch); /* there is an answer */
}

/* --- what is said next --- */

enum { GREETING, HELLO, SENDER, RECIPIENT, DATA, VERDICT };

static void say_hello(struct asynchat_channel *ch, struct mail *m,
                      const char *text)
{
    (void)text;
    asynchat_push_printf(ch, "LHLO %s\r\n", host);
    m->step = HELLO;
}

static void say_sender(struct asynchat_channel *ch, struct mail *m,
                       const char *text)
{
    (void)text;
    asynchat_push_printf(ch, "MAIL FROM:<%s>%s%s\r\n", m->sender,
                         m->eight ? " BODY=8BITMIME" : "",
                         m->utf8 ? " SMTPUTF8" : "");
    m->step = SENDER;
}

/* Each recipient that is not refused here is pending. */
static void say_recipient(struct asynchat_channel *ch, struct mail *m,
                          const char *text)
{
    if (m->step == RECIPIENT && *text != '2')
        record(m, m->at, text);
    m->at = m->step == SENDER ? m->first : m->at->next;
    m->step = m->at ? RECIPIENT : DATA;
    if (m->at)
        asynchat_push_printf(ch, "RCPT TO:<%s>\r\n", m->at->address);
    else if (pending(m->first))
        asynchat_push(ch, "DATA\r\n", 6);
    else
        end(ch, m, text);
}

/* The dot at the end is sent only if all of the file was. */
static void say_data(struct asynchat_channel *ch, struct mail *m,
                     const char *text)
{
    (void)text;
    int fd = fcntl(fileno(m->file), F_DUPFD_CLOEXEC, 0);
    asynchat_push_producer(ch, asynchat_producer_dotted(asynchat_producer_file(
                                   fd, 0, (uint64_t)ftello(m->file))));
    m->step = VERDICT;
}

/* There is one for each pending recipient, in their order. */
static void got_verdict(struct asynchat_channel *ch, struct mail *m,
                        const char *text)
{
    record(m, pending(m->first), text);
    if (!pending(m->first))
        end(ch, m, text);
}

/* What each step wants to hear, if it is not for a single recipient. */
static const struct {
    char wanted;
    void (*next)(struct asynchat_channel *ch, struct mail *m, const char *text);
} steps[] = {{'2', say_hello},   {'2', say_sender}, {'2', say_recipient},
             {0, say_recipient}, {'3', say_data},   {0, got_verdict}};

/* --- the callbacks --- */

/* Of an answer with several lines, the last one counts. */
static void got_answer(struct asynchat_channel *ch, const void *data,
                       size_t len, void *arg)
{
    struct mail *m = arg;
    char text[512];
    snprintf(text, sizeof text, "%.*s", (int)len, (const char *)data);
    for (char *c = text; *c; c++)
        *c = iscntrl((unsigned char)*c)
                 ? ' '
                 : *c; /* it goes to the client and to the log */
    if (strspn(text, "0123456789") != 3 || !strchr(" -", text[3]))
        strcpy(text, NONSENSE);
    if (!m || text[3] == '-')
        return;
    char wanted = steps[m->step].wanted;
    if (wanted && *text != wanted)
        end(ch, m, strchr("45", *text) ? text : "451 4.4.1 not expected");
    else
        steps[m->step].next(ch, m, text);
}

static void begin(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    if (asynchat_set_framing(ch, asynchat_framing_lines(0)) ||
        asynchat_set_steady_deadline(ch, LMTP_TIME))
        asynchat_close(ch);
}

static void gone(struct asynchat_channel *ch, int status, void *arg)
{
    (void)status;
    if (arg)
        end(ch, arg, "451 4.4.1 no answer from the next server");
}

void lmtp_deliver(struct mail *m)
{
    static const struct asynchat_handler handler = {.size = sizeof handler,
                                                    .handle_connect = begin,
                                                    .message = got_answer,
                                                    .handle_close = gone};
    m->step = GREETING;
    if (connect_lmtp(&handler, m))
        end(NULL, m, "451 4.4.1 no way to the next server");
}
