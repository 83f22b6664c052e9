/* Mails, and where they go. SPDX-License-Identifier: BSD-3-Clause */
#include "smtpd.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define TMP_TIME (36 * 3600) /* seconds: the rule of Maildir */

static int tmp = -1, new = -1; /* the folders */

/* The mails that this thread has given their names. Their answers wait for the
 * fsync of the folder. */
static _Thread_local struct mail *renamed;

static int open_folder(const char *in, const char *name)
{
    g_autofree char *path = g_build_filename(in, name, NULL);
    int fd = -1;
    if (g_mkdir_with_parents(path, 0700) == 0)
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        err(1, "%s", path);
    return fd;
}

/* Opens a Maildir, which is made if it is not there. A file in tmp/ that is
 * older than TMP_TIME was left by a process that was killed, and goes. */
void mail_open(const char *folder)
{
    g_autofree char *path = g_build_filename(folder, "tmp", NULL);
    close(open_folder(folder, "cur"));
    new = open_folder(folder, "new");
    tmp = open_folder(folder, "tmp");
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    for (const char *name; dir && (name = g_dir_read_name(dir));) {
        struct stat about;
        if (fstatat(tmp, name, &about, AT_SYMLINK_NOFOLLOW) == 0 &&
            about.st_mtime < time(NULL) - TMP_TIME)
            unlinkat(tmp, name, 0);
    }
}

/* --- a mail comes --- */

static const char *trouble(int error)
{
    return error == ENOSPC || error == EDQUOT ? "452 4.3.1 the disk is full"
                                              : "451 4.3.0 not stored";
}

/* Begins the file, unless that is done, with a line that says where the mail
 * comes from (RFC 5321, 4.4). Returns NULL, or why the mail cannot come. */
const char *mail_begin(struct mail *m, const char *from, const char *with)
{
    if (m->id)
        return m->failed;
    stamp(m);
    if (settings.discard)
        return NULL;
    int fd = openat(tmp, m->id, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    m->file = fd < 0 ? NULL : fdopen(fd, "r+");
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

void mail_free(struct mail *m)
{
    if (m->file) {
        fclose(m->file);
        unlinkat(tmp, m->id, 0);
    }
    g_ptr_array_unref(m->to);
    g_string_free(m->log, TRUE);
    g_free(m->answer);
    g_free(m->sender);
    g_free(m->peer);
    g_free(m->id);
    g_free(m);
}

/* --- the mail is complete --- */

/* Says what has become of the mail, to the client and to the log, and frees it.
 * May be called in any thread. */
void mail_finish(struct mail *m)
{
    struct asynchat_slot *slot = m->slot;
    g_autofree char *answer =
        g_strconcat(m->failed ? m->failed : "250 2.0.0 ok ",
                    m->failed ? "" : m->id, "\r\n", NULL);
    for (unsigned i = 0; i < m->to->len; i++)
        g_string_append_printf(m->log, " to=<%s>", RECIPIENT(m, i));
    if (!settings.discard)
        fprintf(stderr, "%s: %s from=<%s>%s size=%ju: %s\n", m->id, m->peer,
                m->sender, m->log->str, (uintmax_t)m->size,
                m->failed ? m->failed : "250");
    mail_free(m);
    asynchat_slot_push(slot, answer, strlen(answer));
    asynchat_slot_finish(slot);
}

/* One fsync of the folder is for all that got their names meanwhile. */
static void commit(struct event_base *loop, unsigned thread, void *arg)
{
    int error = settings.no_fsync || fsync(new) == 0 ? 0 : errno;
    for (struct mail *m; (m = renamed);) {
        renamed = m->next;
        if (error) {
            unlinkat(new, m->id, 0);
            m->failed = trouble(error);
        }
        mail_finish(m);
    }
}

/* Puts a mail on the disk. A thread does first what it is given first: so the
 * commit comes behind the mails that wait by now. */
static void store(void *arg)
{
    struct mail *m = arg, *before = renamed;
    if ((!settings.no_fsync && fsync(fileno(m->file))) ||
        renameat2(tmp, m->id, new, m->id, RENAME_NOREPLACE)) {
        m->failed = trouble(errno);
        mail_finish(m);
        return;
    }
    fclose(g_steal_pointer(&m->file));
    m->next = before;
    renamed = m;
    if (!before &&
        asynchat_workers_post(workers, (unsigned)asynchat_worker_index(),
                              commit, NULL))
        commit(NULL, 0, NULL);
}

/* Takes a mail whose data has come, and has it answered in its slot. If the
 * threads have too much to do, the mail is stored here. */
void mail_end(struct mail *m)
{
    if (m->file && !m->failed && fflush(m->file))
        m->failed = trouble(errno);
    if (m->failed || settings.discard)
        mail_finish(m);
    else if (settings.lmtp)
        lmtp_deliver(m);
    else if (settings.no_fsync ||
             asynchat_workers_run(workers, NULL, store, NULL, m))
        store(m);
}
