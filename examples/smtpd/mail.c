/* Mails, and where they go. SPDX-License-Identifier: BSD-3-Clause */
#include "smtpd.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int folder = -1, new_folder = -1;

/* Those that this thread has given their names. Their answers wait for the fsync
 * of the folder. */
static _Thread_local struct mail *renamed;

static void make_folder(const char *name)
{
    if (mkdirat(folder, name, 0700) && errno != EEXIST)
        err(1, "%s", name);
}

/* Opens a Maildir, which is made if it is not there. */
void folder_open(const char *name)
{
    mkdir(name, 0700);
    if ((folder = open(name, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
        err(1, "%s", name);
    make_folder("tmp");
    make_folder("cur");
    make_folder("new");
    new_folder = openat(folder, "new", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (new_folder < 0)
        err(1, "%s/new", name);
}

/* The name of the file in tmp/ or new/, lent until the next call. */
static const char *path(const struct mail *m, const char *in)
{
    static _Thread_local char text[sizeof m->id + 8];
    snprintf(text, sizeof text, "%s/%s", in, m->id);
    return text;
}

/* --- a mail comes --- */

struct mail *mail_new(const char *peer)
{
    struct mail *m = calloc(1, sizeof *m);
    if (!m)
        err(1, NULL);
    m->peer = copy(peer);
    m->end = &m->first;
    return m;
}

void mail_recipient(struct mail *m, const char *address)
{
    struct recipient *r = calloc(1, sizeof *r + strlen(address) + 1);
    if (!r)
        err(1, NULL);
    strcpy(r->address, address);
    *m->end = r;
    m->end = &r->next;
    m->recipients++;
}

static const char *trouble(int error)
{
    return error == ENOSPC || error == EDQUOT ? "452 4.3.1 the disk is full"
                                              : "451 4.3.0 not stored";
}

/* Begins the file, unless that is done, with a line that says where the mail
 * comes from (RFC 5321, 4.4). Returns NULL, or why the mail cannot come. */
const char *mail_begin(struct mail *m, const char *from, const char *with)
{
    static unsigned count;
    struct timespec now;
    char date[40];
    if (*m->id)
        return m->failed;
    clock_gettime(CLOCK_REALTIME, &now);
    strftime(date, sizeof date, "%a, %d %b %Y %T %z", localtime(&now.tv_sec));
    snprintf(m->id, sizeof m->id, "%lld.M%ldP%dQ%u.%.40s",
             (long long)now.tv_sec, now.tv_nsec / 1000, (int)getpid(), ++count,
             host);
    if (settings.discard)
        return NULL;
    int fd = openat(folder, path(m, "tmp"),
                    O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    m->file = fd < 0 ? NULL : fdopen(fd, "r+");
    if (!m->file)
        return m->failed = trouble(errno);
    fprintf(m->file,
            "Return-Path: <%s>\r\nReceived: from %s (%s)\r\n"
            "\tby %s with %s id %s; %s\r\n",
            m->sender, from, m->peer, host, with, m->id, date);
    return NULL;
}

void mail_write(struct mail *m, const void *data, size_t len)
{
    m->size += len;
    if (m->file && !m->failed && fwrite(data, 1, len, m->file) != len)
        m->failed = trouble(errno);
}

void mail_free(struct mail *m)
{
    if (!m)
        return;
    if (m->file) {
        fclose(m->file);
        unlinkat(folder, path(m, "tmp"), 0);
    }
    for (struct recipient *r; (r = m->first); free(r))
        m->first = r->next;
    free(m->sender);
    free(m->peer);
    free(m);
}

/* --- the mail is complete --- */

/* Says what has become of the mail: to the client, and to the log. May be called
 * in any thread. */
static void finish(struct mail *m)
{
    char answer[128], to[1000] = "";
    size_t len = 0;
    snprintf(answer, sizeof answer, "250 2.0.0 ok %s", m->id);
    const char *text = m->failed ? m->failed : answer;
    for (struct recipient *r = m->first; r && len < sizeof to; r = r->next)
        len +=
            (size_t)snprintf(to + len, sizeof to - len, " to=<%s>", r->address);
    fprintf(stderr, "%s: %s from=<%s>%s size=%llu: %s\n", m->id, m->peer,
            m->sender, to, (unsigned long long)m->size, text);
    asynchat_slot_push(m->slot, text, strlen(text));
    asynchat_slot_push(m->slot, "\r\n", 2);
    asynchat_slot_finish(m->slot);
    mail_free(m);
}

/* One fsync of the folder for all that got their names meanwhile. */
static void commit(struct event_base *loop, unsigned index, void *arg)
{
    int error = settings.no_fsync || fsync(new_folder) == 0 ? 0 : errno;
    (void)loop, (void)index, (void)arg;
    for (struct mail *m; (m = renamed);) {
        renamed = m->next;
        if (error)
            unlinkat(folder, path(m, "new"), 0);
        m->failed = error ? trouble(error) : NULL;
        finish(m);
    }
}

/* Puts a mail on the disk, in a thread of its own, or here if there is none. What
 * a thread is given first, it does first: so the commit comes behind all mails
 * that wait by now. */
static void store(struct event_base *loop, unsigned index, void *arg)
{
    struct mail *m = arg, *before = renamed;
    char to[sizeof m->id + 8];
    strcpy(to, path(m, "new"));
    if ((!settings.no_fsync && fsync(fileno(m->file))) ||
        renameat2(folder, path(m, "tmp"), folder, to, RENAME_NOREPLACE)) {
        m->failed = trouble(errno);
        finish(m);
        return;
    }
    fclose(m->file);
    m->file = NULL;
    m->next = renamed;
    renamed = m;
    if (!before &&
        (!loop || asynchat_workers_post(workers, index, commit, NULL)))
        commit(loop, index, NULL);
}

/* Takes a mail whose data has come, and answers in its slot. */
void mail_end(struct mail *m)
{
    static unsigned turn;
    if (m->file && !m->failed && fflush(m->file))
        m->failed = trouble(errno);
    if (m->failed || settings.discard)
        finish(m);
    else if (!workers ||
             asynchat_workers_post(workers, turn++ % WORKERS, store, m))
        store(NULL, 0, m);
}
