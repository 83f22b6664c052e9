/* The producer of a file: it uses sendfile(2) on plain sockets, and pread(2)
 * elsewhere.
 *
 * It does not map the file: when a mapped file is cut short, the process is
 * killed by SIGBUS.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "output/producer.h"

#include <errno.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/sendfile.h>
#endif

#include <event2/buffer.h>

#include <asynchat/error.h>

#include "base/memory.h"
#include "base/sigpipe.h"

struct file {
    int fd;
    int error;
    uint64_t offset;
    uint64_t left;
};

static size_t file_chunk(const struct file *file, size_t room)
{
    return file->left < room ? (size_t)file->left : room;
}

/* Takes account of what pread or sendfile has answered for the next chunk.
 * Answers as `more` does. */
static int file_advance(struct file *file, ssize_t n)
{
    if (n < 0)
        return -errno;
    if (n == 0)
        return ASYNCHAT_ETRUNCATED;
    file->offset += (uint64_t)n;
    file->left -= (uint64_t)n;
    return file->left > 0 ? ASYNCHAT_MORE : ASYNCHAT_DONE;
}

/* Reads the next chunk into `buffer`, which is memory of the output: so the
 * chunk is not copied again. */
static ssize_t file_pread(const struct file *file, void *buffer, size_t len)
{
    ssize_t n;
    do
        n = pread(file->fd, buffer, len, (off_t)file->offset);
    while (n < 0 && errno == EINTR);
    return n;
}

static int file_more(struct asynchat_channel *ch, struct evbuffer *out,
                     size_t room, void *arg)
{
    struct file *file = arg;
    struct evbuffer_iovec space;
    (void)ch;
    if (file->error || file->left == 0)
        return file->error;
    size_t chunk = file_chunk(file, room);
    if (evbuffer_reserve_space(out, (ev_ssize_t)chunk, &space, 1) < 1)
        return -ENOMEM;
    ssize_t n = file_pread(file, space.iov_base, chunk);
    int answer = file_advance(file, n);
    space.iov_len = n > 0 ? (size_t)n : 0;
    evbuffer_commit_space(out, &space, 1);
    return answer;
}

#ifdef __linux__
static int file_send(void *arg, int socket, size_t room, size_t *sent)
{
    struct file *file = arg;
    *sent = 0;
    if (file->error || file->left == 0)
        return file->error;
    asynchat__sigpipe_ignore();
    off_t offset = (off_t)file->offset;
    ssize_t n = sendfile(socket, file->fd, &offset, file_chunk(file, room));
    if (n > 0)
        *sent = (size_t)n;
    if (n < 0 && errno == EINTR)
        return -EAGAIN;
    if (n < 0 && (errno == EINVAL || errno == ENOSYS || errno == EOVERFLOW))
        /* no sendfile in this file system, or at this offset */
        return -ENOTSUP;
    return file_advance(file, n);
}
#endif

static void file_release(void *arg)
{
    struct file *file = arg;
    if (file->fd >= 0)
        close(file->fd);
    asynchat__free(file);
}

static const struct asynchat_producer_ops file_ops = {
    .size = sizeof file_ops,
    .more = file_more,
    .release = file_release,
};

/* Takes `fd` in every case. Programs nest this call in
 * asynchat_push_producer(), and could not tell which of the two calls has
 * failed. */
struct asynchat_producer *asynchat_producer_file(int fd, uint64_t offset,
                                                 uint64_t len)
{
    struct file *file = asynchat__malloc(sizeof *file);
    if (!file) {
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    file->fd = fd;
    file->offset = offset;
    file->left = len;
    file->error = 0;
    if (fd < 0)
        file->error = -EBADF;
    else if (offset > INT64_MAX || len > INT64_MAX - offset)
        file->error = -EINVAL;
    struct asynchat_producer *producer =
        asynchat__producer_make(&file_ops, file);
#ifdef __linux__
    if (producer)
        producer->send = file_send;
#endif
    return producer;
}
