/* Mails, and where they go. SPDX-License-Identifier: BSD-3-Clause */
#include "smtpd.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define THREADS 8 /* that wait for the disk, and check passwords */

static struct asynchat_workers *workers;
static int folder = -1, new_folder = -1;
static unsigned long long discarded;

/* The mails that this thread has given their names. Their answers wait for the
 * fsync of the folder. */
static _Thread_local struct mail *renamed;

static int open_folder(int in, const char *name)
{
    int fd = -1;
    if (mkdirat(in, name, 0700) == 0 || errno == EEXIST)
        fd = openat(in, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        err(1, "%s", name);
    return fd;
}

/* Opens a Maildir, which is made if it is not there. */
void mail_open(const char *name)
{
    folder = open_folder(AT_FDCWD, name);
    close(open_folder(folder, "tmp"));
    close(open_folder(folder, "cur"));
    new_folder = open_folder(folder, "new");
}

void threads_start(void)
{
    int error = asynchat_workers_new(THREADS, NULL, NULL, &workers);
    if (error)
        errx(1, "threads: %s", asynchat_strerror(error));
}

void mail_close(void)
{
    asynchat_workers_free(workers);
    if (settings.discard)
        fprintf(stderr, "%llu mails\n", discarded);
}

/* Has a thread do this; or does it here, if there is none. */
void run_aside(void (*work)(struct event_base *, unsigned, void *), void *arg)
{
    static unsigned turn;
    if (!workers || asynchat_workers_post(workers, turn++ % THREADS, work, arg))
        work(NULL, 0, arg);
}

/* --- a mail comes --- */

struct mail *mail_new(const char *sender, const char *peer)
{
    struct mail *m = allocate(sizeof *m);
    m->sender = copy(sender);
    m->peer = copy(peer);
    m->end = &m->first;
    return m;
}

void mail_recipient(struct mail *m, const char *address)
{
    struct recipient *r = allocate(sizeof *r);
    r->address = copy(address);
    *m->end = r;
    m->end = &r->next;
    m->recipients++;
}

static const char *trouble(int error)
{
    return error == ENOSPC || error == EDQUOT ? "452 4.3.1 the disk is full"
                                              : "451 4.3.0 not stored";
}

/* The name of the file, lent until the next call for the same folder. */
static const char *path(const struct mail *m, const char *in)
{
    static _Thread_local char text[2][sizeof m->id + 4];
    char *to = text[*in == 't'];
    snprintf(to, sizeof *text, "%s/%s", in, m->id);
    return to;
}

static FILE *open_file(const char *name)
{
    int fd = openat(folder, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return fd < 0 ? NULL : fdopen(fd, "r+");
}

/* Begins the file, unless that is done, with a line that says where the mail
 * comes from (RFC 5321, 4.4). Returns NULL, or why the mail cannot come. */
const char *mail_begin(struct mail *m, const char *from, const char *with)
{
    if (*m->id)
        return m->failed;
    stamp(m);
    if (settings.discard)
        return NULL;
    m->file = open_file(path(m, "tmp"));
    if (!m->file)
        return m->failed = trouble(errno);
    if (!settings.lmtp)
        fprintf(m->file, "Return-Path: <%s>\r\n", m->sender);
    fprintf(m->file, "Received: from %s (%s)\r\n\tby %s with %s id %s; %s\r\n",
            from, m->peer, host, with, m->id, m->date);
    return NULL;
}

void mail_write(struct mail *m, const void *data, size_t len)
{
    m->size += len;
    if (m->file && !m->failed && fwrite(data, 1, len, m->file) != len)
        m->failed = trouble(errno);
}

static void drop_file(struct mail *m)
{
    if (!m->file)
        return;
    fclose(m->file);
    m->file = NULL;
    unlinkat(folder, path(m, "tmp"), 0);
}

void mail_free(struct mail *m)
{
    if (!m)
        return;
    drop_file(m);
    for (struct recipient *r; (r = m->first); free(r)) {
        m->first = r->next;
        free(r->address);
    }
    free(m->answer);
    free(m->sender);
    free(m->peer);
    free(m);
}

/* --- the mail is complete --- */

static void write_log(const struct mail *m)
{
    char to[1024] = "";
    size_t len = 0;
    for (struct recipient *r = m->first; r && len < sizeof to; r = r->next)
        len += (size_t)snprintf(to + len, sizeof to - len,
                                r->code ? " to=<%s> %d" : " to=<%s>",
                                r->address, r->code);
    fprintf(stderr, "%s: %s from=<%s>%s size=%llu: %s\n", m->id, m->peer,
            m->sender, to, (unsigned long long)m->size,
            m->failed ? m->failed : "250");
}

/* Says what has become of the mail, to the client and to the log, and frees it.
 * May be called in any thread. */
void mail_finish(struct mail *m)
{
    if (settings.discard)
        discarded++;
    else
        write_log(m);
    drop_file(m);
    const char *text = m->failed ? m->failed : "250 2.0.0 ok ";
    asynchat_slot_push(m->slot, text, strlen(text));
    asynchat_slot_push(m->slot, m->id, m->failed ? 0 : strlen(m->id));
    asynchat_slot_push(m->slot, "\r\n", 2);
    asynchat_slot_finish(m->slot);
    mail_free(m);
}

/* One fsync of the folder is for all that got their names meanwhile. */
static void commit(struct event_base *loop, unsigned thread, void *arg)
{
    int error = settings.no_fsync || fsync(new_folder) == 0 ? 0 : errno;
    (void)loop, (void)thread, (void)arg;
    for (struct mail *m; (m = renamed);) {
        renamed = m->next;
        if (error) {
            unlinkat(folder, path(m, "new"), 0);
            m->failed = trouble(error);
        }
        mail_finish(m);
    }
}

/* Puts a mail on the disk. A thread does first what it is given first: so the
 * commit comes behind the mails that wait by now. */
static void store(struct event_base *loop, unsigned thread, void *arg)
{
    struct mail *m = arg, *before = renamed;
    if ((!settings.no_fsync && fsync(fileno(m->file))) ||
        renameat2(folder, path(m, "tmp"), folder, path(m, "new"),
                  RENAME_NOREPLACE)) {
        m->failed = trouble(errno);
        mail_finish(m);
        return;
    }
    fclose(m->file);
    m->file = NULL;
    m->next = renamed;
    renamed = m;
    if (!before &&
        (!loop || asynchat_workers_post(workers, thread, commit, NULL)))
        commit(loop, thread, NULL);
}

/* Takes a mail whose data has come, and has it answered in its slot. */
void mail_end(struct mail *m)
{
    if (m->file && !m->failed && fflush(m->file))
        m->failed = trouble(errno);
    if (m->failed || settings.discard)
        mail_finish(m);
    else if (settings.lmtp)
        lmtp_deliver(m);
    else if (settings.no_fsync)
        store(NULL, 0, m);
    else
        run_aside(store, m);
}
